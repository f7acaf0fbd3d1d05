"""The service under test without models: real edge, workers and media, a scripted agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from media.config.load import load_config
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    Done,
    EndConversation,
    Message,
    StartConversation,
)
from media.paths import socket_address
from tests.edge.peers import Peer
from tests.harness.call_records import one_record, rows_of
from tests.harness.service import ROOT, cordboard, free_port


class ScriptedAgent(Peer):
    """Ready at once; knows every persona; remembers what it was told."""

    def answer(self, message: Message) -> Iterable[Message]:
        match message:
            case AgentStatusRequest():
                return [AgentStatus(True, "scripted", {"voice": "scripted"})]
            case StartConversation() | EndConversation():
                return [Done()]
        return [Done()]

    def told(self, kind: type[Message]) -> list[Message]:
        return [each for each in self.heard if isinstance(each, kind)]


class Exchange:
    """One running edge and media.

    Args:
        folder: for configuration, sockets, records and logs.
        rest: YAML of trunks, dialplan, agents and what else the test needs.
        sip: more fields of ``sip``.
        rtp_ports: first and last.
        limits: fields of ``limits``.
    """

    def __init__(
        self,
        folder: Path,
        rest: str,
        sip: str = "",
        rtp_ports: tuple[int, int] = (30_400, 30_599),
        limits: str = "retry_after_s: 7",
    ) -> None:
        self.folder = folder
        self.port = free_port(30_000, 30_099)
        self.path = folder / "cordboard.yaml"
        self.agent = ScriptedAgent()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._head = (
            f"home: {folder}\n"
            "run_dir: run\n"
            f"sip: {{address: 127.0.0.1, udp_port: {self.port}, tcp_port: {self.port}{sip}}}\n"
            f"media: {{address: 127.0.0.1, port_min: {rtp_ports[0]}, port_max: {rtp_ports[1]}, "
            "drain_s: 0, record: false}\n"
            f"limits: {{{limits}}}\n"
            'storage: {url: "sqlite:///calls.db"}\n'
            "log: {format: json, level: info}\n"
        )
        self.write(rest)

    def write(self, rest: str) -> None:
        """Write the configuration, for the start or for a reload."""
        partial = self.path.with_suffix(".new")
        partial.write_text(self._head + rest)
        partial.replace(self.path)

    def start(self) -> Exchange:
        """Start everything; return when a call would be answered."""
        self._thread.start()
        self.config = load_config(self.path)
        self.run(self.agent.start(socket_address(self.config, "agent")))
        for module in ("media", "edge"):
            self._start(module)
        done = self.command("status", "--wait", "30")
        if done.returncode:
            self.stop()
            raise AssertionError(done.stdout + done.stderr + self.log_text())
        self.wait_workers()
        return self

    def wait_workers(self, timeout_s: float = 10.0) -> None:
        """Wait until every worker is ready."""
        deadline = time.monotonic() + timeout_s
        while any(each["state"] != "ready" for each in self.status()["workers"]):
            assert time.monotonic() < deadline, self.status()
            time.sleep(0.1)

    def _start(self, module: str) -> None:
        with (self.folder / f"{module}.log").open("ab") as log:
            self._processes[module] = subprocess.Popen(
                [sys.executable, "-m", module, "--config", str(self.path)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Stop everything."""
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with contextlib.suppress(TimeoutError):
            self.run(self.agent.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float = 10.0) -> Any:
        """Run something in the agent's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def tell(self, message: Message) -> None:
        """Say something as the agent."""
        self._loop.call_soon_threadsafe(self.agent.send, message)

    def hear(self, kind: type[Message]) -> Any:
        """Wait for a message to the agent and take it."""
        return self.run(self.agent.hear(kind))

    def command(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a ``cordboard`` command on this configuration."""
        return cordboard(*arguments, "--config", str(self.path), timeout_s=timeout_s)

    def status(self) -> dict[str, Any]:
        """Return the status."""
        return dict(json.loads(self.command("status", "--json").stdout))

    def edge_pid(self) -> int:
        """Return the pid of the control process."""
        return self._processes["edge"].pid

    def hang_up_signal(self) -> None:
        """Send SIGHUP to the control process."""
        os.kill(self.edge_pid(), signal.SIGHUP)

    def log_text(self) -> str:
        """Return what edge and its workers logged."""
        return (self.folder / "edge.log").read_text(errors="replace")

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return every log line of one event."""
        lines = [each for each in self.log_text().splitlines() if f'"{event}"' in each]
        bodies = [json.loads(each) for each in lines if each.startswith("{")]
        return [each for each in bodies if each["event"] == event]

    def wait_event(self, event: str, timeout_s: float = 6.0, **wanted: Any) -> dict[str, Any]:
        """Wait for a log line."""
        deadline = time.monotonic() + timeout_s
        while True:
            for each in self.events(event):
                if all(each.get(key) == value for key, value in wanted.items()):
                    return each
            assert time.monotonic() < deadline, self.log_text()[-4_000:]
            time.sleep(0.05)

    def record(self, sip_call_id: str, timeout_s: float = 8.0) -> dict[str, Any]:
        """Return the one closed record of a call."""
        path = self.folder / "calls.db"
        return one_record(path, sip_call_id, timeout_s, lambda: self.log_text()[-4_000:])

    def records(self, where: str = "1 = 1", *values: Any) -> list[dict[str, Any]]:
        """Return call records."""
        return rows_of(self.folder / "calls.db", f"SELECT * FROM calls WHERE {where}", *values)
