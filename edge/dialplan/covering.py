"""Find a number that none of some rules takes, by the bits of an index and the unions of spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge.dialplan.coverage import plainness
from edge.dialplan.number_index import NumberIndex
from edge.dialplan.span_index import Street, is_of_digits, street_of, stretch_of
from edge.dialplan.stretches import Stretches
from media.config.pattern import ALPHABET, DIGITS, Part, Span, Word

Spender = Callable[[int], None]
"""Takes steps of work; raises StepsSpentError when there were too many."""
_Covers = tuple[tuple[int, ...], tuple[Word, ...]]
"""Rules by layer, and the words that are in no layer."""
_Unions = Mapping[Street, Stretches]
"""What spans take, where words that are looked at have numbers."""


class StepsSpentError(Exception):
    """The question was given up on."""


class Covering:
    """Asks what is left over of parts.

    Args:
        index: of the rules that cover.
        spend: told of each step.
    """

    def __init__(self, index: NumberIndex, spend: Spender) -> None:
        self._index = index
        self._spend = spend

    def left_over(self, wanted: Sequence[Part], rules: int) -> str | None:
        """Return a number of the wanted parts that no rule takes, None when all are taken."""
        index = self._index
        if rules & index.every:
            return None
        covers = (
            tuple(rules & layer.members for layer in index.words.layers),
            tuple(index.words.singles_of(rules)),
        )
        for part in wanted:
            found = (
                self._left_of_word(part, covers, rules)
                if isinstance(part, Word)
                else self._left_of_span(part, covers, rules)
            )
            if found is not None:
                return found
        return None

    def _left_of_span(self, span: Span, covers: _Covers, rules: int) -> str | None:
        if span.is_exact:
            self._spend(1)
            return None if self._index.point(span.low, rules) else span.low
        street = street_of(span.low)
        plus, length = "+" * street[0], street[1] - street[0]
        union = self._index.union(street, rules, self._spend)
        for low, high in union.gaps(int(span.low), int(span.high)):
            self._spend(1)
            gap = Span(f"{plus}{low:0{length}}", f"{plus}{high:0{length}}")
            if not any(covers[0]) and not covers[1]:
                return gap.low
            for word in gap.words():
                found = self._left_over(word, covers, "", {}, set())
                if found is not None:
                    return found
        return None

    def _left_of_word(self, word: Word, covers: _Covers, rules: int) -> str | None:
        unions = {
            street: union
            for street in self._index.spans.lines
            if stretch_of(word, street) and (union := self._index.union(street, rules, self._spend))
        }
        return self._left_over(word, covers, "", unions, set())

    def _left_over(
        self,
        word: Word,
        covers: _Covers,
        begin: str,
        unions: _Unions,
        done: set[tuple[object, ...]],
    ) -> str | None:
        """Go on from how a number begins; ``done`` holds what was found to be covered."""
        at = len(begin)
        self._spend(1 + len(covers[1]) // 64)
        if self._any_open(covers, at):
            return None
        ended = at >= len(word.sets)
        if ended and not self._any_closed(covers, at) and not _holds(unions, begin, at):
            return ""
        if ended and not word.open:
            return None
        if unions and is_of_digits(word, at) and _holds(unions, begin, len(word.sets)):
            return None
        singles = _by_character(covers[1], at)
        for char in sorted(ALPHABET if ended else word.sets[at], key=plainness):
            takers = (self._taking(covers, at, char), tuple(singles.get(char, ())))
            near = _touched(unions, begin + char)
            key = (at, *takers[0], *map(id, takers[1]), begin + char if near else "")
            if key in done:
                continue
            found = self._left_over(word, takers, begin + char, near, done)
            if found is not None:
                return char + found
            done.add(key)
        return None

    def _any_open(self, covers: _Covers, at: int) -> bool:
        return any(
            rules & layer.opened[min(at, layer.longest)]
            for layer, rules in zip(self._index.words.layers, covers[0], strict=True)
            if rules
        ) or any(each.open and len(each.sets) <= at for each in covers[1])

    def _any_closed(self, covers: _Covers, at: int) -> bool:
        return any(
            rules & layer.closed[at]
            for layer, rules in zip(self._index.words.layers, covers[0], strict=True)
            if rules and at <= layer.longest
        ) or any(len(each.sets) == at for each in covers[1])

    def _taking(self, covers: _Covers, at: int, char: str) -> tuple[int, ...]:
        """Return the covers whose next character can be this one; none of them is open yet."""
        return tuple(
            rules & layer.chars[at].get(char, 0) if rules and at < layer.longest else 0
            for layer, rules in zip(self._index.words.layers, covers[0], strict=True)
        )


def _holds(unions: _Unions, begin: str, length: int) -> bool:
    """Say whether spans take all numbers of digits that begin so and have a length."""
    digits = begin.removeprefix("+")
    union = unions.get((begin.startswith("+"), length)) if digits else None
    more = length - len(begin)
    return union is not None and union.holds(int(digits + "0" * more), int(digits + "9" * more))


def _touched(unions: _Unions, begin: str) -> _Unions:
    """Return the unions that have a number that begins so."""
    if not unions or (begin[-1] not in DIGITS and begin != "+"):
        return {}
    plus, digits = begin.startswith("+"), begin.removeprefix("+")
    found = {}
    for street, union in unions.items():
        more = street[1] - len(begin)
        if street[0] == plus and more >= 0:
            low, high = int((digits or "0") + "0" * more), int(digits + "9" * more or "0")
            if union.touches(low, high):
                found[street] = union
    return found


def _by_character(words: Sequence[Word], at: int) -> dict[str, list[Word]]:
    found: dict[str, list[Word]] = {}
    for each in words:
        for char in each.sets[at] if len(each.sets) > at else ():
            found.setdefault(char, []).append(each)
    return found
