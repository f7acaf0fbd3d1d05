"""Desk phones that registered over IPv6: rung as members of a queue, beside phones over IPv4."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness.service import free_port
from tests.transfer.baresip import Baresip
from tests.transfer.conftest import QUICK
from tests.transfer.rig import Caller, Rig, until

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CARRIER, SIX = "127.0.0.7", "::1"
PASSWORD = "correct horse"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
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
            "trunks": {"carrier": {"sources": CARRIER}},
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


async def talk(rig: Rig, caller: Caller, phone: Baresip) -> None:
    """Have the phone answer and accept; each must hear the other, and nobody else."""
    trouble = lambda: phone.log() + rig.log()  # noqa: E731
    await phone.said("ncoming call from", 8)
    phone.command("accept")
    await until(lambda: rig.agent.spoken, 6, trouble)
    await asyncio.sleep(0.5)
    phone.command("sndcode", "1")
    await until(lambda: caller.dialog.hears("ann"), 6, trouble)
    await asyncio.sleep(0.6)
    assert caller.dialog.hears("ann")


async def check_heard(phone: Baresip) -> None:
    """Say what the phone heard in its call: the whisper, then the caller."""
    await until(phone.heard, 5, phone.log)
    heard = phone.heard()
    assert heard.count(frozenset({"whisper"})) >= 3
    assert heard.count(frozenset({"caller"})) > 20
    assert frozenset().union(*heard) == {"whisper", "caller"}


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
        await talk(rig, caller, phone)
        phone.command("hangup")
        await until(lambda: caller.dialog.ended_ns, 4, rig.log)
        await rig.recorded(caller.call_id, "connected")
        await asyncio.sleep(0.3)
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
        await talk(rig, caller, phone)
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
        await talk(rig, caller, phone)
        caller.dialog.hang_up()
        await rig.recorded(caller.call_id, "connected")
        await rig.level()
