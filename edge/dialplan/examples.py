"""Make example calls of a rule: few of them, unlike each other."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from edge.dialplan.cell import Cell
from edge.dialplan.condition_index import ConditionIndex
from media.config.pattern import DIGITS, Part, Span

_ELSEWHERE = ""
"""A trunk that no rule names."""
_PARTS = 6
_TRUNKS = 4
_LONGER = "00000000000000000000"


def example_numbers(parts: Sequence[Part], seed: int) -> list[str]:
    """Return numbers of some parts: from the middle, both ends, and longer than most.

    Args:
        parts: not empty.
        seed: which of the middle.
    """
    found: list[str] = []
    few = parts if len(parts) <= _PARTS else (*parts[: _PARTS // 2], *parts[-_PARTS // 2 :])
    for part in few:
        if isinstance(part, Span):
            found += _of_span(part, seed)
            continue
        rows = [_sorted(each) for each in part.sets]
        middle = "".join([row[(seed * 7 + at * 3) % len(row)] for at, row in enumerate(rows)])
        found += [middle + _LONGER, middle] if part.open else [middle]
        if part is parts[0]:
            found.append("".join([row[0] for row in rows]))
        if part is parts[-1]:
            found.append("".join([row[-1] for row in rows]))
    return list(dict.fromkeys(found))


def _of_span(span: Span, seed: int) -> list[str]:
    if span.is_exact:
        return [span.low]
    plus, digits = span.low[: span.low.startswith("+")], len(span.low)
    low, high = int(span.low), int(span.high)
    inside = low + (high - low) * (seed % 7 + 1) // 8
    return [span.low, span.high, f"{plus}{inside:0{digits - len(plus)}}"]


def others_at(cell: Cell, conditions: ConditionIndex) -> Iterator[int]:
    """Yield, for calls that differ in trunk, hours and load, which rules are not ruled out."""
    headers = {name: text.replace("*", "~") for name, text in cell.headers}
    trunks = sorted(cell.trunks)[:_TRUNKS] if cell.trunks is not None else [_ELSEWHERE]
    for rest_open in (False, True):
        hours = conditions.at_hours(cell.open, cell.closed, rest_open=rest_open)
        for trunk in trunks:
            for percent in (cell.load_low, cell.load_high - 1):
                yield hours & conditions.point(trunk, percent, headers)


@functools.lru_cache(maxsize=4_096)
def _sorted(chars: frozenset[str]) -> list[str]:
    return sorted(chars & DIGITS or chars)
