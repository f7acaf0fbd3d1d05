"""Desk phones that register at the front: rung, whispered to, talked to, and dialling codes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from edge.queues.messages import QueueStatus, QueueStatusRequest
from media.messages import ResumeConversation
from tests.harness.certificate import make_certificate
from tests.harness.service import free_port
from tests.transfer.baresip import Baresip, accept_by_key, check_heard
from tests.transfer.conftest import QUICK
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.rtp import MS

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CARRIER = "127.0.0.7"
PASSWORD = "correct horse"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard behind Kamailio whose people have registered phones."""
    rig = Rig(tmp_path_factory.mktemp("registered"))
    make_certificate(rig.folder)
    rig.ports = {"tls": free_port(29_200, 29_229), "worker": free_port(29_230, 29_259)}
    try:
        for name in ("ann", "bob", "cleo"):
            await rig.phone(name)  # not used here: the fixture of all modules has three
        people = {"desk": {"phone": "200"}, "safe": {"phone": "201"}, "gone": {"phone": "202"}}
        people |= {"secret": {"phone": "203"}, "maybe": {"phone": "204"}}
        slow = {**QUICK, "ring_timeout_s": 8, "whisper": {"accept_timeout_s": 8}}
        queues = {name: {**slow, "members": {name: {}}} for name in people}
        queues["both"] = {**slow, "members": {"gone": {}, "desk": {}}}
        more = {
            "sip": {
                "address": "127.0.0.1",
                "udp_port": rig.port,
                "tcp_port": None,
                "front": "kamailio",
            },
            "limits": {"calls": 4},
            "front": {
                "worker_port": rig.ports["worker"],
                "tls_port": rig.ports["tls"],
                "tls_certificate": "cert.pem",
                "tls_key": "key.pem",
            },
            "phones": {
                "200": {"username": "desk200", "password": PASSWORD},
                "201": {"password": PASSWORD},
                "202": {"password": PASSWORD},
                "203": {"password": PASSWORD, "srtp": "required"},
                "204": {"password": PASSWORD, "srtp": "optional"},
            },
            "trunks": {"carrier": {"sources": CARRIER}},
        }
        await rig.start(people, queues, more)
        yield rig
    finally:
        await rig.stop()


@asynccontextmanager
async def registered(
    rig: Rig, folder: Path, transport: str = "udp", name: str = "", mediaenc: str = ""
) -> AsyncIterator[Baresip]:
    """Provide a baresip that has registered.

    Args:
        rig: where.
        folder: of its files.
        transport: of SIP.
        name: that it registers under, none for the usual one of the transport.
        mediaenc: how its audio is encrypted, empty for not at all.
    """
    name = name or ("200" if transport == "udp" else "201")
    port = rig.port if transport == "udp" else rig.ports["tls"]
    account = (
        f"<sip:{name}@127.0.0.1:{port};transport={transport}>;"
        f"auth_user={'desk200' if name == '200' else name};"
        f'auth_pass="{PASSWORD}";answermode=manual;audio_codecs=PCMU;regint=60'
    )
    account += f";mediaenc={mediaenc}" if mediaenc else ""
    phone = await Baresip(folder, account, modules=("srtp",) if mediaenc else ()).start()
    try:
        await phone.said("200 OK")
        yield phone
    finally:
        await phone.stop()


async def put_through(rig: Rig, phone: Baresip, queue: str) -> Caller:
    """Have a caller of the carrier transferred, the phone ring, hear the whisper and accept."""
    caller = await rig.caller(host=CARRIER)
    caller.ask(queue)
    await phone.said("ncoming call from", 8)
    assert rig.agent.spoken == []
    await accept_by_key(rig, caller, phone)
    return caller


@pytest.mark.parametrize(("transport", "queue"), [("udp", "desk"), ("tls", "safe")])
async def test_a_registered_phone_takes_a_call(
    rig: Rig, tmp_path: Path, transport: str, queue: str
) -> None:
    """Ring, whisper, key 1 by RFC 4733, two-way tones, and the phone hangs up."""
    async with registered(rig, tmp_path, transport) as phone:
        caller = await put_through(rig, phone, queue)
        await asyncio.sleep(0.6)
        assert caller.dialog.hears("ann")
        phone.command("hangup")
        await until(lambda: caller.dialog.ended_ns, 4, rig.log)
        (attempt,) = await rig.recorded(caller.call_id, "connected")
        assert attempt["member"] == queue and attempt["ringing_ms"] is not None
        assert caller.dialog.heard(caller.decided_ns) <= {"ai", "music", "ann"}
        await check_heard(phone)


