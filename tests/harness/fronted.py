"""The service behind Kamailio without models: supervised as ``serve`` does it, agent left out.

Callers get an announcement (a tone of a minute), which the dial plan plays without any agent.
``python -m tests.harness.fronted CONFIG`` is the supervisor's process.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.supervisor import children, only_one, supervise, wait_for_sip_ports
from media.config.load import load_config
from media.log import configure_log
from tests.harness.call_records import one_record
from tests.harness.certificate import make_certificate
from tests.harness.outside_phone import tone
from tests.harness.service import Supervised, cordboard, free_port
from tests.harness.wav import save_wav

TRUNK_ADDRESS = "127.0.0.7"
"""Known as the trunk ``carrier``."""
STRANGER_ADDRESS = "127.0.0.9"
SLOTS = 4
"""Of the packaged pjsua2 build."""


class FrontedService(Supervised):
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
        super().__init__(folder)
        self.host = "127.0.0.1"
        self.port = free_port(28_000, 28_049)
        self.tls_port = free_port(28_050, 28_099)
        self.worker_port = free_port(28_100, 28_149)
        save_wav(folder / "tone.wav", tone(440, 60.0))
        make_certificate(folder)
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
        self.run(sys.executable, "-m", "tests.harness.fronted", str(self.config))
        limit = load_config(self.config).limits.calls
        try:
            self.wait(lambda status: status["ready"] and status["limit"] == limit, timeout_s)
        except AssertionError:
            self.stop()
            raise

    @contextmanager
    def serving(self) -> Iterator[FrontedService]:
        """Run in the meantime; at the end it stops by itself, and nothing of it has crashed."""
        self.start()
        try:
            yield self
        finally:
            code = self.stop()
        assert code == 0, self.log_tail()
        assert "Traceback" not in self.log_text()

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

    def log_text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace")

    def record(self, sip_call_id: str, timeout_s: float = 10) -> dict[str, Any]:
        """Return the one closed record of a call."""
        return one_record(self.folder / "calls.db", sip_call_id, timeout_s, self.log_tail)

    def worker_pid(self, number: int) -> int:
        """Return the process id of a worker."""
        return int(self.status()["workers"][number]["pid"])

    def process_pid(self, role: str) -> int:
        """Return the process id of ``edge``, ``media`` or ``front``."""
        return next(int(each["pid"]) for each in self.status()["processes"] if each["role"] == role)


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
