from __future__ import annotations

import pytest

from agent.endpointing import PRESETS, Grasp
from agent.heed import is_heeded
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


def test_brief_words_that_ask_for_nothing_let_it_go_on() -> None:
    """A hum that was taken for a word neither as a partial nor as a final word stops the agent."""
    heard = (
        (350, WordsHeard("go on", False, heeded=False)),
        (400, SpeechStopped()),
        (600, WordsHeard("Go on, so.", True, heeded=False)),
    )
    assert play(SPEECH, (120, Tick()), *heard) == [Action.HOLD, Action.RESUME, Action.DISMISS]


@pytest.mark.parametrize(
    ("words", "speech_ms", "confidence", "grasp", "heeded"),
    [
        ("Stop.", 300, 0.7, Grasp.NOTHING, True),
        ("What?", 160, 0.56, Grasp.NOTHING, True),
        ("Battery.", 400, 0.6, Grasp.ABOUT, True),
        ("Bye bye.", 270, 0.24, Grasp.SURE, False),
        ("No.", 210, 0.3, Grasp.SURE, False),
        ("Method.", 490, 0.47, Grasp.NOTHING, False),
        ("That is not what I asked.", 1_100, 0.4, Grasp.NOTHING, True),
    ],
)
def test_what_brief_words_are_worth(
    words: str, speech_ms: int, confidence: float, grasp: Grasp, heeded: bool
) -> None:
    """Brief words stop the agent when they were well heard and ask for something."""
    assert is_heeded(words, speech_ms, confidence, grasp) is heeded


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
