from __future__ import annotations

import pytest

from agent.endpointing import PRESETS
from agent.interruption import (
    Action,
    AgentSilent,
    Event,
    Interruption,
    SpeechHeard,
    SpeechStopped,
    Standing,
    Tick,
    WordsHeard,
)

pytestmark = pytest.mark.unit
MS = 1_000_000
BALANCED = PRESETS["balanced"]


def play(*steps: tuple[int, Event]) -> list[Action]:
    """Run events at times in ms and return all actions."""
    core = Interruption(BALANCED, ("mm-hm", "okay", "i see", "uh-huh"))
    return [action for at_ms, event in steps for action in core.receive(event, at_ms * MS)]


SPEECH = (40, SpeechHeard(0))


def test_speech_holds_and_words_make_it_yield() -> None:
    """The agent is held at barge_in_ms and yields to real words."""
    steps = (SPEECH, (119, Tick()), (120, Tick()), (700, WordsHeard("no wait", False)))
    assert play(*steps) == [Action.HOLD, Action.YIELD]


def test_long_speech_makes_it_yield_without_words() -> None:
    """Nobody says mm-hm for so long."""
    assert play(SPEECH, (120, Tick()), (BALANCED.yield_ms, Tick())) == [Action.HOLD, Action.YIELD]


@pytest.mark.parametrize("words", ["Mm-hmm.", "mhm", "Okay.", "okay, I see", "Uh huh", ""])
def test_backchannels_and_noises_let_it_go_on(words: str) -> None:
    """However they are written, and also when nothing was understood."""
    steps = (SPEECH, (120, Tick()), (300, SpeechStopped()), (500, WordsHeard(words, True)))
    assert play(*steps) == [Action.HOLD, Action.RESUME, Action.DISMISS]


def test_a_short_word_that_is_no_backchannel_interrupts() -> None:
    """The word stop is over before the agent is held and stops it all the same."""
    steps = (SPEECH, (90, SpeechStopped()), (400, WordsHeard("Stop.", True)))
    assert play(*steps) == [Action.YIELD]


def test_slow_words_do_not_keep_the_agent_silent() -> None:
    """It goes on after a while, and still yields to the words when they come."""
    late = 300 + BALANCED.resume_ms
    steps = (
        SPEECH,
        (120, Tick()),
        (300, SpeechStopped()),
        (late, Tick()),
        (late + 300, WordsHeard("What about the warranty?", True)),
    )
    assert play(*steps) == [Action.HOLD, Action.RESUME, Action.YIELD]


def test_one_partial_word_decides_nothing() -> None:
    """It may still become "okay"."""
    assert play(SPEECH, (120, Tick()), (300, WordsHeard("oak", False))) == [Action.HOLD]


def test_nothing_is_left_when_the_agent_ends_by_itself() -> None:
    """Then the caller's words are an ordinary turn."""
    core = Interruption(BALANCED, ("okay",))
    core.receive(SpeechHeard(0), 40 * MS)
    core.receive(AgentSilent(), 60 * MS)
    assert core.standing is Standing.IDLE
    assert core.receive(WordsHeard("okay", True), 500 * MS) == []
    assert core.next_deadline_ns() is None
