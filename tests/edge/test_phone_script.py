from __future__ import annotations

import pytest

from edge.phone.hearing import MS, BurstBegan, FarEndFinished
from edge.phone.script import (
    Connected,
    Disconnected,
    HangUp,
    Item,
    ItemKind,
    ItemSpoken,
    Say,
    Script,
    ScriptEvent,
    ScriptState,
)

pytestmark = pytest.mark.unit

SAY = Item(ItemKind.SAY, "one")
INTERRUPT = Item(ItemKind.INTERRUPT, "two", 500)
DTMF = Item(ItemKind.DTMF, "1")


def _script(*items: Item) -> Script:
    return Script(items, wait_greeting_ms=5_000, answer_ms=8_000)


def test_the_first_item_waits_for_the_end_of_the_greeting() -> None:
    """Connected alone says nothing; the end of the greeting does."""
    script = _script(SAY)
    assert script.receive(Connected(), 0) == []
    assert script.receive(BurstBegan(300 * MS), 360 * MS) == []
    assert script.next_deadline_ns is None
    assert script.receive(FarEndFinished(2_000 * MS), 3_200 * MS) == [Say(0)]


def test_a_greeting_that_never_comes_is_not_waited_for_for_ever() -> None:
    """After wait_greeting_ms the phone speaks."""
    script = _script(SAY)
    script.receive(Connected(), 0)
    assert script.wake(4_999 * MS) == []
    assert script.wake(5_000 * MS) == [Say(0)]


def test_without_waiting_for_a_greeting_the_phone_speaks_at_once() -> None:
    """wait_greeting_ms=0 begins with the first item."""
    assert Script([SAY], wait_greeting_ms=0).receive(Connected(), 0) == [Say(0)]


def test_the_script_ends_after_the_answer() -> None:
    """Item, answer, silence: nothing is left, so hang up."""
    script = _script(SAY)
    script.receive(Connected(), 0)
    script.receive(FarEndFinished(0), 0)
    assert script.receive(ItemSpoken(2_000 * MS), 2_000 * MS) == []
    assert script.state is ScriptState.AWAITING
    assert script.receive(BurstBegan(2_500 * MS), 2_540 * MS) == []
    assert script.receive(FarEndFinished(4_000 * MS), 5_200 * MS) == [HangUp()]
    assert script.state is ScriptState.OVER


def test_an_unanswered_item_does_not_hold_up_the_next() -> None:
    """After answer_ms the next item is said."""
    script = _script(SAY, SAY)
    script.receive(Connected(), 0)
    script.wake(5_000 * MS)
    script.receive(ItemSpoken(6_000 * MS), 6_000 * MS)
    assert script.wake(14_000 * MS) == [Say(1)]


def test_digits_are_waited_for_less_long() -> None:
    """Nothing needs to answer a key press."""
    script = _script(DTMF, SAY)
    script.receive(Connected(), 0)
    script.wake(5_000 * MS)
    script.receive(ItemSpoken(5_100 * MS), 5_100 * MS)
    assert script.wake(9_100 * MS) == [Say(1)]


def test_an_interruption_is_spoken_into_the_answer() -> None:
    """The answer's own beginning counts, not when it was noticed."""
    script = _script(SAY, INTERRUPT)
    script.receive(Connected(), 0)
    script.wake(5_000 * MS)
    script.receive(ItemSpoken(6_000 * MS), 6_000 * MS)
    assert script.receive(BurstBegan(7_000 * MS), 7_040 * MS) == []
    assert script.next_deadline_ns == 7_500 * MS
    assert script.wake(7_500 * MS) == [Say(1)]


def test_a_filler_is_not_interrupted_but_the_answer_after_it() -> None:
    """An interruption due while nobody talks waits for the next burst, and counts from there."""
    script = _script(SAY, INTERRUPT)
    script.receive(Connected(), 0)
    script.wake(5_000 * MS)
    script.receive(ItemSpoken(6_000 * MS), 6_000 * MS)
    script.receive(BurstBegan(7_000 * MS), 7_040 * MS)
    assert script.wake(7_500 * MS, far_end_talks=False) == []
    assert script.receive(BurstBegan(8_000 * MS), 8_040 * MS) == []
    assert script.wake(8_499 * MS) == []
    assert script.wake(8_500 * MS) == [Say(1)]


def test_an_interruption_of_an_answer_too_short_is_said_after_it() -> None:
    """An answer that is over early leaves nothing to interrupt."""
    script = _script(SAY, Item(ItemKind.INTERRUPT, "late", 10_000))
    script.receive(Connected(), 0)
    script.wake(5_000 * MS)
    script.receive(ItemSpoken(6_000 * MS), 6_000 * MS)
    script.receive(BurstBegan(7_000 * MS), 7_040 * MS)
    assert script.receive(FarEndFinished(7_300 * MS), 8_500 * MS) == [Say(1)]


def test_being_cut_off_counts_as_an_answer_that_began() -> None:
    """The far end already talking when our last packet left is listened to."""
    script = _script(SAY)
    script.receive(Connected(), 0)
    script.wake(5_000 * MS)
    script.receive(ItemSpoken(6_000 * MS), 6_000 * MS)
    assert script.far_end_was_talking(5_800 * MS, 6_000 * MS) == []
    assert script.state is ScriptState.LISTENING


def test_lingering_keeps_the_line_open_once() -> None:
    """linger_ms comes between the last answer and the hang-up."""
    script = Script([], wait_greeting_ms=1_000, linger_ms=500)
    script.receive(Connected(), 0)
    assert script.wake(1_000 * MS) == []
    assert script.wake(1_499 * MS) == []
    assert script.wake(1_500 * MS) == [HangUp()]


@pytest.mark.parametrize("state", [ScriptState.IDLE, ScriptState.SPEAKING, ScriptState.OVER])
@pytest.mark.parametrize(
    "event", [BurstBegan(1), FarEndFinished(1), ItemSpoken(1), Connected(), Disconnected()]
)
def test_every_event_in_every_state_is_survived(state: ScriptState, event: ScriptEvent) -> None:
    """An event that does not belong changes nothing but by the table."""
    script = _script(SAY, INTERRUPT)
    if state is not ScriptState.IDLE:
        script.receive(Connected(), 0)
        script.wake(5_000 * MS)
    if state is ScriptState.OVER:
        script.receive(Disconnected(), 0)
    script.receive(event, 5_000 * MS)
    if isinstance(event, Disconnected) or state is ScriptState.OVER:
        assert script.state is ScriptState.OVER
        assert script.wake(1_000_000 * MS) == []
    elif isinstance(event, Connected) and state is ScriptState.IDLE:
        assert script.state is ScriptState.GREETING
    elif isinstance(event, ItemSpoken) and state is ScriptState.SPEAKING:
        assert script.state is ScriptState.AWAITING
    else:
        assert script.state is state
