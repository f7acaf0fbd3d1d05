from __future__ import annotations

import pytest

from agent.fast_lane import FastLane, is_goodbye
from media.config.model import FastLaneConfig

pytestmark = pytest.mark.unit

HOURS = FastLaneConfig(("opening hours", "when are you open", "are you open on"), "Nine to six.")
HUMAN = FastLaneConfig(("speak to a human", "agent please"), "Nobody is there.")
BYE = FastLaneConfig(("thats all",), "Goodbye.", "goodbye")
LANE = FastLane((HOURS, HUMAN, BYE))


@pytest.mark.parametrize(
    ("words", "entry"),
    [
        ("What are your opening hours?", HOURS),
        ("When are you open on Sunday", HOURS),
        ("Can I please speak to a human?", HUMAN),
        ("No, that's all.", BYE),
        ("opening our's", None),
        ("Why aren't you open on Sunday?", None),
        ("No, when are you open?", HOURS),
        ("How long does the battery last in the opening weeks of the year", None),
        ("", None),
    ],
)
def test_phrases_match_what_was_said(words: str, entry: FastLaneConfig | None) -> None:
    """All of a phrase must have been said, and it must be what the caller meant."""
    assert LANE.match(words) is entry


@pytest.mark.parametrize("words", ["Goodbye.", "okay bye", "Thank you, good bye!", "bye bye"])
def test_leave_is_taken(words: str) -> None:
    """Every short sentence with a goodbye."""
    assert is_goodbye(words)


@pytest.mark.parametrize("words", ["Can I say goodbye to my old chime?", "thank you", ""])
def test_leave_is_not_taken(words: str) -> None:
    """A question that has the word in it, and thanks alone."""
    assert not is_goodbye(words)
