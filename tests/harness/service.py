"""The service under test: its own configuration, ports and folder; started, looked at, killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.call_records import one_record, rows_of

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "cordboard.yaml"
OWN_SECTIONS = ("home", "run_dir", "sip", "media", "storage", "log", "limits", "metrics", "ladder")
CORDBOARD = (
    sys.executable,
    "-c",
    "import sys; from media.cli import main; sys.exit(main(sys.argv[1:]))",
)


def free_port(first: int, last: int) -> int:
    """Return a port of the range that is free for UDP and TCP on loopback."""
    for port in range(first, last + 1):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port in {first}-{last}")


def cordboard(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run one ``cordboard`` command to its end."""
    return subprocess.run(
        [*CORDBOARD, *arguments], capture_output=True, text=True, timeout=timeout_s, cwd=ROOT
    )


@dataclass(frozen=True)
class Usage:
    """What a process tree holds."""

    descriptors: int
    resident_mb: float
    threads: int
    cpu_s: float


class Supervised:
    """One service in a process group of its own, as ops run it.

    Args:
        folder: for its configuration and its log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "cordboard.yaml"
        self.log = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *command: str) -> None:
        """Start the process that supervises all others."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                start_new_session=True,
            )

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

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def processes(self) -> list[int]:
        """Return every process of the service."""
        assert self._process is not None
        return process_tree(self._process.pid)


class Service(Supervised):
    """One running ``cordboard serve``.

    Args:
        folder: for its configuration, sockets, records, recordings and log.
        rtp_ports: first and last RTP port.
        sip_ports: range to take the SIP port from.
        overrides: YAML text of more top-level sections, replacing the shipped ones.
    """

    def __init__(
        self,
        folder: Path,
        rtp_ports: tuple[int, int] = (26_200, 26_399),
        sip_ports: tuple[int, int] = (26_000, 26_059),
        overrides: dict[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self.host = "127.0.0.1"
        self.port = free_port(*sip_ports)
        self.rtp_ports = rtp_ports
        self.metrics_url = ""
        """Where the figures are, if a test has them served."""
        more = overrides or {}
        blocks = re.split(r"(?m)^(?=[A-Za-z_])", SHIPPED.read_text())
        dropped = (*OWN_SECTIONS, *more)
        shipped = "".join(each for each in blocks if each.partition(":")[0] not in dropped)
        media = {"port_min": rtp_ports[0], "port_max": rtp_ports[1], "recordings_dir": "rec"}
        own = {
            "home": str(folder),
            "run_dir": "run",
            "sip": f"{{address: {self.host}, udp_port: {self.port}, tcp_port: {self.port}}}",
            "media": "{address: 127.0.0.1, "
            + ", ".join(f"{key}: {value}" for key, value in media.items())
            + "}",
            "storage": '{url: "sqlite:///calls.db"}',
            "log": "{format: json, level: info}",
            "metrics": "{port: null}",
            # what a test asserts must not hang on how busy the machine is
            "ladder": "{refuse_calls: {engine_wait_ms: 0, loop_lag_ms: 0}}",
            **more,
        }
        text = "\n".join(f"{key}: {value}" for key, value in own.items())
        self.config.write_text(text + "\n" + shipped)

    # ------------------------------------------------------------ life

    def start(self, timeout_s: float = 180) -> None:
        """Start and wait until a call would be answered."""
        self.run(*CORDBOARD, "serve", "--config", str(self.config))
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until a call would be answered; fail with the end of the log if it never would."""
        done = cordboard(
            "status", "--config", str(self.config), "--wait", str(timeout_s),
            timeout_s=timeout_s + 30,
        )  # fmt: skip
        if done.returncode:
            self.stop()
            raise AssertionError(
                f"not ready in {timeout_s} s: {done.stdout}{done.stderr}\n{self.log_tail()}"
            )

    def log_events(self, event: str) -> list[dict[str, Any]]:
        """Return every JSON log line of one event."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{") and f'"{event}"' in line:
                body = json.loads(line)
                if body.get("event") == event:
                    found.append(body)
        return found

    # ------------------------------------------------------------ looking in

    def record(self, sip_call_id: str, timeout_s: float = 6.0) -> dict[str, Any]:
        """Return the closed call record and its turns; fail if there is not exactly one."""
        database = self.folder / "calls.db"
        row = one_record(database, sip_call_id, timeout_s, self.log_tail)
        turns = "SELECT * FROM turns WHERE call_id = ? ORDER BY number"
        return {**row, "turns": rows_of(database, turns, row["call_id"])}

    # ------------------------------------------------------------ processes

    def pids(self) -> dict[str, list[int]]:
        """Return process ids by role: supervisor, media, agent, edge, worker."""
        supervisor, *others = self.processes()
        roles: dict[str, list[int]] = {"supervisor": [supervisor]}
        for pid in others:
            words = _command_line(pid)
            module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
            role = {"edge.ua": "worker"}.get(module, module or "other")
            roles.setdefault(role, []).append(pid)
        return roles

    def kill(self, role: str, which: int = 0) -> int:
        """``kill -9`` one process of a role; return its pid."""
        pid = sorted(self.pids()[role])[which]
        os.kill(pid, signal.SIGKILL)
        return pid

    def usage(self) -> Usage:
        """Return what all processes hold together."""
        descriptors, resident, threads, ticks = 0, 0, 0, 0
        for pid in self.processes():
            try:
                descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            resident += int(fields[21]) * 4096
            threads += int(fields[17])
            ticks += int(fields[11]) + int(fields[12])
        return Usage(descriptors, resident / 2**20, threads, ticks / os.sysconf("SC_CLK_TCK"))

    def udp_ports(self) -> set[int]:
        """Return the local UDP ports that the processes have open."""
        inodes = set()
        for pid in self.processes():
            folder = Path(f"/proc/{pid}/fd")
            try:
                targets = [str(each.readlink()) for each in folder.iterdir()]
            except OSError:
                continue
            inodes |= {each[8:-1] for each in targets if each.startswith("socket:[")}
        ports = set()
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
        return ports


def process_tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []
