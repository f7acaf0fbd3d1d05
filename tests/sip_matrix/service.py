"""Real control, worker and media processes with a scripted agent: all of the service but models."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from media.config.load import load_config
from media.link import Link
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    CallAnswered,
    CallDigit,
    CallHeld,
    CallId,
    Done,
    EndConversation,
    Failed,
    HangupRequested,
    Message,
    StartConversation,
)
from media.paths import socket_address
from tests.edge.peers import Peer
from tests.harness.call_records import call_records, one_record
from tests.harness.kamailio_rpc import tell_kamailio
from tests.harness.service import ROOT, cordboard, free_port

HANGUP_USER = "hangup"
"""Calls to this user are ended by the agent 200 ms after the ACK."""
SLOW_USER = "slow"
"""The agent needs :data:`SLOW_S` to get ready for calls to this user; they ring meanwhile."""
SLOW_S = 0.6


class ScriptedAgent(Peer):
    """The agent process's place: ready at once, says nothing, ends calls that ask for it."""

    def __init__(self) -> None:
        super().__init__()
        self.digits: list[str] = []
        self.held: list[bool] = []
        self._ending: dict[CallId, bool] = {}

    def answer(self, message: Message) -> Iterable[Message]:
        match message:
            case AgentStatusRequest():
                return [AgentStatus(True, "scripted", {"voice": "scripted"})]
            case StartConversation(call_id=call_id, variables=variables):
                self._ending[call_id] = variables.get("called", "") == HANGUP_USER
                return [Done()]
            case CallAnswered(call_id=call_id):
                if self._ending.pop(call_id, False):
                    asked = HangupRequested(call_id, "agent_goodbye")
                    asyncio.get_running_loop().call_later(0.2, self.send, asked)
                return []
            case CallDigit(digit=digit):
                self.digits.append(digit)
                return []
            case CallHeld(held=held):
                self.held.append(held)
                return []
            case EndConversation():
                return [Done()]
        return [Failed("not served")]

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        slow = isinstance(message, StartConversation) and (
            SLOW_USER in message.variables.get("called", "")
        )
        if not slow:
            super()._receive(link, message, request_id)
            return
        later = functools.partial(super()._receive, link, message, request_id)
        asyncio.get_running_loop().call_later(SLOW_S, later)


class SipService:
    """The service on loopback.

    Args:
        folder: for configuration, sockets, records and logs.
        sip_ports: range to take the SIP port from.
        rtp_ports: first and last RTP port.
        sip: more fields of the ``sip`` section, as YAML.
        limits: fields of the ``limits`` section, as YAML.
        host: address of SIP and RTP.
        agent: in the agent process's place.
        fronted: Kamailio takes the SIP port and stands before the workers.
        more: further top-level YAML.
    """

    def __init__(
        self,
        folder: Path,
        sip_ports: tuple[int, int] = (31_000, 31_049),
        rtp_ports: tuple[int, int] = (31_200, 31_399),
        sip: str = "",
        limits: str = "",
        host: str = "127.0.0.1",
        agent: ScriptedAgent | None = None,
        *,
        fronted: bool = False,
        more: str = "",
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = free_port(*sip_ports)
        self.fronted = fronted
        if fronted:
            worker_port = free_port(self.port + 1, sip_ports[1])
            sip += ", front: kamailio"
            more += f"front: {{worker_port: {worker_port}}}\n"
            # a carrier's repetitions are no flood; a stranger's would be
            trunk = "{sources: [127.0.0.1], codecs: [PCMU, PCMA]}"
            more += f"trunks: {{carrier: {trunk}}}\n" if "trunks" not in more else ""
        self.agent = agent or ScriptedAgent()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._processes: list[subprocess.Popen[bytes]] = []
        config = folder / "cordboard.yaml"
        config.write_text(
            f"home: {folder}\n"
            "run_dir: run\n"
            f'sip: {{address: "{host}", '
            f"udp_port: {self.port}, tcp_port: {self.port}{sip}}}\n"
            f'media: {{address: "{host}", '
            f"port_min: {rtp_ports[0]}, port_max: {rtp_ports[1]}, "
            "drain_s: 0, record: false, rtp_timeout_s: 3600}\n"
            f"limits: {{retry_after_s: 7{limits}}}\n"
            'storage: {url: "sqlite:///calls.db"}\n'
            "log: {format: json, level: info}\n"
            "agents: {desk: {greeting: Hello., instructions: Be brief.}}\n"
            f"dialplan: [{{agent: desk}}]\n{more}"
        )
        self.config_path = config
        self.config = load_config(config)

    @property
    def target(self) -> str:
        """``host:port`` to call."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def start(self) -> None:
        """Start everything; return when a call would be answered."""
        self._thread.start()
        started = self.agent.start(socket_address(self.config, "agent"))
        asyncio.run_coroutine_threadsafe(started, self._loop).result(5)
        for module in ("media", *(["edge.front"] if self.fronted else []), "edge"):
            with (self.folder / f"{module}.log").open("wb") as log:
                self._processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", module, "--config", str(self.config_path)],
                        cwd=ROOT,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                    )
                )
        done = cordboard("status", "--config", str(self.config_path), "--wait", "30")
        if done.returncode == 0 and self._all_lines_up(30):
            return
        self.stop()
        raise AssertionError(done.stdout + done.stderr + self.log_text())

    def _all_lines_up(self, timeout_s: float) -> bool:
        wanted = self.config.limits.calls
        deadline = time.monotonic() + timeout_s
        while wanted is not None and time.monotonic() < deadline:
            done = cordboard("status", "--config", str(self.config_path), "--json")
            if json.loads(done.stdout).get("limit") == wanted:
                return True
            time.sleep(0.2)
        return wanted is None

    def tell_front(self, method: str, *parameters: str | int) -> None:
        """Have Kamailio carry out a command, beside control's."""
        tell_kamailio(self.config, self.folder, method, *parameters)

    def stop(self) -> None:
        """Stop everything; fail where a process did not end well."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        asyncio.run_coroutine_threadsafe(self.agent.stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def log_text(self) -> str:
        """Return what edge and its workers logged."""
        return (self.folder / "edge.log").read_text(errors="replace")

    def front_log(self) -> str:
        """Return what Kamailio logged."""
        return (self.folder / "edge.front.log").read_text(errors="replace")

    def worker_pid(self) -> int:
        """Return the pid of the UA worker."""
        edge = self._processes[-1].pid
        for child in Path(f"/proc/{edge}/task/{edge}/children").read_text().split():
            if b"edge.ua" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        raise AssertionError("no worker runs")

    def records(self) -> list[dict[str, Any]]:
        """Return every call record."""
        return call_records(self.folder / "calls.db")

    def record(self, sip_call_id: str, timeout_s: float = 6.0) -> dict[str, Any]:
        """Return the one closed record of a call."""
        return one_record(self.folder / "calls.db", sip_call_id, timeout_s)
