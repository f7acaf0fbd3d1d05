"""Keep what the ranges of rules with the same conditions take between them."""

from __future__ import annotations

from collections.abc import Iterator

from edge.dialplan.cell import Cell
from edge.dialplan.rule import Rule
from edge.dialplan.span_index import Street, street_of
from edge.dialplan.stretches import Stretches
from media.config.pattern import Part, Span
from media.config.routing import MatchConfig

_MOST_STRETCHES = 20_000
"""Of one street and condition; ranges beyond are left out, which only costs the short cut."""
_ANY_CELL = Cell.of(MatchConfig())
_Key = tuple[Cell, tuple[Part, ...]]
"""What rules ask for apart from the called number."""


class RangesAlike:
    """The ranges of some rules by what else these ask for; a short cut, not the whole truth."""

    def __init__(self) -> None:
        self._unions: dict[_Key, dict[Street, Stretches]] = {}
        self._rules: dict[_Key, int] = {}

    def add(self, rule: Rule) -> None:
        """Take the ranges of a rule."""
        ranges = [each for each in rule.called if isinstance(each, Span) and not each.is_exact]
        if not ranges:
            return
        key = (rule.cell, rule.caller)
        unions = self._unions.setdefault(key, {})
        for each in ranges:
            union = unions.setdefault(street_of(each.low), Stretches())
            if len(union) < _MOST_STRETCHES:
                union.add(int(each.low), int(each.high))
        self._rules[key] = self._rules.get(key, 0) | 1 << rule.index

    def taking(self, rule: Rule) -> int:
        """Return rules alike whose ranges together take all calls of a rule, else nothing."""
        spans = [each for each in rule.called if isinstance(each, Span)]
        if not spans or len(spans) < len(rule.called):
            return 0
        for key in _wider(rule):
            unions = self._unions.get(key)
            if unions and all(
                (union := unions.get(street_of(each.low))) is not None
                and union.holds(int(each.low), int(each.high))
                for each in spans
            ):
                return self._rules[key]
        return 0


def _wider(rule: Rule) -> Iterator[_Key]:
    """Yield conditions that every call of a rule fulfils."""
    yield rule.cell, rule.caller
    yield rule.cell, ()
    yield _ANY_CELL, rule.caller
    yield _ANY_CELL, ()
