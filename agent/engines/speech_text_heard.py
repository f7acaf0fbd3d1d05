"""Tell which words of a clip were heard when its playback stopped.

Sans-IO. A word counts as heard when most of it was played. Without the voice's own timing the
length of a word is estimated from the sounds of what was said for it: "$5" is "five dollars".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from agent.engines.speech_text import SpokenWord, spoken_words

_HEARD_SHARE = 0.6
"""A word of which so much was played is known to the caller."""
_PAUSES = {",": 3.0, ";": 3.5, ":": 3.5, ".": 6.0, "!": 6.0, "?": 6.0, "…": 6.0}
"""Silence after a mark, in letters."""
_WORD_WEIGHT = 1.5
"""What every word costs beside its letters, in letters."""


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When a written word was said."""

    start: int
    """First character in the written text."""
    end: int
    """One behind the last."""
    start_samples: int
    """Where its sound begins in the clip, at 8 kHz."""
    end_samples: int
    """Where its sound ends."""


def estimate_timing(text: str, total_samples: int, language: str = "en") -> list[WordTiming]:
    """Return when every word of a clip is said, in proportion to what is said.

    Args:
        text: the clip's written text.
        total_samples: length of the clip.
        language: the voice's.
    """
    words = [each for each in spoken_words(text, language) if re.search(r"\w", each.spoken)]
    ends = list(accumulate(_weight(each) + _pause(text, each) for each in words))
    whole = ends[-1] - _pause(text, words[-1]) if words else 0.0
    timings = []
    for word, end in zip(words, ends, strict=True):
        last = end - _pause(text, word)
        timings.append(
            WordTiming(
                word.start,
                word.end,
                round((last - _weight(word)) / whole * total_samples),
                round(min(1.0, last / whole) * total_samples),
            )
        )
    return timings


def heard_text(
    text: str,
    played_samples: int,
    total_samples: int,
    *,
    timings: Sequence[WordTiming] | None = None,
    language: str = "en",
) -> str:
    """Return the beginning of a clip's text that the caller has heard.

    Args:
        text: the clip's written text.
        played_samples: how much of it went out.
        total_samples: its length; may be an estimate while it is still being made.
        timings: the voice's own, where it has them.
        language: the voice's.
    """
    if played_samples >= total_samples > 0:
        return text.strip()
    if played_samples <= 0 or total_samples <= 0:
        return ""
    known = timings if timings else estimate_timing(text, total_samples, language)
    end = 0
    for each in known:
        length = each.end_samples - each.start_samples
        if played_samples < each.start_samples + _HEARD_SHARE * length:
            break
        end = each.end
    return text[:end].strip()


def _weight(word: SpokenWord) -> float:
    """Return how long a word takes, in letters."""
    return _WORD_WEIGHT + len(re.sub(r"[^\w]", "", word.spoken))


def _pause(text: str, word: SpokenWord) -> float:
    """Return the silence behind a word, in letters."""
    mark = word.spoken[-1:] if word.spoken[-1:] in _PAUSES else text[word.end : word.end + 1]
    return _PAUSES.get(mark, 0.0)
