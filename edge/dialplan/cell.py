"""Compare what rules ask for apart from numbers: trunk, headers, hours and load.

A cell is a set of calls. A rule's own conditions are one; splitting it along what other rules
name makes smaller ones, each wholly inside or outside of every such rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from media.config.routing import MatchConfig

_MOST_CELLS = 512
_ELSEWHERE = ""
"""Stands for a call over a trunk that is not in the file."""
_FULL = 101
"""Above every load in percent."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Calls that agree in what they are apart from their numbers."""

    trunks: frozenset[str] | None
    """None: every trunk."""
    headers: frozenset[tuple[str, str]]
    open: frozenset[str]
    closed: frozenset[str]
    load_low: int
    load_high: int
    """Load in percent, [low, high)."""

    @classmethod
    def of(cls, match: MatchConfig) -> Cell:
        """Return the cell of a rule's own conditions."""
        return cls(
            trunks=frozenset(match.trunk) or None,
            headers=frozenset((key.lower(), text.lower()) for key, text in match.headers.items()),
            open=frozenset([match.hours] if match.hours else []),
            closed=frozenset([match.outside] if match.outside else []),
            load_low=match.load_at_least or 0,
            load_high=_FULL if match.load_below is None else match.load_below,
        )

    def is_within(self, match: MatchConfig) -> bool:
        """Say whether every call of the cell meets the conditions."""
        if match.trunk and (self.trunks is None or not self.trunks <= set(match.trunk)):
            return False
        ours = dict(self.headers)
        for key, text in match.headers.items():
            if text.strip() == "*":
                if key.lower() not in ours:
                    return False
            elif ours.get(key.lower()) != text.lower():
                return False
        if match.hours is not None and match.hours not in self.open:
            return False
        if match.outside is not None and match.outside not in self.closed:
            return False
        other = Cell.of(match)
        return other.load_low <= self.load_low and self.load_high <= other.load_high

    def touches(self, match: MatchConfig) -> bool:
        """Say whether a call can be in the cell and meet the conditions."""
        if match.trunk and self.trunks is not None and not self.trunks & set(match.trunk):
            return False
        if match.hours in self.closed or match.outside in self.open:
            return False
        ours = dict(self.headers)
        for key, text in match.headers.items():
            mine = ours.get(key.lower(), text.lower())
            if mine != text.lower() and "*" not in mine + text:
                return False
        other = Cell.of(match)
        return max(self.load_low, other.load_low) < min(self.load_high, other.load_high)

    def split(self, matches: Sequence[MatchConfig], trunks: Sequence[str]) -> Iterator[Cell]:
        """Yield parts of the cell that together are the whole of it.

        Args:
            matches: conditions along which to split; too many parts, and it stays whole.
            trunks: names of all trunks.
        """
        names = {each.hours for each in matches} | {each.outside for each in matches}
        hours = sorted(each for each in names if each and each not in self.open | self.closed)
        over: list[frozenset[str] | None] = [self.trunks]
        if any(each.trunk for each in matches):
            every = self.trunks if self.trunks is not None else {*trunks, _ELSEWHERE}
            over = [frozenset([each]) for each in sorted(every)]
        edges = {self.load_low, self.load_high}
        edges |= {each.load_at_least for each in matches if each.load_at_least is not None}
        edges |= {each.load_below for each in matches if each.load_below is not None}
        loads = list(
            itertools.pairwise(
                sorted(each for each in edges if self.load_low <= each <= self.load_high)
            )
        )
        if len(over) * len(loads) * 2 ** len(hours) > _MOST_CELLS:
            yield self
            return
        for trunk, (low, high), states in itertools.product(
            over, loads, itertools.product((True, False), repeat=len(hours))
        ):
            opened = {name for name, state in zip(hours, states, strict=True) if state}
            yield replace(
                self,
                trunks=trunk,
                open=self.open | opened,
                closed=self.closed | (set(hours) - opened),
                load_low=low,
                load_high=high,
            )
