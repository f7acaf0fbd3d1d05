from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.speech_text_heard import WordTiming, estimate_timing, heard_text

pytestmark = pytest.mark.unit

TEXT = "The battery lasts six months, and it costs $5."


def test_ends() -> None:
    """Nothing was heard of a clip that did not begin, and all of one that ended."""
    assert heard_text(TEXT, 0, 8_000) == ""
    assert heard_text(TEXT, 8_000, 8_000) == TEXT
    assert heard_text(TEXT, 9_000, 8_000) == TEXT
    assert heard_text("", 10, 8_000) == ""


def test_half() -> None:
    """Half of the audio is about half of the sounds, cut between written words."""
    assert heard_text(TEXT, 4_000, 8_000) in (
        "The battery lasts six",
        "The battery lasts six months,",
    )


def test_figures_take_the_time_of_their_words() -> None:
    """Two written characters that are said as two words take the time of these words."""
    words = {TEXT[each.start : each.end]: each for each in estimate_timing(TEXT, 8_000)}
    assert words["$5"].end_samples - words["$5"].start_samples > (
        words["costs"].end_samples - words["costs"].start_samples
    )
    assert words["$5"].end_samples == 8_000


def test_own_timing_is_preferred() -> None:
    """With the voice's own timing a word counts when most of it was played."""
    timings = [WordTiming(0, 3, 0, 100), WordTiming(4, 7, 100, 200)]
    assert heard_text("one two", 150, 200, timings=timings) == "one"
    assert heard_text("one two", 170, 200, timings=timings) == "one two"


@given(st.text(alphabet="ab1 ,.$", max_size=60), st.integers(0, 9_000))
def test_what_was_heard_is_a_beginning(text: str, played: int) -> None:
    """Whatever was played, the words heard begin the text, and more audio never means fewer."""
    heard = heard_text(text, played, 8_000)
    assert text.strip().startswith(heard)
    assert len(heard_text(text, played + 400, 8_000)) >= len(heard)
