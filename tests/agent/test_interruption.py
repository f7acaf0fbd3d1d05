from __future__ import annotations

import pytest

from agent.endpointing import PRESETS, Grasp
from agent.heed import is_doubtful, is_heeded
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
from media.config.model import TurnConfig

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


BACKCHANNELS = TurnConfig().backchannels


@pytest.mark.parametrize(
    ("words", "speech_ms", "heeded"),
    [
        ("Is that right?", 1_100, True),
        ("Is it okay?", 900, True),
        ("So is that true?", 1_100, True),
        ("Are you sure?", 650, True),
        ("Is this okay then", 900, True),
        ("Well, is that correct?", 900, True),
        ("Oh, that is good.", 1_200, False),
        ("That's right, yes.", 1_000, False),
        ("Really?", 500, False),
        ("Louder.", 400, True),
        ("I can't hear you.", 650, True),
        ("Slower, please.", 600, True),
        ("A lemon.", 600, False),
    ],
)
def test_a_question_is_no_reaction(words: str, speech_ms: int, heeded: bool) -> None:
    """Nor are words about how the agent is heard; what only agrees is one, however long it is."""
    assert is_heeded(words, speech_ms, 0.9, Grasp.NOTHING, BACKCHANNELS) is heeded


@pytest.mark.parametrize("words", ["Forty two.", "Peter.", "Battery.", "Four seven."])
def test_what_the_agent_has_all_but_asked_is_answered(words: str) -> None:
    """Into the end of a question brief words are heeded unless they may be none."""
    assert is_heeded(words, 400, 0.55, Grasp.NOTHING, BACKCHANNELS, asked=True)
    assert not is_heeded(words, 400, 0.55, Grasp.NOTHING, BACKCHANNELS)
    assert not is_heeded(words, 400, 0.3, Grasp.NOTHING, BACKCHANNELS, asked=True)
    assert not is_heeded("That's good.", 400, 0.9, Grasp.NOTHING, BACKCHANNELS, asked=True)


@pytest.mark.parametrize("words", ["Stopp!", "Nein.", "Warte."])
def test_words_of_other_languages_all_count(words: str) -> None:
    """English lists say nothing about them."""
    assert is_heeded(words, 300, 0.5, Grasp.NOTHING, BACKCHANNELS, language="de-AT")
    assert not is_heeded(words, 300, 0.5, Grasp.NOTHING, BACKCHANNELS, language="en-GB")


@pytest.mark.parametrize(
    ("speech_ms", "confidence", "doubtful"),
    [(300, 0.3, True), (699, 0.44, True), (700, 0.3, False), (300, 0.45, False)],
)
def test_only_brief_and_badly_heard_words_may_be_none(
    speech_ms: int, confidence: float, doubtful: bool
) -> None:
    """Long ones are speech, and well heard ones are words."""
    assert is_doubtful(speech_ms, confidence) is doubtful


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
