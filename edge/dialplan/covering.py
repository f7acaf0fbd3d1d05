"""Find a number that none of some rules takes, by the bits of an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.dialplan.coverage import plainness
from edge.dialplan.number_index import NumberIndex
from media.config.pattern import ALPHABET, Word

Spender = Callable[[int], None]
"""Takes steps of work; raises StepsSpentError when there were too many."""
_Covers = tuple[tuple[int, ...], tuple[Word, ...]]
"""Rules by layer, and the words that are in no layer."""


class StepsSpentError(Exception):
    """The question was given up on."""


class Covering:
    """Asks what is left over of words.

    Args:
        index: of the rules that cover.
        spend: told of each step.
    """

    def __init__(self, index: NumberIndex, spend: Spender) -> None:
        self._index = index
        self._spend = spend

    def left_over(self, wanted: Sequence[Word], rules: int) -> str | None:
        """Return a number of the wanted words that no rule takes, None when all are taken."""
        index = self._index
        if rules & index.every:
            return None
        covers = (
            tuple(rules & layer.members for layer in index.layers),
            tuple(index.singles_of(rules)),
        )
        for word in wanted:
            found = self._left_over(word, covers, 0, set())
            if found is not None:
                return found
        return None

    def _left_over(
        self, word: Word, covers: _Covers, at: int, done: set[tuple[int, tuple[int, ...]]]
    ) -> str | None:
        """Go on from a position; ``done`` holds what was found to be covered."""
        self._spend(1 + len(covers[1]) // 64)
        if self._any_open(covers, at):
            return None
        ended = at >= len(word.sets)
        if ended and not self._any_closed(covers, at):
            return ""
        if ended and not word.open:
            return None
        singles = _by_character(covers[1], at)
        for char in sorted(ALPHABET if ended else word.sets[at], key=plainness):
            takers = (self._taking(covers, at, char), tuple(singles.get(char, ())))
            key = (at, (*takers[0], *map(id, takers[1])))
            if key in done:
                continue
            found = self._left_over(word, takers, at + 1, done)
            if found is not None:
                return char + found
            done.add(key)
        return None

    def _any_open(self, covers: _Covers, at: int) -> bool:
        return any(
            rules & layer.opened[min(at, layer.longest)]
            for layer, rules in zip(self._index.layers, covers[0], strict=True)
            if rules
        ) or any(each.open and len(each.sets) <= at for each in covers[1])

    def _any_closed(self, covers: _Covers, at: int) -> bool:
        return any(
            rules & layer.closed[at]
            for layer, rules in zip(self._index.layers, covers[0], strict=True)
            if rules and at <= layer.longest
        ) or any(len(each.sets) == at for each in covers[1])

    def _taking(self, covers: _Covers, at: int, char: str) -> tuple[int, ...]:
        """Return the covers whose next character can be this one; none of them is open yet."""
        return tuple(
            rules & layer.chars[at].get(char, 0) if rules and at < layer.longest else 0
            for layer, rules in zip(self._index.layers, covers[0], strict=True)
        )


def _by_character(words: Sequence[Word], at: int) -> dict[str, list[Word]]:
    found: dict[str, list[Word]] = {}
    for each in words:
        for char in each.sets[at] if len(each.sets) > at else ():
            found.setdefault(char, []).append(each)
    return found
