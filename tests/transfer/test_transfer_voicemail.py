"""Mailboxes that answer a desk phone's leg, with speech and a beep over real RTP."""

import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from tests.harness.speakers import speech
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Behaviour, Phone
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.rtp import MS, samples_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

GREETING = (
    "You have reached the mailbox of Ann Miller. I am not at my desk right now. Please leave a "
    "message after the tone."
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard that waits long for the key."""
    rig = Rig(tmp_path_factory.mktemp("voicemail"))
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        members = {"ann": {}, "bob": {}}
        patient = {**QUICK, "whisper": {"accept_timeout_s": 20.0}}
        short = {**QUICK, "whisper": {"accept_timeout_s": 6.5}}
        queues = {
            "support": {**patient, "members": members},
            "short": {**short, "members": members},
            "deaf": {
                **QUICK,
                "whisper": {"accept_timeout_s": 3.0, "hear_machines": False},
                "members": members,
            },
        }
        await rig.start(people, queues)
        yield rig
    finally:
        await rig.stop()


async def reached(rig: Rig, caller: Caller, bob: Phone) -> None:
    """Have bob take the call in the end."""
    await until(lambda: bob.dialogs and "whisper" in bob.last.heard(), 15, rig.log)
    bob.last.press("1")
    await caller.hears("bob")
    caller.dialog.hang_up()


BEEP = np.concatenate([samples_of("ann", 0.5), np.zeros(4_000, dtype=np.int16)])


async def test_a_phone_that_beeps_at_the_pick_up(rig: Rig, ann: Phone) -> None:
    """Where the queue says so nobody listens: the person has their time for the key."""
    ann.behaviour = Behaviour(speech=BEEP)
    caller = await rig.caller()
    caller.ask("deaf")
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 6, rig.log)
    later_ns = ann.last.answered_ns + 2_000 * MS
    await until(lambda: time.monotonic_ns() > later_ns, 10, rig.log)
    assert ann.last.up
    ann.last.press("1")
    await until(lambda: ann.last.hears("caller"), 4, rig.log)


async def test_a_mailbox_that_beeps(rig: Rig, ann: Phone, bob: Phone) -> None:
    """At the beep it is left for the next phone, long before the time for the key is over."""
    silence = np.zeros(4_000, dtype=np.int16)
    greeting = np.concatenate([silence, speech("Ann Miller. Please leave a message."), silence])
    ann.behaviour = Behaviour(speech=np.concatenate([greeting, BEEP]))
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs and ann.last.ended_ns, 15, rig.log)
    assert (ann.last.ended_ns - ann.last.answered_ns) / MS < 12_000
    await reached(rig, caller, bob)
    assert "caller" not in ann.last.heard() and "ann" not in caller.dialog.heard()
    await rig.recorded(caller.call_id, "voicemail", "connected")


async def test_a_mailbox_that_talks(rig: Rig, ann: Phone, bob: Phone) -> None:
    """A long greeting and no key: the outcome says so when the time for the key is over."""
    ann.behaviour = Behaviour(speech=speech(GREETING))
    caller = await rig.caller()
    caller.ask("short")
    await reached(rig, caller, bob)
    assert "ann" not in caller.dialog.heard()
    attempts = await rig.recorded(caller.call_id, "voicemail", "connected")
    assert [each["member"] for each in attempts] == ["ann", "bob"]


async def test_a_person_who_says_hello(rig: Rig, ann: Phone) -> None:
    """Words at the pick-up are no greeting of a machine; the key counts as ever."""
    ann.behaviour = Behaviour(speech=speech("Hello? Support, this is Ann speaking."))
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 6, rig.log)
    later_ns = ann.last.answered_ns + 4_000 * MS
    await until(lambda: time.monotonic_ns() > later_ns, 10, rig.log)
    assert ann.last.up
    ann.last.press("1")
    await until(lambda: ann.last.hears("caller"), 4, rig.log)
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected")


async def test_a_person_who_says_nothing(rig: Rig, ann: Phone, bob: Phone) -> None:
    """Without words and without a key it was nobody, not a machine."""
    ann.behaviour = Behaviour(speech=speech("Hello?"))
    caller = await rig.caller()
    caller.ask("short")
    await reached(rig, caller, bob)
    attempts = await rig.recorded(caller.call_id, "timed_out", "connected")
    assert [each["member"] for each in attempts] == ["ann", "bob"]
