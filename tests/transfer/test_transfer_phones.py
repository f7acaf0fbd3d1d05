"""Desk phones that are not ours: SIPp, baresip, pjsua2."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from edge.ua.sip_text import parse_refer_to
from tests.harness.outside_sip import SipMessage
from tests.harness.service import free_port
from tests.transfer import sipp
from tests.transfer.baresip import Baresip
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Dialog, Phone
from tests.transfer.rig import Rig, until
from tests.transfer.rtp import TONES

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

RINGING = sipp.early("180 Ringing")
ACK = sipp.receive("ACK")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard whose people have foreign phones."""
    rig = Rig(tmp_path_factory.mktemp("phones"))
    ports = {name: free_port(first, first + 19) for name, first in FIRST_PORTS.items()}
    rig.ports = ports
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        for name, port in ports.items():
            people[name] = {"phone": f"sip:{name}@127.0.0.1:{port}"}
        slow = {**QUICK, "ring_timeout_s": 5, "whisper": {"accept_timeout_s": 5}}
        queues = {
            "sipp": {**slow, "members": {"sipp": {}, "bob": {}}},
            "baresip": {**slow, "members": {"baresip": {}}},
            "pjsua": {**slow, "members": {"pjsua": {}}},
        }
        trunks = {"lan": {"sources": "127.0.0.1", "transfer": "refer"}}
        plan = {"sipp": "bridge", "baresip": "bridge", "pjsua": "auto"}
        for name, connect in plan.items():
            queues[name]["connect"] = connect
        await rig.start(people, queues, {"trunks": trunks})
        yield rig
    finally:
        await rig.stop()


FIRST_PORTS = {"sipp": 29_100, "baresip": 29_120, "pjsua": 29_140}


async def accepted_by_bob(rig: Rig, bob: Phone) -> None:
    """Have bob take the call."""
    await until(lambda: bob.dialogs and "whisper" in bob.last.heard(), 10, rig.log)
    bob.last.press("1")


@pytest.mark.parametrize(
    ("steps", "outcome", "status"),
    [
        ((RINGING, sipp.early("486 Busy Here"), ACK), "busy", 486),
        ((sipp.early("600 Busy Everywhere"), ACK), "busy", 600),
        ((RINGING, sipp.early("480 Temporarily Unavailable"), ACK), "no_answer", 480),
        ((sipp.early("603 Decline"), ACK), "declined", 603),
        ((sipp.early("408 Request Timeout"), ACK), "no_answer", 408),
        (
            (sipp.early("302 Moved", "Contact: <sip:elsewhere@127.0.0.1:29198>"), ACK),
            "failed",
            302,
        ),
        (
            (
                RINGING,
                sipp.early("200 OK", body=True),
                ACK,
                sipp.pause(300),
                sipp.callee_bye(),
                sipp.receive(response=200),
            ),
            "agent_hung_up_in_whisper",
            200,
        ),
    ],
)
async def test_sipp_as_a_phone(
    rig: Rig, bob: Phone, steps: tuple[str, ...], outcome: str, status: int
) -> None:
    """Every way in which SIPp refuses or hangs up has its outcome; the next phone is rung."""
    rig.agent.whisper_s = 1.0
    phone = sipp.Sipp(rig.folder, sipp.phone(*steps), port=rig.ports["sipp"])
    await phone.start()
    try:
        caller = await rig.caller()
        caller.ask("sipp")
        await accepted_by_bob(rig, bob)
        await caller.hears("bob")
        await phone.done()
        caller.dialog.hang_up()
        attempts = await rig.recorded(caller.call_id, outcome, "connected")
        assert attempts[0]["sip_status"] == status
    finally:
        await phone.stop()


async def test_baresip_as_a_phone(rig: Rig) -> None:
    """It rings, hears the whisper, accepts with its own 1 key, and the caller hears its tone."""
    port = rig.ports["baresip"]
    account = f"<sip:baresip@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs=PCMU"
    baresip = await Baresip(rig.folder, account, port).start()
    try:
        caller = await rig.caller()
        caller.ask("baresip")
        await until(lambda: rig.agent.spoken, 6, lambda: baresip.log() + rig.log())
        baresip.command("sndcode", "1")
        heard = lambda: "ann" in caller.dialog.heard(time.monotonic_ns() - 200_000_000)  # noqa: E731
        await until(heard, 6, lambda: baresip.log() + rig.log())
        baresip.command("hangup")
        await until(lambda: caller.dialog.ended_ns, 4, lambda: baresip.log() + rig.log())
        (attempt,) = await rig.recorded(caller.call_id, "connected")
        assert attempt["member"] == "baresip" and attempt["accepted_ms"] is not None
    finally:
        await baresip.stop()


class PjsuaPhone:
    """A pjsua2 phone in a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.events: list[str] = []

    async def start(self) -> "PjsuaPhone":
        """Start it."""
        script = Path(__file__).parent / "pjsua_phone.py"
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), str(self.port), str(TONES["ann"])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        await until(lambda: "ready" in self.events, 10)
        return self

    def command(self, line: str) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def stop(self) -> None:
        """End it."""
        self._reader.cancel()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b"EVENT "):
                self.events.append(line.decode().split()[1])


async def test_refer_with_replaces_to_a_real_phone(rig: Rig) -> None:
    """The carrier calls the phone in our place: the two hear each other and we carry nothing."""
    phone = await PjsuaPhone(rig.ports["pjsua"]).start()
    try:
        caller = await rig.caller()
        taken: list[Dialog] = []

        async def take_over(dialog: Dialog, refer: SipMessage) -> None:
            uri, target = parse_refer_to(refer.header("refer-to"))
            assert target is not None
            replaces = f"{target.sip_call_id};to-tag={target.to_tag};from-tag={target.from_tag}"
            new = await dialog.phone.call_uri(uri, (f"Replaces: {replaces}",))
            taken.append(new)
            dialog.notify(f"SIP/2.0 {'200 OK' if new.answered_ns else new.final_status}")

        def on_request(dialog: Dialog, request: SipMessage) -> bool:
            if request.method != "REFER":
                return False
            dialog.answer(request, 202)
            carrying.append(asyncio.create_task(take_over(dialog, request)))
            return True

        carrying: list[asyncio.Task[None]] = []
        caller.dialog.phone.on_request = on_request
        caller.ask("pjsua")
        await until(lambda: rig.agent.spoken and "confirmed" in phone.events, 6, rig.log)
        await asyncio.sleep(0.3)
        phone.command("dtmf 1")
        await until(lambda: "replaced" in phone.events and taken, 6, rig.log)
        await until(lambda: caller.dialog.ended_ns, 4, rig.log)
        (new,) = taken
        await until(lambda: "ann" in new.heard(time.monotonic_ns() - 200_000_000), 4, rig.log)
        assert await rig.recorded(caller.call_id, "connected")
        media = await rig.media_status()
        assert media.streams == 0
        crossed = len(caller.dialog.rtp.heard)
        await asyncio.sleep(0.5)
        assert len(caller.dialog.rtp.heard) == crossed and new.up
        status = await rig.status()
        assert sum(each.legs for each in status.workers) == 0 and not status.calls
        new.hang_up()
    finally:
        await phone.stop()
