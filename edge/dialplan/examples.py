"""Make example calls of a rule: few of them, unlike each other."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from edge.dialplan.cell import Cell
from edge.dialplan.condition_index import ConditionIndex
from edge.dialplan.rule import Rule
from media.config.pattern import DIGITS, Word

_NOBODY = "anonymous"
_ELSEWHERE = ""
"""A trunk that no rule names."""
_WORDS = 6
_CALLERS = 2
_TRUNKS = 4
_MOST = 32
_LONGER = "00000000000000000000"


@dataclass(frozen=True, slots=True)
class Example:
    """One call that a rule takes."""

    called: str
    caller: str
    trunk: str
    percent: int
    headers: dict[str, str]
    cell: Cell
    rest_open: bool
    """Whether the hours that the rule does not speak of are open."""

    def others(self, conditions: ConditionIndex) -> int:
        """Return the rules that this call's trunk, load, headers and hours do not rule out."""
        hours = conditions.at_hours(self.cell.open, self.cell.closed, rest_open=self.rest_open)
        return hours & conditions.point(self.trunk, self.percent, self.headers)


def examples(rule: Rule) -> Iterator[Example]:
    """Yield calls that the rule takes, if no earlier one does."""
    return islice(_examples(rule), _MOST)


def _examples(rule: Rule) -> Iterator[Example]:
    cell = rule.cell
    headers = {name: text.replace("*", "~") for name, text in cell.headers}
    called = _numbers(rule.called, rule.index)
    callers = _numbers(rule.caller, rule.index)[:_CALLERS] or [_NOBODY]
    trunks = sorted(cell.trunks)[:_TRUNKS] if cell.trunks is not None else [_ELSEWHERE]
    for number in called or ["100", "+4930123456789"]:
        for caller in callers:
            for trunk in trunks:
                for rest_open in (False, True):
                    for percent in (cell.load_low, cell.load_high - 1):
                        yield Example(number, caller, trunk, percent, headers, cell, rest_open)


def _numbers(words: Sequence[Word], seed: int) -> list[str]:
    """Return numbers of the first words: something from the middle, both ends, and longer ones."""
    found: list[str] = []
    for word in words if len(words) <= _WORDS else (*words[:_WORDS // 2], *words[-_WORDS // 2 :]):
        rows = [_sorted(each) for each in word.sets]
        middle = "".join(row[(seed * 7 + at * 3) % len(row)] for at, row in enumerate(rows))
        first, last = "".join(row[0] for row in rows), "".join(row[-1] for row in rows)
        found += [middle + _LONGER, middle] if word.open else [middle]
        found += [last, first]
    return list(dict.fromkeys(found))


@functools.lru_cache(maxsize=4_096)
def _sorted(chars: frozenset[str]) -> list[str]:
    return sorted(chars & DIGITS or chars)
