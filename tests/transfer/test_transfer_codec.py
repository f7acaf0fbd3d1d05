"""One codec on both legs, where the caller has it; else media recodes."""

import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.harness.outside_sip import SipMessage, sdp_audio
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Dialog, Phone
from tests.transfer.rig import Rig, until

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard with one person."""
    rig = Rig(tmp_path_factory.mktemp("codec"))
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        await rig.start(people, {"support": {**QUICK, "members": {"ann": {}}}})
        yield rig
    finally:
        await rig.stop()


async def talk(
    rig: Rig,
    ann: Phone,
    callers: tuple[str, ...],
    phones: tuple[str, ...],
    on_request: Callable[[Dialog, SipMessage], bool] = lambda dialog, request: False,
) -> Dialog:
    """Connect a caller of some codecs with a phone of some; return the caller's dialog."""
    ann.codecs = phones
    phone = await rig.phone("caller")
    phone.codecs, phone.on_request = callers, on_request
    known = set(rig.agent.streams)
    dialog = await phone.call(rig.port)
    await until(lambda: dialog.hears("ai"), 5, rig.log)
    (call_id,) = set(rig.agent.streams) - known
    rig.agent.transfer(call_id)
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 6, rig.log)
    ann.last.press("1")
    await until(lambda: dialog.hears("ann") and ann.last.hears("caller"), 5, rig.log)
    return dialog


def reinvites(dialog: Dialog) -> list[SipMessage]:
    """Return the offers that came in the dialog."""
    return [each for each in dialog.requests if each.method == "INVITE"]


def codecs_now(dialog: Dialog) -> set[str]:
    """Return what was received in the last 200 ms."""
    since_ns = time.monotonic_ns() - 200_000_000
    return {each.codec for each in dialog.rtp.heard if each.at_ns > since_ns}


async def test_the_caller_goes_over_to_the_phones_codec(rig: Rig, ann: Phone) -> None:
    """PCMU with the AI, PCMA with a phone that has nothing else: one re-INVITE, nothing recoded."""
    dialog = await talk(rig, ann, ("PCMU", "PCMA"), ("PCMA",))
    await until(lambda: reinvites(dialog), 4, rig.log)
    (offer,) = reinvites(dialog)
    assert sdp_audio(offer.body)[2] == [8, 101]
    await until(lambda: codecs_now(dialog) == codecs_now(ann.last) == {"PCMA"}, 4, rig.log)
    await until(lambda: dialog.hears("ann") and ann.last.hears("caller"), 4, rig.log)
    # the octets are passed on as they came
    tone = ann.last.rtp.payload() * 2
    await until(lambda: all(each.payload in tone for each in dialog.rtp.heard[-5:]), 3, rig.log)


async def test_a_caller_who_has_only_one_codec(rig: Rig, ann: Phone) -> None:
    """No re-INVITE that would be refused: media recodes, and both hear each other."""
    dialog = await talk(rig, ann, ("PCMU",), ("PCMA",))
    await until(lambda: rig.events("transcoding"), 3, rig.log)
    assert not reinvites(dialog)
    assert codecs_now(dialog) == {"PCMU"} and codecs_now(ann.last) == {"PCMA"}


async def test_the_same_codec_from_the_start(rig: Rig, ann: Phone) -> None:
    """A phone that takes what it is offered first needs no second round."""
    dialog = await talk(rig, ann, ("PCMA",), ("PCMU", "PCMA"))
    assert codecs_now(dialog) == codecs_now(ann.last) == {"PCMA"}
    assert not reinvites(dialog)


@pytest.mark.parametrize(("status", "codec"), [(488, "PCMU"), (491, "PCMA")])
async def test_a_caller_who_refuses_to_change(
    rig: Rig, ann: Phone, status: int, codec: str
) -> None:
    """488 leaves everything as it was; 491, two offers that cross, is tried again."""
    refused: list[SipMessage] = []

    def refuse(dialog: Dialog, request: SipMessage) -> bool:
        first = request.method == "INVITE" and not refused
        if first:
            refused.append(request)
            dialog.answer(request, status)
        return first

    dialog = await talk(rig, ann, ("PCMU", "PCMA"), ("PCMA",), refuse)
    await until(lambda: refused, 5, rig.log)
    await until(lambda: codecs_now(dialog) == {codec}, 6, rig.log)
    await until(lambda: dialog.hears("ann") and ann.last.hears("caller"), 5, rig.log)
    assert dialog.up
