from __future__ import annotations

import pytest

from agent.endpointing import PRESETS
from agent.patience import (
    FAREWELL_LIMIT_MS,
    FAREWELL_MS,
    FORMING_MS,
    GIVE_UP_MS,
    Action,
    Patience,
)
from media.config.model import AgentLimits

pytestmark = pytest.mark.unit
MS = 1_000_000
FILLER_MS = PRESETS["balanced"].filler_ms
LIMITS = AgentLimits(no_input_ms=8_000, no_input_prompts=2, max_call_s=60)


def test_silence_is_asked_about_and_then_ends() -> None:
    """Two prompts, each after its own silence, then the end."""
    core = Patience(LIMITS)
    heard = []
    for start_ms in (0, 10_000, 20_000):
        core.quiet(start_ms * MS)
        core.quiet((start_ms + 5_000) * MS)
        assert core.receive_tick((start_ms + 7_999) * MS) == []
        heard += core.receive_tick((start_ms + 8_000) * MS)
    assert heard == [Action.ASK, Action.ASK, Action.END_SILENT]


def test_a_caller_who_speaks_is_asked_anew() -> None:
    """Words start the count from the beginning."""
    core = Patience(LIMITS)
    core.quiet(0)
    core.receive_tick(8_000 * MS)
    core.caller_spoke()
    core.quiet(20_000 * MS)
    assert core.receive_tick(28_000 * MS) == [Action.ASK]
    assert core.asked == 1


def test_a_late_answer_is_filled_once_then_given_up() -> None:
    """Filler, then the answer is given up counted from the filler's end."""
    core = Patience(LIMITS)
    core.answer_due(0)
    assert core.next_deadline_ns() == FILLER_MS * MS
    assert core.receive_tick(FILLER_MS * MS) == [Action.FILL]
    core.filler_played(2_500 * MS)
    assert core.receive_tick((2_500 + GIVE_UP_MS - 1) * MS) == []
    assert core.receive_tick((2_500 + GIVE_UP_MS) * MS) == [Action.GIVE_UP]
    assert core.next_deadline_ns() is None


def test_no_two_turns_in_a_row_get_a_filler() -> None:
    """After a filled answer the next one is waited for without, the one after that may be."""
    core = Patience(LIMITS)
    seen = []
    for turn in range(3):
        core.answer_due(turn * 100_000 * MS)
        seen += core.receive_tick((turn * 100_000 + FILLER_MS) * MS)
        core.answer_came()
    assert seen == [Action.FILL, Action.FILL]


def test_dead_air_stays_under_four_seconds() -> None:
    """The latest sentence starts before 4 s with or without a filler."""
    assert GIVE_UP_MS < 4_000 and FILLER_MS < GIVE_UP_MS


def test_nothing_is_asked_on_hold() -> None:
    """Hold suspends silence and waiting, not the call's length."""
    core = Patience(LIMITS)
    core.call_answered(1)
    core.quiet(1)
    core.held = True
    assert core.receive_tick(30_000 * MS) == []
    assert core.receive_tick(60_001 * MS) == [Action.END_LONG]
    assert core.receive_tick(60_002 * MS) == []


def test_the_callers_goodbye_may_finish() -> None:
    """Hang up a moment after the goodbye, later when the caller speaks, never beyond the limit."""
    core = Patience(LIMITS)
    core.said_goodbye(0)
    assert core.next_deadline_ns() == FAREWELL_MS * MS
    core.caller_says_goodbye(True, 500 * MS)
    assert core.receive_tick(FAREWELL_MS * MS) == []
    assert core.receive_tick(FAREWELL_LIMIT_MS * MS) == [Action.HANG_UP]


def test_a_caller_with_one_more_question_stays() -> None:
    """The hang-up is called off."""
    core = Patience(LIMITS)
    core.said_goodbye(0)
    core.stay()
    assert not core.leaving
    assert core.receive_tick(10_000 * MS) == []


