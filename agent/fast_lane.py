"""Answer what needs no model: reviewed sentences, found by the recognised words (sans-IO)."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from agent.human_wish import wants_human
from agent.knowledge import asked_meaning, meaning, says_not, stem
from agent.words import split_words
from media.config.model import FastLaneConfig

LOOKALIKE = 0.84
LEAST_SHARE = 0.7
"""Share of the caller's own meaningful words that the entry must explain."""
LEAST_WORDS = 0.5
"""Share of all words that the phrase must be where none of them is meaningful."""
_CALENDAR = frozenset(
    stem(each)
    for each in split_words(
        "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays "
        "thursdays fridays saturdays sundays day days week weekday weekdays weekend weekends "
        "morning mornings noon lunch afternoon afternoons evening evenings tonight tomorrow "
        "time date until till"
    )
)
"""When something is asked for; by itself it does not make another matter of it."""
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
        self._vocabulary = [
            (entry, frozenset(meaning(" ".join((entry.say, *entry.when))))) for entry in entries
        ]
        self._human = next(
            (entry for entry in entries if any(wants_human(phrase) for phrase in entry.when)), None
        )

    def match(self, text: str) -> FastLaneConfig | None:
        """Return the entry whose phrase these words are, None where the model must answer."""
        if self._human is not None and wants_human(text):
            return self._human
        words = split_words(text)
        meant = [each for each in asked_meaning(text) if each not in _CALENDAR]
        denied = says_not(words)
        best: tuple[float, int, FastLaneConfig] | None = None
        for entry, phrase in self._phrases:
            if not phrase or _find_run(phrase, words) < 0:
                continue
            if denied and not says_not(phrase):
                continue
            share = self._explained(entry, phrase, words, meant)
            if share < (LEAST_SHARE if meant else LEAST_WORDS):
                continue
            # of "that's all" and "that's all right" the longer one was said
            if best is None or (share, len(phrase)) > best[:2]:
                best = (share, len(phrase), entry)
        return best[2] if best else None

    def _explained(
        self,
        entry: FastLaneConfig,
        phrase: Sequence[str],
        words: Sequence[str],
        meant: Sequence[str],
    ) -> float:
        """Return the share of the caller's meaning that an entry explains whose phrase was said."""
        if not meant:
            # nothing but small words: a phrase must then be most of what was said
            return len(phrase) / len(words)
        known = next(stems for each, stems in self._vocabulary if each is entry)
        known |= {stem(each) for each in phrase}
        return sum(any(_alike(each, other) for other in known) for each in meant) / len(meant)


def _find_run(phrase: Sequence[str], words: Sequence[str]) -> int:
    """Return where a phrase was said, in its order and with at most two other words between."""
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


@lru_cache(maxsize=1 << 16)
def _alike(one: str, other: str) -> bool:
    if one[0] != other[0]:
        return False
    if one == other or stem(one) == stem(other):
        return True
    if min(len(one), len(other)) < 5:
        return False
    return SequenceMatcher(None, one, other).ratio() >= LOOKALIKE
