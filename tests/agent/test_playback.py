from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.playback import ClipState, Playback

pytestmark = pytest.mark.unit


def test_words_heard_follow_the_position() -> None:
    """A clip that is cleared keeps the words that had left, whole ones only."""
    playback = Playback()
    clip = playback.open("model")
    assert playback.append(clip, "one two three four", 8_000) == 0
    assert playback.append(clip, "five six", 4_000) == 8_000
    playback.started(clip.number, 5)
    (gone,) = playback.cleared(clip.number, 4_000, 99)
    assert gone.state is ClipState.CLEARED
    assert gone.heard_text() == "one two"
    assert not playback.busy


def test_later_audio_of_the_same_words_lengthens_them() -> None:
    """A clause that comes in windows is one stretch of words."""
    playback = Playback()
    clip = playback.open("model")
    playback.append(clip, "one two three four", 1_000)
    playback.append(clip, "", 7_000)
    playback.cleared(clip.number, 4_000, 1)
    assert clip.heard_text() == "one two"


def test_a_finished_clip_was_heard_whole() -> None:
    """ClipFinished means every word."""
    playback = Playback()
    clip = playback.open("greeting")
    playback.append(clip, "Hello there.", 900)
    playback.started(clip.number, 1)
    assert playback.finished(clip.number, 2) is clip
    assert clip.heard_text() == "Hello there."


def test_a_clip_that_waited_was_not_heard() -> None:
    """Clearing drops what is queued behind; none of its words counts."""
    playback = Playback()
    first, second = playback.open("filler"), playback.open("model")
    playback.append(first, "One moment.", 800)
    playback.append(second, "The answer.", 800)
    playback.started(first.number, 1)
    playback.cleared(first.number, 800, 9)
    assert second.heard_text() == ""


def test_a_clip_opened_after_the_clearing_was_asked_for_stays() -> None:
    """The answer to clearing can come after the next clip was opened."""
    playback = Playback()
    first = playback.open("model")
    playback.append(first, "Old.", 800)
    asked = playback.last_number
    second = playback.open("model")
    assert playback.cleared(first.number, 80, 9, asked) == [first]
    assert playback.clips == [second]


def test_news_of_a_cleared_clip_is_ignored() -> None:
    """ClipStarted and ClipFinished of what is gone change nothing."""
    playback = Playback()
    clip = playback.open("model")
    playback.append(clip, "Old.", 800)
    playback.cleared(0, 0, 1)
    assert playback.started(clip.number, 2) is None
    assert playback.finished(clip.number, 3) is None
    assert clip.heard_text() == ""


@given(st.lists(st.text("abc def.", min_size=1), min_size=1), st.integers(0, 20_000))
def test_what_was_heard_is_a_beginning_of_what_was_said(texts: list[str], heard: int) -> None:
    """Never a word more, never in another order."""
    playback = Playback()
    clip = playback.open("model")
    for text in texts:
        playback.append(clip, text, 1_000)
    playback.started(clip.number, 1)
    playback.cleared(clip.number, heard, 2)
    words = clip.heard_text().split()
    assert words == clip.text.split()[: len(words)]


def test_a_clip_that_is_still_growing_says_when_it_falls_silent() -> None:
    """Start and length say when; more audio, a hold and a late part move it; the end clears it."""
    playback = Playback()
    clip = playback.open("model")
    playback.append(clip, "one", 8_000)
    assert clip.dry_ns is None
    playback.started(clip.number, 1_000_000_000)
    assert clip.dry_ns == 2_000_000_000
    playback.append(clip, "two", 4_000, 1_500_000_000)
    assert clip.dry_ns == 2_500_000_000
    playback.held(clip.number, 6_000)
    assert clip.dry_ns is None
    playback.resumed(5_000_000_000)
    assert clip.dry_ns == 5_750_000_000
    playback.append(clip, "three", 8_000, 7_000_000_000)
    assert clip.dry_ns == 8_000_000_000
    clip.ended = True
    assert clip.dry_ns is None
