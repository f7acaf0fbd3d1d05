"""A running switchboard for transfers: real edge, workers and media; tones for an AI."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edge.client_messages import CallOfferedNews, Status, StatusRequest, Subscribe
from edge.front.settings import is_fronted
from media.config.load import load_config
from media.link import Link, connect
from media.messages import CallId, MediaStatus, MediaStatusRequest, Message
from media.paths import socket_address
from tests.harness.call_records import rows_of
from tests.harness.service import ROOT, free_port
from tests.harness.waiting import until
from tests.harness.wav import save_wav
from tests.transfer.agent import ToneAgent
from tests.transfer.phone import Dialog, Phone
from tests.transfer.rtp import MS, samples_of

SIP_PORTS = (29_000, 29_079)
RTP_PORTS = (29_400, 29_699)


class Rig:
    """One switchboard.

    Args:
        folder: for its files.
        rtp_ports: first and last of its own.
        sip_ports: to choose from.
    """

    def __init__(
        self,
        folder: Path,
        rtp_ports: tuple[int, int] = RTP_PORTS,
        sip_ports: tuple[int, int] = SIP_PORTS,
    ) -> None:
        self.rtp_ports = rtp_ports
        self.folder = folder
        self.port = free_port(*sip_ports)
        self.agent = ToneAgent()
        self.news: list[Message] = []
        self.phones: list[Phone] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports_at_start = 0
        self.sipp_port = 0
        self.ports: dict[str, int] = {}
        """SIP ports of phones that are not ours."""
        self.client: Link | None = None
        write_tone(folder / "music.wav", "music")

    async def start(
        self,
        people: dict[str, Any],
        queues: dict[str, Any],
        more: dict[str, Any] | None = None,
    ) -> Rig:
        """Write the configuration, start everything, wait until it is ready."""
        body = {
            "home": str(self.folder),
            "run_dir": "run",
            "sip": {"address": "127.0.0.1", "udp_port": self.port, "tcp_port": None},
            "media": {
                "address": "127.0.0.1",
                "port_min": self.rtp_ports[0],
                "port_max": self.rtp_ports[1],
                "drain_s": 0,
                "record": False,
            },
            "storage": {"url": "sqlite:///calls.db"},
            "log": {"format": "json", "level": "info"},
            "agents": {
                "reception": {
                    "greeting": "Hello.",
                    "instructions": "Be brief.",
                    "human_keys": {"0": next(iter(queues))},
                }
            },
            "dialplan": [{"agent": "reception"}],
            "people": people,
            "queues": {
                name: {"music": str(self.folder / "music.wav"), **queue}
                for name, queue in queues.items()
            },
            **(more or {}),
        }
        self.path = self.folder / "cordboard.yaml"
        self.path.write_text(json.dumps(body))
        self.config = load_config(self.path)
        self._address = {n: socket_address(self.config, n) for n in ("agent", "media", "edge")}
        await self.agent.start(self._address["agent"], self._address["media"])
        self.spawn("media")
        if is_fronted(self.config):
            self.spawn("edge.front")
        self.spawn("edge")
        await self.connect()
        return self

    async def connect(self) -> None:
        """Become a client, and wait until calls are taken and every worker is there."""
        async with asyncio.timeout(30):
            while True:
                try:
                    self.client = await connect(
                        self._address["edge"],
                        role="client",
                        on_message=lambda _, message, __: self.news.append(message),
                    )
                    await self.client.request(Subscribe())
                    break
                except OSError:
                    await asyncio.sleep(0.1)
            await self.wait_ready()
        self.ports_at_start = (await self.media_status()).ports_free

    async def wait_ready(self) -> None:
        """Wait until calls are taken and every worker is there."""
        async with asyncio.timeout(20):
            while True:
                status = await self.status()
                if status.ready and all(each.state == "ready" for each in status.workers):
                    return
                await asyncio.sleep(0.1)

    def spawn(self, module: str) -> None:
        """Start a process."""
        with (self.folder / f"{module}.log").open("ab") as log:
            self.processes[module] = subprocess.Popen(
                [sys.executable, "-m", module, "--config", str(self.path)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def stop(self) -> None:
        """Stop everything."""
        for phone in self.phones:
            phone.close()
        if self.client is not None:
            self.client.close()
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                await asyncio.to_thread(process.wait, 12)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        await self.agent.stop()

    # ------------------------------------------------------------ phones and calls

    async def phone(self, name: str, tone: str | None = None, host: str = "127.0.0.1") -> Phone:
        """Make a phone."""
        phone = await Phone(name, tone, host).open()
        self.phones.append(phone)
        return phone

    async def caller(
        self, name: str = "caller", number: str = "100", host: str = "127.0.0.1"
    ) -> Caller:
        """Call, and wait until the AI is heard."""
        phone = await self.phone(name, host=host)
        dialog = await phone.call(self.port, number)
        await until(lambda: dialog.hears("ai"), 5, lambda: f"{dialog.final_status} {self.log()}")
        offered = [each for each in self.news if isinstance(each, CallOfferedNews)]
        (call_id,) = {each.call_id for each in offered if each.sip_call_id == dialog.call_id}
        return Caller(self, dialog, call_id)

    # ------------------------------------------------------------ what is known

    async def status(self) -> Status:
        """Return the control process's status."""
        assert self.client is not None
        answer = await self.client.request(StatusRequest())
        assert isinstance(answer, Status)
        return answer

    async def media_status(self) -> MediaStatus:
        """Return media's."""
        link: Link = await connect(
            self._address["media"], role="client", on_message=lambda *_: None
        )
        answer = await link.request(MediaStatusRequest())
        link.close()
        assert isinstance(answer, MediaStatus)
        return answer

    async def level(self, timeout_s: float = 6.0) -> None:
        """Wait until no leg, stream or port is left in use, and no phone rings."""
        deadline = time.monotonic() + timeout_s
        while True:
            status, media = await self.status(), await self.media_status()
            legs = sum(each.legs for each in status.workers)
            orphans = [
                d for p in self.phones for d in p.dialogs if d.up or (d.ringing and d.invite)
            ]
            free = media.ports_free + media.ports_draining == self.ports_at_start
            if not legs and not media.streams and not status.calls and not orphans and free:
                return
            assert time.monotonic() < deadline, (
                f"legs {legs}, media {media}, calls {status.calls}, orphans "
                f"{[(d.phone.name, d.call_id) for d in orphans]}\n{self.log()}"
            )
            await asyncio.sleep(0.1)

    def attempts(self, call_id: CallId) -> list[dict[str, Any]]:
        """Return a call's attempts as recorded."""
        query = "SELECT * FROM attempts WHERE call_id = ? ORDER BY number"
        return rows_of(self.folder / "calls.db", query, call_id)

    async def recorded(self, call_id: CallId, *outcomes: str) -> list[dict[str, Any]]:
        """Wait until a call's attempts have these outcomes, in this order."""
        await until(
            lambda: [each["outcome"] for each in self.attempts(call_id)] == list(outcomes),
            4,
            lambda: f"{self.attempts(call_id)} is not {outcomes}\n{self.log()}",
        )
        return self.attempts(call_id)

    def log(self) -> str:
        """Return the end of what edge logged."""
        return (self.folder / "edge.log").read_text(errors="replace")[-6_000:]

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return every log line of one event; there is nothing but events in the log."""
        written = (self.folder / "edge.log").read_text()
        lines = written[: written.rfind("\n") + 1].splitlines()
        bodies = [json.loads(each) for each in lines]
        return [each for each in bodies if each.get("event") == event]

    def kill_worker(self, place: int) -> None:
        """Kill one UA worker."""
        found = [e for e in self.events("worker_started") if e["worker"] == place]
        os.kill(found[-1]["worker_pid"], signal.SIGKILL)


class Caller:
    """A caller who hears the AI."""

    def __init__(self, rig: Rig, dialog: Dialog, call_id: CallId) -> None:
        self.rig = rig
        self.dialog = dialog
        self.call_id = call_id
        self.decided_ns = 0

    def ask(self, queue: str = "support", reason: str = "angry") -> None:
        """Have the AI ask for a human."""
        self.decided_ns = self.rig.agent.transfer(self.call_id, queue, reason)

    async def hears(self, name: str, timeout_s: float = 4.0) -> None:
        """Wait until somebody and nobody else is heard."""
        recent = lambda: [sorted(p.tones) for p in self.dialog.rtp.heard[-5:]]  # noqa: E731
        await until(
            lambda: self.dialog.hears(name),
            timeout_s,
            lambda: f"heard {recent()}, not {name}\n{self.rig.log()}",
        )

    def two_way_ms(self, phone: Phone, pressed_ns: int) -> list[float]:
        """Return how long after the accept key was let go each heard the other.

        Args:
            phone: of the person.
            pressed_ns: when the key was pressed.
        """
        start_ns = max(pressed_ns, phone.last.rtp.released_ns)
        caller, person = self.dialog, phone.last
        ways = caller.first_heard(phone.tone, pressed_ns), person.first_heard("caller", pressed_ns)
        heard = [(each - start_ns) / MS for each in ways if each is not None]
        assert len(heard) == len(ways), self.rig.log()
        return heard


def write_tone(path: Path, name: str, seconds: float = 1.0) -> None:
    """Write a tone as a WAV at 8 kHz."""
    save_wav(path, samples_of(name, seconds))
