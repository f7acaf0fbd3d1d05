"""Decide on sets of numbers: whether some patterns take everything that another takes.

A word is a row of character sets, so the questions are answered exactly, character by character,
stopping at the first number that is left over.
"""

from __future__ import annotations

from collections.abc import Sequence

from media.config.pattern import ALPHABET, Word

EVERYTHING = (Word((), True),)


def left_over(wanted: Sequence[Word], covers: Sequence[Word]) -> str | None:
    """Return a number of the wanted words that no cover takes, or None when all are covered.

    Args:
        wanted: the words that should be covered; empty stands for every number.
        covers: the words that cover; empty covers nothing.
    """
    for each in wanted or EVERYTHING:
        found = _left_over(each, list(covers), 0)
        if found is not None:
            return found
    return None


def _left_over(word: Word, covers: list[Word], at: int) -> str | None:
    if any(each.open and len(each.sets) <= at for each in covers):
        return None
    ended = at >= len(word.sets)
    if ended and not any(len(each.sets) == at for each in covers):
        return ""  # the word may end here, and nothing that ends here covers it
    if ended and not word.open:
        return None
    characters = word.sets[at] if not ended else ALPHABET
    takers: dict[str, list[Word]] = {}
    for each in covers:
        if len(each.sets) > at:
            for char in each.sets[at] & characters:
                takers.setdefault(char, []).append(each)
    free = characters - takers.keys()
    if free:
        return min(free, key=plainness) + _shortest(word, at + 1)
    tried: set[tuple[int, ...]] = set()
    for char in sorted(characters, key=plainness):
        key = tuple(map(id, takers[char]))
        if key not in tried:
            tried.add(key)
            found = _left_over(word, takers[char], at + 1)
            if found is not None:
                return char + found
    return None


def common(first: Sequence[Word], second: Sequence[Word]) -> str | None:
    """Return a number that both take, or None when they share none; empty takes every number."""
    for one in first or EVERYTHING:
        for other in second or EVERYTHING:
            found = _common(one, other)
            if found is not None:
                return found
    return None


def _common(one: Word, other: Word) -> str | None:
    short, long = (one, other) if len(one.sets) <= len(other.sets) else (other, one)
    if len(short.sets) < len(long.sets) and not short.open:
        return None
    number = []
    for at, chars in enumerate(long.sets):
        both = chars & short.sets[at] if at < len(short.sets) else chars
        if not both:
            return None
        number.append(min(both, key=plainness))
    return "".join(number)


def example(words: Sequence[Word]) -> str:
    """Return the shortest number of the first word, a readable one."""
    return _shortest((words or EVERYTHING)[0], 0)


def _shortest(word: Word, at: int) -> str:
    return "".join(min(each, key=plainness) for each in word.sets[at:])


def plainness(char: str) -> tuple[int, str]:
    """Order digits first, then plus, letters, and the rest."""
    rank = 0 if char.isdigit() else 1 if char == "+" else 2 if char.isalpha() else 3
    return rank, char