def test_an_answer_that_came_during_the_filler_is_not_given_up() -> None:
    """The end of the filler starts no new wait for what is already queued behind it."""
    core = Patience(LIMITS)
    core.answer_due(0)
    assert core.receive_tick(FILLER_MS * MS) == [Action.FILL]
    core.answer_came()
    core.filler_played(2_500 * MS)
    assert core.receive_tick(20_000 * MS) == []


def test_an_answer_that_runs_dry_is_given_up_without_a_filler() -> None:
    """Silence within an answer is counted from its last sample; more audio moves the count."""
    core = Patience(LIMITS)
    core.answer_due(0)
    core.answer_came()
    core.answer_runs_dry(2_000 * MS)
    assert core.next_deadline_ns() == (2_000 + GIVE_UP_MS) * MS
    core.answer_runs_dry(3_000 * MS)
    assert core.receive_tick((2_000 + GIVE_UP_MS) * MS) == []
    assert core.receive_tick((3_000 + GIVE_UP_MS) * MS) == [Action.GIVE_UP]


def test_nothing_falls_due_while_the_caller_is_heard_out() -> None:
    """Who speaks is not told to wait; the count goes on from the end of the speech."""
    core = Patience(LIMITS)
    core.answer_due(0)
    core.hears(True, 1_000 * MS)
    assert core.next_deadline_ns() is None
    assert core.receive_tick(FILLER_MS * MS) == []
    core.hears(False, 2_500 * MS)
    assert core.next_deadline_ns() == (2_500 + FILLER_MS) * MS
    assert core.receive_tick((2_500 + FILLER_MS) * MS) == [Action.FILL]


def test_nothing_is_given_up_while_a_long_filler_plays() -> None:
    """The filler is heard to its end, and the answer has its time behind it."""
    core = Patience(LIMITS)
    core.answer_due(0)
    assert core.receive_tick(FILLER_MS * MS) == [Action.FILL]
    assert core.receive_tick(GIVE_UP_MS * MS) == []
    core.filler_played((FILLER_MS + 2_800) * MS)
    assert core.next_deadline_ns() == (FILLER_MS + 2_800 + GIVE_UP_MS) * MS


def test_a_persona_says_when_its_filler_comes() -> None:
    """The dead air before it is the persona's own."""
    core = Patience(LIMITS, filler_ms=900)
    core.answer_due(0)
    assert core.receive_tick(899 * MS) == [] and core.receive_tick(900 * MS) == [Action.FILL]


def test_a_filler_waits_a_little_for_words_that_are_coming() -> None:
    """Half a second more, then it is said all the same."""
    core = Patience(LIMITS)
    core.answer_due(0)
    core.forming = True
    assert core.receive_tick(FILLER_MS * MS) == []
    assert core.next_deadline_ns() == (FILLER_MS + FORMING_MS) * MS
    assert core.receive_tick((FILLER_MS + FORMING_MS - 1) * MS) == []
    assert core.receive_tick((FILLER_MS + FORMING_MS) * MS) == [Action.FILL]


def test_words_that_stop_coming_put_nothing_off() -> None:
    """A fault while the filler is put off: it is due at once."""
    core = Patience(LIMITS)
    core.answer_due(0)
    core.forming = True
    assert core.receive_tick((FILLER_MS + 100) * MS) == []
    core.forming = False
    assert core.receive_tick((FILLER_MS + 100) * MS) == [Action.FILL]


@pytest.mark.parametrize("filler_ms", [500, 1_700, 3_000])
def test_a_filler_that_is_put_off_keeps_dead_air_under_four_seconds(filler_ms: int) -> None:
    """Neither before it nor without one."""
    core = Patience(LIMITS, filler_ms=filler_ms, forming=True)
    core.answer_due(0)
    due_ms = min(filler_ms + FORMING_MS, GIVE_UP_MS)
    assert due_ms < 4_000 and core.receive_tick(due_ms * MS) == [Action.FILL]
    silent = Patience(LIMITS, fillers=False, forming=True)
    silent.answer_due(0)
    assert silent.receive_tick(GIVE_UP_MS * MS) == [Action.GIVE_UP]
