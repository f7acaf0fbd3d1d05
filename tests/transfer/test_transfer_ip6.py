"""Desk phones that registered over IPv6: rung as members of a queue, beside phones over IPv4."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from edge.trunks.messages import CallPlaced, PlaceCall
from tests.edge.trunks.carrier import Carrier
from tests.harness.call_records import rows_of
from tests.harness.service import free_port
from tests.transfer.baresip import Baresip, accept_by_key, check_heard
from tests.transfer.conftest import QUICK
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.rtp import TONES

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CARRIER, SIX = "127.0.0.7", "::1"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def far_end() -> Iterator[Carrier]:
    """A carrier that is reached over IPv6 alone."""
    made = Carrier(host=SIX)
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(
    far_end: Carrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Rig]:
    """Provide a switchboard behind Kamailio that is heard over both, its media over IPv4."""
    rig = Rig(tmp_path_factory.mktemp("six"))
    try:
        for name in ("ann", "bob", "cleo"):
            await rig.phone(name)  # not used here: the fixture of all modules has three
        people = {"six": "200", "four": "201", "both": "202", "secret": "203"}
        slow = {**QUICK, "ring_timeout_s": 8, "whisper": {"accept_timeout_s": 8}}
        more = {
            "sip": {"address": "::", "udp_port": rig.port, "tcp_port": None, "front": "kamailio"},
            "limits": {"calls": 4},
            "front": {"worker_port": free_port(29_230, 29_259)},
            "phones": {
                name: {"password": PASSWORD, "srtp": "required" if name == "203" else "off"}
                for name in people.values()
            },
            "trunks": {
                "carrier": {"sources": CARRIER},
                "six": {
                    "servers": [f"[{SIX}]:{far_end.port}"],
                    "qualify": {"interval_s": 0},
                    "numbers": {"outbound": "as_is"},
                },
            },
        }
        queues = {name: {**slow, "members": {name: {}}} for name in people}
        await rig.start({name: {"phone": phone} for name, phone in people.items()}, queues, more)
        yield rig
    finally:
        await rig.stop()


@asynccontextmanager
async def registered(rig: Rig, name: str, folder: Path, address: str) -> AsyncIterator[Baresip]:
    """Provide a baresip that has registered under a name from an address."""
    folder.mkdir()
    host = f"[{address}]" if ":" in address else address
    account = (
        f"<sip:{name}@{host}:{rig.port};transport=udp>;auth_user={name};"
        f'auth_pass="{PASSWORD}";answermode=manual;audio_codecs=PCMU;regint=60'
    )
    account += ";mediaenc=srtp-mand" if name == "203" else ""
    phone = await Baresip(folder, account, address=address, modules=("srtp",)).start()
    try:
        await phone.said("200 OK")
        yield phone
    finally:
        await phone.stop()


async def check_talk(rig: Rig, caller: Caller, phone: Baresip) -> None:
    """Have the phone answer and accept; each must hear the other, and nobody else."""
    await accept_by_key(rig, caller, phone)
    await asyncio.sleep(0.6)
    assert caller.dialog.hears("ann")


@pytest.mark.parametrize(
    ("name", "queue", "address"),
    [("200", "six", SIX), ("203", "secret", SIX), ("201", "four", "127.0.0.1")],
)
async def test_a_phone_is_called_where_it_registered_from(
    rig: Rig, tmp_path: Path, name: str, queue: str, address: str
) -> None:
    """Ring, whisper, key, tones both ways; the phone hangs up, so its BYE finds the worker."""
    async with registered(rig, name, tmp_path / "one", address) as phone:
        caller = await rig.caller(host=CARRIER)
        caller.ask(queue)
        await check_talk(rig, caller, phone)
        phone.command("hangup")
        await until(lambda: caller.dialog.ended_ns, 4, rig.log)
        await rig.recorded(caller.call_id, "connected")
        await check_heard(phone)
        await rig.level()


async def test_of_phones_over_both_the_one_of_medias_family_is_called(
    rig: Rig, tmp_path: Path
) -> None:
    """A call has audio of one family: where some phone of a name has media's, it is that one."""
    async with (
        registered(rig, "202", tmp_path / "one", SIX),
        registered(rig, "202", tmp_path / "two", "127.0.0.1") as phone,
    ):
        caller = await rig.caller(host=CARRIER)
        caller.ask("both")
        await check_talk(rig, caller, phone)
        caller.dialog.hang_up()
        await rig.recorded(caller.call_id, "connected")
        await rig.level()


async def test_the_caller_hangs_up_on_a_phone_over_ip6(rig: Rig, tmp_path: Path) -> None:
    """Ringing it is cancelled, talking it gets a BYE: no leg is left."""
    async with registered(rig, "200", tmp_path / "one", SIX) as phone:
        caller = await rig.caller(host=CARRIER)
        caller.ask("six")
        await phone.said("ncoming call from", 8)
        caller.dialog.hang_up()
        await rig.recorded(caller.call_id, "caller_left")
        await rig.level()
    async with registered(rig, "200", tmp_path / "two", SIX) as phone:
        caller = await rig.caller(host=CARRIER)
        caller.ask("six")
        await check_talk(rig, caller, phone)
        caller.dialog.hang_up()
        await rig.recorded(caller.call_id, "connected")
        await rig.level()


async def test_a_persona_calls_over_a_trunk_of_ip6(rig: Rig, far_end: Carrier) -> None:
    """The INVITE has an address of IPv6, the persona is heard there, and what is said arrives."""
    assert rig.client is not None
    placed = await rig.client.request(PlaceCall("reception", "6000", trunk="six"))
    assert isinstance(placed, CallPlaced)
    assert await asyncio.to_thread(far_end.hears, TONES["ai"], 8.0), rig.log()
    assert f"c=IN IP6 {SIX}" in far_end.seen("INVITE")[0].body
    far_end.hang_up()
    await rig.level()
    query = "SELECT packets_received FROM calls WHERE call_id = ? AND packets_received > 10"
    await until(lambda: rows_of(rig.folder / "calls.db", query, placed.call_id), 5, rig.log)
