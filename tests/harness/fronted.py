"""The service behind Kamailio without models: supervised as ``serve`` does it, agent left out.

Callers get an announcement (a tone of a minute), which the dial plan plays without any agent.
``python -m tests.harness.fronted CONFIG`` is the supervisor's process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

from edge.supervisor import children, only_one, supervise, wait_for_sip_ports
from media.config.load import load_config
from media.log import configure_log
from tests.harness.call_records import one_record
from tests.harness.outside_phone import tone
from tests.harness.service import ROOT, cordboard, free_port, process_tree

TRUNK_ADDRESS = "127.0.0.7"
"""Known as the trunk ``carrier``."""
STRANGER_ADDRESS = "127.0.0.9"
SLOTS = 4
"""Of the packaged pjsua2 build."""


class FrontedService:
    """One running service with ``sip.front: kamailio``.

    Args:
        folder: for its configuration, sockets, records and log.
        calls: ``limits.calls``.
        more: further top-level YAML.
        front: further fields of the ``front`` section, as YAML.
        dialplan: the rules, as YAML.
        address: where SIP is heard.
    """

    def __init__(
        self,
        folder: Path,
        calls: int = 12,
        more: str = "",
        front: str = "",
        dialplan: str = "  - announce: tone.wav\n",
        address: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = free_port(28_000, 28_049)
        self.tls_port = free_port(28_050, 28_099)
        self.worker_port = free_port(28_100, 28_149)
        self.config = folder / "cordboard.yaml"
        self.log = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        with wave.open(str(folder / "tone.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(tone(440, 60.0).astype("<i2").tobytes())
        _make_certificate(folder)
        self.config.write_text(
            f"home: {folder}\n"
            "run_dir: run\n"
            f'sip: {{address: "{address}", udp_port: {self.port}, tcp_port: {self.port}, '
            "front: kamailio}\n"
            f"front: {{worker_port: {self.worker_port}, tls_port: {self.tls_port}, "
            f"tls_certificate: cert.pem, tls_key: key.pem{front}}}\n"
            f"limits: {{calls: {calls}, retry_after_s: 7}}\n"
            "media: {address: 127.0.0.1, port_min: 28200, port_max: 28899, record: false, "
            "rtp_timeout_s: 3600, drain_s: 0}\n"
            'storage: {url: "sqlite:///calls.db"}\n'
            "log: {format: json, level: info}\n"
            f"trunks:\n  carrier: {{sources: [127.0.0.1, {TRUNK_ADDRESS}]}}\n"
            "agents: {nobody: {greeting: Hello., instructions: Be brief.}}\n"
            f"dialplan:\n{dialplan}{more}"
        )

    def start(self, timeout_s: float = 60) -> None:
        """Start and wait until a call would be answered on every line."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.fronted", str(self.config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                start_new_session=True,
            )
        limit = load_config(self.config).limits.calls
        try:
            self.wait(lambda status: status["ready"] and status["limit"] == limit, timeout_s)
        except AssertionError:
            self.stop()
            raise

    def stop(self) -> int:
        """Stop as ops would, by SIGTERM; return the exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait(5)

    def status(self) -> dict[str, Any]:
        """Return ``cordboard status --json``."""
        done = cordboard("status", "--config", str(self.config), "--json")
        return dict(json.loads(done.stdout))

    def wait(self, wanted: Any, timeout_s: float = 10) -> dict[str, Any]:
        """Wait until the status is as wanted; return it."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.status()
            if status["running"] and wanted(status):
                return status
            assert time.monotonic() < deadline, f"{status}\n{self.log_tail()}"
            time.sleep(0.2)

    def wait_level(self, timeout_s: float = 10) -> None:
        """Wait until no worker holds a leg and no call is open."""
        self.wait(
            lambda status: (
                not status["calls"] and not any(each["legs"] for each in status["workers"])
            ),
            timeout_s,
        )

    def legs(self) -> list[int]:
        """Return how many legs each worker holds."""
        return [each["legs"] for each in self.status()["workers"]]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one ``cordboard`` command on this service."""
        return cordboard(*arguments, "--config", str(self.config))

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def log_text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace")

    def record(self, sip_call_id: str, timeout_s: float = 10) -> dict[str, Any]:
        """Return the one closed record of a call."""
        return one_record(self.folder / "calls.db", sip_call_id, timeout_s)

    def worker_pid(self, number: int) -> int:
        """Return the process id of a worker."""
        return int(self.status()["workers"][number]["pid"])

    def process_pid(self, role: str) -> int:
        """Return the process id of ``edge``, ``media`` or ``front``."""
        return next(int(each["pid"]) for each in self.status()["processes"] if each["role"] == role)

    def processes(self) -> list[int]:
        """Return every process of the service."""
        assert self._process is not None
        return process_tree(self._process.pid)


def _make_certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,IP:::1"],
        check=True, capture_output=True,
    )  # fmt: skip


def main() -> None:
    """Supervise media, Kamailio and control."""
    path = Path(sys.argv[1])
    config = load_config(path)
    configure_log(config.log, "supervisor")
    family = tuple(each for each in children(path, fronted=True) if each.role != "agent")
    with only_one(Path(config.run_dir)):
        wait_for_sip_ports(config)
        asyncio.run(supervise(family))


if __name__ == "__main__":
    main()