@pytest.mark.parametrize(
    ("name", "queue", "mediaenc"),
    [
        ("203", "secret", "srtp-mand"),
        ("203", "secret", "srtp"),
        ("204", "maybe", "srtp"),
        ("204", "maybe", ""),
    ],
)
async def test_a_registered_phone_talks_encrypted(
    rig: Rig, tmp_path: Path, name: str, queue: str, mediaenc: str
) -> None:
    """What baresip opens are whisper and caller, and it is heard; optional also means plain."""
    async with registered(rig, tmp_path, "tls", name, mediaenc) as phone:
        caller = await put_through(rig, phone, queue)
        await asyncio.sleep(0.6)
        assert caller.dialog.hears("ann")
        phone.command("hangup")
        await until(lambda: caller.dialog.ended_ns, 4, rig.log)
        await rig.recorded(caller.call_id, "connected")
        await check_heard(phone)
        await rig.level()


async def test_a_phone_without_keys_is_no_phone_where_srtp_is_required(
    rig: Rig, tmp_path: Path
) -> None:
    """It refuses RTP/SAVP, its own RTP/AVP is refused; the caller is back with the AI."""
    async with registered(rig, tmp_path, "tls", "203") as phone:
        caller = await rig.caller(host=CARRIER)
        caller.ask("secret")
        await until(lambda: rig.agent.heard(ResumeConversation), 8, rig.log)
        assert rig.attempts(caller.call_id)[0]["sip_status"] == 488, rig.log()
        await caller.hears("ai")
        caller.dialog.hang_up()
        await rig.level()
        phone.command("dial", "*62")
        await phone.said("488 Not Acceptable Here", 6)
        assert await state(rig, "secret") == "idle"
        await rig.level()


async def test_the_caller_hangs_up_on_a_registered_phone(rig: Rig, tmp_path: Path) -> None:
    """While it rings it is cancelled; while they talk it gets a BYE."""
    async with registered(rig, tmp_path) as phone:
        caller = await rig.caller(host=CARRIER)
        caller.ask("desk")
        await phone.said("ncoming call from", 8)
        caller.dialog.hang_up()
        (attempt,) = await rig.recorded(caller.call_id, "caller_left")
        assert attempt["member"] == "desk" and attempt["answered_ms"] is None
        await rig.level()
    async with registered(rig, tmp_path) as phone:
        caller = await put_through(rig, phone, "desk")
        caller.dialog.hang_up()
        (attempt,) = await rig.recorded(caller.call_id, "connected")
        assert attempt["member"] == "desk"
        await rig.level()


async def test_a_phone_that_nobody_registered_does_not_ring(rig: Rig) -> None:
    """The front says 480 at once: no answer, no ringing, and the caller is back with the AI."""
    caller = await rig.caller(host=CARRIER)
    caller.ask("gone")
    await until(lambda: rig.agent.heard(ResumeConversation), 5, rig.log)
    ((at_ns, told),) = [e for e in rig.agent.events if isinstance(e[1], ResumeConversation)]
    assert isinstance(told, ResumeConversation) and told.reason == "no_answer"
    assert (at_ns - caller.decided_ns) / MS < 3_000
    (attempt,) = await rig.recorded(caller.call_id, "no_answer")
    assert attempt["sip_status"] == 480 and attempt["ringing_ms"] is None
    await caller.hears("ai")


async def test_the_next_phone_is_rung_at_once_where_one_is_not_registered(
    rig: Rig, tmp_path: Path
) -> None:
    """A colleague whose phone is unplugged costs the caller nothing."""
    async with registered(rig, tmp_path) as phone:
        caller = await put_through(rig, phone, "both")
        caller.dialog.hang_up()
        gone, desk = await rig.recorded(caller.call_id, "no_answer", "connected")
        assert (gone["member"], gone["sip_status"], desk["member"]) == ("gone", 480, "desk")


async def state(rig: Rig, name: str) -> str:
    """Return a person's state."""
    assert rig.client is not None
    status = await rig.client.request(QueueStatusRequest())
    assert isinstance(status, QueueStatus)
    return next(each.state for each in status.people if each.name == name)


@pytest.mark.parametrize(
    ("transport", "name", "phone_name", "mediaenc"),
    [("udp", "desk", "200", ""), ("tls", "safe", "201", ""), ("tls", "secret", "203", "srtp-mand")],
)
async def test_codes_from_a_registered_phone(
    rig: Rig, tmp_path: Path, transport: str, name: str, phone_name: str, mediaenc: str
) -> None:
    """The password proves who dials: leave, join, pause, back; the phone hears that it worked."""
    async with registered(rig, tmp_path, transport, phone_name, mediaenc) as phone:
        for code, after in (
            ("*62", "off_duty"),
            ("*61", "idle"),
            ("*63", "paused"),
            ("*64", "idle"),
        ):
            dialled = len(rig.events("duty_changed"))
            phone.command("dial", code)
            await until(
                lambda dialled=dialled: len(rig.events("duty_changed")) > dialled,
                6,
                lambda: phone.log() + rig.log(),
            )
            assert await state(rig, name) == after
            await rig.level()
            await until(lambda: len(phone.heard()) > 10, 5, phone.log)
