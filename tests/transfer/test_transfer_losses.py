"""Processes that die in the middle of a transfer."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.messages import ResumeConversation, StartConversation
from tests.transfer.agent import ToneAgent
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Behaviour, Phone
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.rtp import MS

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Provide a switchboard of this test's own."""
    rig = Rig(tmp_path)
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob")}
        queues = {
            "support": {**QUICK, "members": {"ann": {}, "bob": {}}},
            "back": {**QUICK, "members": {"ann": {}}, "after_hangup": "agent"},
        }
        await rig.start(people, queues, {"desk": {"workers": 1}})
        yield rig
    finally:
        await rig.stop()


async def connected(rig: Rig, queue: str = "support") -> tuple[Caller, Phone]:
    """Return a caller who talks to ann."""
    caller, ann = await rig.caller(), rig.phones[0]
    caller.ask(queue)
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 6, rig.log)
    ann.last.press("1")
    await caller.hears("ann")
    return caller, ann


async def test_the_phones_worker_dies_while_they_talk(rig: Rig) -> None:
    """The caller is back with the AI within a second, who says why; the phone gets a BYE."""
    caller, ann = await connected(rig)
    died_ns = time.monotonic_ns()
    rig.kill_worker(1)
    await until(lambda: rig.agent.heard(ResumeConversation), 3, rig.log)
    assert rig.agent.heard(ResumeConversation)[0].reason == "human_lost"  # type: ignore[attr-defined]
    back_ns = None
    while back_ns is None and time.monotonic_ns() - died_ns < 3_000 * MS:
        back_ns = caller.dialog.first_heard("ai", died_ns)
        await asyncio.sleep(0.02)
    assert back_ns is not None
    print(f"back with the AI {(back_ns - died_ns) / MS:.0f} ms after the worker died")
    assert (back_ns - died_ns) / MS < 1_000
    await until(lambda: ann.last.ended_ns, 3, rig.log)
    await rig.recorded(caller.call_id, "connected")


async def test_the_phones_worker_dies_while_it_rings(rig: Rig) -> None:
    """The ringing phone is cancelled, the next person is rung by the worker's successor."""
    caller, (ann, bob) = await rig.caller(), rig.phones[:2]
    ann.behaviour = Behaviour(0)
    caller.ask()
    await until(lambda: ann.dialogs, 3, rig.log)
    await asyncio.sleep(0.2)
    rig.kill_worker(1)
    await until(lambda: ann.last.cancelled_ns, 2, rig.log)
    assert caller.dialog.up
    await until(lambda: bob.dialogs or rig.agent.heard(ResumeConversation), 8, rig.log)
    outcomes = [each["outcome"] for each in rig.attempts(caller.call_id)]
    assert outcomes[0] == "failed" and "connected" not in outcomes


async def test_the_phones_worker_dies_in_the_whisper(rig: Rig) -> None:
    """The phone gets a BYE and the next one rings; the caller hears music all the while."""
    rig.agent.whisper_s = 3.0
    caller, (ann, bob) = await rig.caller(), rig.phones[:2]
    caller.ask()
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 6, rig.log)
    died_ns = time.monotonic_ns()
    rig.kill_worker(1)
    await until(lambda: ann.last.ended_ns, 3, rig.log)
    await until(lambda: bob.dialogs and "whisper" in bob.last.heard(), 10, rig.log)
    assert caller.dialog.heard(died_ns) == {"music"}
    bob.last.press("1")
    await caller.hears("bob")
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "failed", "connected")
    await rig.wait_ready()
    await rig.level()


@pytest.mark.parametrize("talking", [False, True])
async def test_media_dies_while_somebody_is_on_the_phone(rig: Rig, talking: bool) -> None:
    """In the whisper and in the talk: caller and person are released, the next call works."""
    caller, ann = await rig.caller(), rig.phones[0]
    caller.ask()
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 6, rig.log)
    if talking:
        ann.last.press("1")
        await caller.hears("ann")
    died_ns = time.monotonic_ns()
    os.kill(rig.processes["media"].pid, signal.SIGKILL)
    rig.processes["media"].wait()
    await until(lambda: ann.last.ended_ns and caller.dialog.ended_ns, 3, rig.log)
    assert (ann.last.ended_ns - died_ns) / MS < 1_000
    await rig.recorded(caller.call_id, "connected" if talking else "caller_left")
    rig.spawn("media")
    await rig.wait_ready()
    caller = await rig.caller("caller-2")
    caller.dialog.hang_up()
    await rig.level()


async def test_the_agent_process_dies_while_they_talk(rig: Rig) -> None:
    """Nobody notices; afterwards a new conversation takes the caller over."""
    caller, ann = await connected(rig, "back")
    old = rig.agent
    await old.stop()
    await asyncio.sleep(0.5)
    assert caller.dialog.hears("ann") and ann.last.hears("caller")
    ann.last.hang_up()
    await caller.hears("music")
    rig.agent = ToneAgent()
    await rig.agent.start(old.own, old.media_address)
    await caller.hears("ai", 8)
    assert len(rig.agent.heard(StartConversation)) == 1
    told = rig.agent.heard(ResumeConversation)
    assert [each.reason for each in told] == ["human_finished"]  # type: ignore[attr-defined]
    caller.dialog.hang_up()
    await rig.level()


async def test_the_agent_process_stays_dead(rig: Rig) -> None:
    """A caller who cannot return to an AI hears the apology and is told goodbye on purpose."""
    caller, ann = await connected(rig, "back")
    await rig.agent.stop()
    ann.last.hang_up()
    await until(lambda: caller.dialog.ended_ns, 25, rig.log)
    await until(lambda: rig.events("call_ended"), 6, rig.log)
    ended = rig.events("call_ended")[-1]
    assert ended["reason"] in ("conversation_failed", "agent_lost")


async def test_media_dies_while_phones_ring(rig: Rig) -> None:
    """Without media everybody is released: the phone within a second, the caller with BYE."""
    caller, ann = await rig.caller(), rig.phones[0]
    ann.behaviour = Behaviour(0)
    caller.ask()
    await until(lambda: ann.dialogs, 3, rig.log)
    died_ns = time.monotonic_ns()
    os.kill(rig.processes["media"].pid, signal.SIGKILL)
    rig.processes["media"].wait()
    await until(lambda: ann.last.cancelled_ns and caller.dialog.ended_ns, 3, rig.log)
    assert (ann.last.cancelled_ns - died_ns) / MS < 1_000
    await until(lambda: rig.attempts(caller.call_id), 5, rig.log)
    assert rig.attempts(caller.call_id)[0]["outcome"] == "caller_left"
    await until(lambda: rig.events("call_ended"), 6, rig.log)
    assert rig.events("call_ended")[-1]["reason"] == "media_lost"


async def test_the_callers_worker_dies_while_they_talk(rig: Rig) -> None:
    """The caller's dialog is lost: both ends get a BYE, nothing is left."""
    caller, ann = await connected(rig)
    rig.kill_worker(0)
    await until(lambda: caller.dialog.ended_ns and ann.last.ended_ns, 5, rig.log)
    (attempt,) = await rig.recorded(caller.call_id, "connected")
    assert attempt["member"] == "ann"
    await until(lambda: rig.events("call_ended"), 6, rig.log)
    assert rig.events("call_ended")[-1]["reason"] == "worker_lost"
    await rig.wait_ready()
    await rig.level()
