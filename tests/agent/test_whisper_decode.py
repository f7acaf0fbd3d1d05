"""Which words are heard a second time, and which of the two hearings counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.engines.whisper_decode import Abandoned, WhisperDecoder, Words

pytestmark = pytest.mark.unit

SHORT = (np.random.default_rng(0).standard_normal(12_000) * 3_000).astype(np.int16)
LONG = np.tile(SHORT, 2)
LIKELY = "Battery, warranty."


class Scripted(WhisperDecoder):
    """Hear what is written down, one after the other."""

    def __init__(self, *heard: tuple[str, float, float]) -> None:
        self.heard = list(heard)
        self.prompts: list[str] = []

    def _encode(self, samples: Any) -> Any:
        return samples

    def _decode(
        self, encoded: Any, samples: int, language: str, prompt: str
    ) -> tuple[Words, float]:
        self.prompts.append(prompt)
        text, confidence, no_speech = self.heard[len(self.prompts) - 1]
        return Words(text, confidence), no_speech


def hear(
    first: tuple[str, float],
    second: tuple[str, float],
    *,
    no_speech: float = 0.05,
    samples: Any = SHORT,
    language: str = "en",
    likely: str = LIKELY,
    may_repeat: Callable[[], bool] = lambda: True,
) -> tuple[str, int]:
    """Return the words, and how often they were heard."""
    decoder = Scripted((*first, 0.05), (*second, no_speech))
    words = decoder.recognize(samples, language, likely=likely, may_repeat=may_repeat)
    return words.text, len(decoder.prompts)


def test_a_doubtful_word_is_heard_again_among_the_likely_ones() -> None:
    """The second time it is expected with the usual answers and the agent's matter."""
    decoder = Scripted(("Man.", 0.4, 0.05), ("Mm-hm.", 0.7, 0.05))
    assert decoder.recognize(SHORT, "en", "before", likely=LIKELY).text == "Mm-hm."
    assert decoder.prompts[0] == "before"
    assert "Yes." in decoder.prompts[1] and decoder.prompts[1].endswith(LIKELY)


@pytest.mark.parametrize(("confidence", "times"), [(0.59, 2), (0.6, 1)])
def test_sure_words_are_not_heard_again(confidence: float, times: int) -> None:
    """From 0.6 on the first time counts."""
    assert hear(("Man.", confidence), ("Yeah.", 0.9))[1] == times


@pytest.mark.parametrize(("text", "times"), [("", 2), ("A man.", 2), ("I am a man.", 1)])
def test_only_one_or_two_words_are_heard_again(text: str, times: int) -> None:
    """A sentence was no single word that lacked a sentence around it."""
    assert hear((text, 0.3), ("Yeah.", 0.9))[1] == times


def test_what_lasted_longer_than_two_seconds_is_not_heard_again() -> None:
    """16,000 samples at 8 kHz are the most."""
    assert hear(("Man.", 0.3), ("Yeah.", 0.9), samples=LONG[:16_000])[1] == 2
    assert hear(("Man.", 0.3), ("Yeah.", 0.9), samples=LONG[:16_001])[1] == 1


def test_a_language_without_short_answers_needs_likely_words() -> None:
    """Without anything to expect the second time would be like the first."""
    assert hear(("Man.", 0.3), ("Ja.", 0.9), language="de", likely="")[1] == 1
    assert hear(("Man.", 0.3), ("Battery.", 0.9), language="de")[1] == 2


def test_nothing_is_heard_again_where_there_is_no_room() -> None:
    """Who is asked is asked once, right before, and the first time counts."""
    asked: list[None] = []

    def full() -> bool:
        asked.append(None)
        return False

    assert hear(("Man.", 0.4), ("Yeah.", 0.9), may_repeat=full) == ("Man.", 1)
    assert len(asked) == 1
    assert hear(("Man.", 0.7), ("Yeah.", 0.9), may_repeat=full)[1] == 1
    assert len(asked) == 1


def test_words_that_nobody_wants_any_more_are_not_heard_again() -> None:
    """Abandoned while the first time was computed: the second does not begin."""
    decoder = Scripted(("Man.", 0.4, 0.05), ("Yeah.", 0.9, 0.05))
    allowed: list[None] = []

    def may_repeat() -> bool:
        allowed.append(None)
        return True

    with pytest.raises(Abandoned):
        decoder.recognize(
            SHORT, "en", unwanted=lambda: bool(decoder.prompts), may_repeat=may_repeat
        )
    assert len(decoder.prompts) == 1 and not allowed


@pytest.mark.parametrize(
    ("first", "second", "no_speech", "wanted"),
    [
        # so much surer, or the first stands
        (("Man.", 0.4), ("Yeah.", 0.5), 0.05, "Yeah."),
        (("Man.", 0.45), ("Yeah.", 0.5), 0.05, "Man."),
        # expected words need 0.35, others 0.45
        (("Man.", 0.1), ("Yeah.", 0.35), 0.05, "Yeah."),
        (("Man.", 0.1), ("Yeah.", 0.34), 0.05, "Man."),
        (("Man.", 0.1), ("Fine.", 0.45), 0.05, "Fine."),
        (("Man.", 0.1), ("Fine.", 0.44), 0.05, "Man."),
        # where nothing was heard 0.3 do
        (("", 0.0), ("Yeah.", 0.3), 0.05, "Yeah."),
        (("", 0.0), ("Yeah.", 0.29), 0.05, ""),
        # doors and coughs
        (("", 0.0), ("Yeah.", 0.9), 0.36, ""),
        (("", 0.0), ("Mm-hm.", 0.9), 0.05, ""),
        # the agent's matter must have sounded like it the first time
        (("Butter he.", 0.3), ("Battery.", 0.9), 0.05, "Battery."),
        (("Mm.", 0.3), ("Warranty.", 0.9), 0.05, "Mm."),
    ],
)
def test_which_of_the_two_hearings_counts(
    first: tuple[str, float], second: tuple[str, float], no_speech: float, wanted: str
) -> None:
    """Both sides of each threshold."""
    assert hear(first, second, no_speech=no_speech) == (wanted, 2)
