"""Decide on sets of numbers: whether some patterns take everything that another takes.

A word is a row of character sets, so the questions are answered exactly, character by character,
stopping at the first number that is left over. Single spans are compared by their ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from media.config.pattern import ALPHABET, Part, Span, Word, words_of

EVERYTHING = (Word((), True),)


def left_over(wanted: Sequence[Part], covers: Sequence[Part]) -> str | None:
    """Return a number of the wanted parts that no cover takes, or None when all are covered.

    Args:
        wanted: the parts that should be covered; empty stands for every number.
        covers: the parts that cover; empty covers nothing.
    """
    if (spans := _single_spans(wanted, covers)) is not None:
        one, other = spans
        inside = len(one.low) == len(other.low) and other.low <= one.low <= other.high
        if inside and one.high <= other.high:
            return None
        return one.high if inside else one.low
    words = words_of(covers)
    for each in words_of(wanted or EVERYTHING):
        found = _left_over(each, words, 0)
        if found is not None:
            return found
    return None


def _left_over(word: Word, covers: Sequence[Word], at: int) -> str | None:
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


def common(first: Sequence[Part], second: Sequence[Part]) -> str | None:
    """Return a number that both take, or None when they share none; empty takes every number."""
    if (spans := _single_spans(first, second)) is not None:
        one, other = spans
        low = max(one.low, other.low)
        return low if len(one.low) == len(other.low) and low <= min(one.high, other.high) else None
    theirs = words_of(second or EVERYTHING)
    for mine in words_of(first or EVERYTHING):
        for word in theirs:
            found = _common(mine, word)
            if found is not None:
                return found
    return None


def _single_spans(first: Sequence[Part], second: Sequence[Part]) -> tuple[Span, Span] | None:
    if len(first) == len(second) == 1:
        (one,), (other,) = first, second
        if isinstance(one, Span) and isinstance(other, Span):
            return one, other
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


def example(parts: Sequence[Part]) -> str:
    """Return the shortest number of the first part, a readable one."""
    first = (parts or EVERYTHING)[0]
    return first.low if isinstance(first, Span) else _shortest(first, 0)


def _shortest(word: Word, at: int) -> str:
    return "".join(min(each, key=plainness) for each in word.sets[at:])


def plainness(char: str) -> tuple[int, str]:
    """Order digits first, then plus, letters, and the rest."""
    rank = 0 if char.isdigit() else 1 if char == "+" else 2 if char.isalpha() else 3
    return rank, char
