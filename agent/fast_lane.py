"""Answer what needs no model: reviewed sentences, found by the recognised words (sans-IO)."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from agent.knowledge import content_stems, stem
from agent.words import split_words
from media.config.model import FastLaneConfig

LOOKALIKE = 0.84
LEAST_SHARE = 0.5
"""Share of the caller's own meaningful words that the phrase must explain."""
_GOODBYES = frozenset({"goodbye", "bye"})
_GOODBYE_WORDS = 9


def is_goodbye(text: str) -> bool:
    """Say whether the caller takes leave: a goodbye in a short sentence that asks nothing."""
    words = split_words(text)
    return (
        any(each in _GOODBYES for each in words)
        and len(words) <= _GOODBYE_WORDS
        and not text.rstrip().endswith("?")
    )


class FastLane:
    """The reviewed answers of one persona.

    Args:
        entries: in order of preference.
    """

    def __init__(self, entries: Sequence[FastLaneConfig]) -> None:
        self._phrases = [(entry, split_words(phrase)) for entry in entries for phrase in entry.when]

    def match(self, text: str) -> FastLaneConfig | None:
        """Return the entry whose phrase these words are, None where the model must answer."""
        words = split_words(text)
        meant = content_stems(text)
        best: tuple[float, FastLaneConfig] | None = None
        for entry, phrase in self._phrases:
            share = _explained(phrase, words, meant)
            if share >= LEAST_SHARE and (best is None or share > best[0]):
                best = (share, entry)
        return best[1] if best else None


def _explained(phrase: Sequence[str], words: Sequence[str], meant: Sequence[str]) -> float:
    """Return the share of the caller's meaning that a phrase explains; 0 unless all of it was said.

    The phrase's words must have been said in its order, with at most two others between.
    """
    if not phrase:
        return 0.0
    position = _find_run(phrase, words)
    if position < 0:
        return 0.0
    if not meant:
        # nothing but small words: a phrase must then be most of what was said
        return len(phrase) / len(words)
    explained = {stem(each) for each in phrase}
    matched = sum(any(_alike(each, known) for known in explained) for each in meant)
    return matched / len(meant)


def _find_run(phrase: Sequence[str], words: Sequence[str]) -> int:
    for start in range(len(words)):
        at = start
        for each in phrase:
            near = next(
                (i for i in range(at, min(at + 3, len(words))) if _alike(each, words[i])), None
            )
            if near is None:
                break
            at = near + 1
        else:
            return start
    return -1


def _alike(one: str, other: str) -> bool:
    if one == other or stem(one) == stem(other):
        return True
    if min(len(one), len(other)) < 5 or one[0] != other[0]:
        return False
    return SequenceMatcher(None, one, other).ratio() >= LOOKALIKE
