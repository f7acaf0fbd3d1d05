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
            headers=frozenset(
                (key.lower(), text.strip().lower()) for key, text in match.headers.items()
            ),
            open=frozenset([match.hours] if match.hours else []),
            closed=frozenset([match.outside] if match.outside else []),
            load_low=match.load_at_least or 0,
            load_high=_FULL if match.load_below is None else match.load_below,
        )

    def is_within(self, other: Cell) -> bool:
        """Say whether every call of the cell is one of the other."""
        if other.trunks is not None and (self.trunks is None or not self.trunks <= other.trunks):
            return False
        if not (other.open <= self.open and other.closed <= self.closed):
            return False
        if other.headers:
            ours = dict(self.headers)
            for key, text in other.headers:
                if key not in ours or (text != "*" and ours[key] != text):
                    return False
        return other.load_low <= self.load_low and self.load_high <= other.load_high

    def touches(self, other: Cell) -> bool:
        """Say whether a call can be in both."""
        if self.trunks is not None and other.trunks is not None and not self.trunks & other.trunks:
            return False
        if other.open & self.closed or other.closed & self.open:
            return False
        ours = dict(self.headers) if other.headers else {}
        for key, text in other.headers:
            mine = ours.get(key, text)
            if mine != text and "*" not in mine + text:
                return False
        return max(self.load_low, other.load_low) < min(self.load_high, other.load_high)

    def split(self, others: Sequence[Cell], trunks: Sequence[str]) -> Iterator[Cell]:
        """Yield parts of the cell that together are the whole of it.

        Args:
            others: cells along which to split; too many parts, and it stays whole.
            trunks: names of all trunks.
        """
        names = {name for each in others for name in each.open | each.closed}
        hours = sorted(names - self.open - self.closed)
        over: list[frozenset[str] | None] = [self.trunks]
        if any(each.trunks is not None for each in others):
            every = self.trunks if self.trunks is not None else {*trunks, _ELSEWHERE}
            over = [frozenset([each]) for each in sorted(every)]
        edges = {self.load_low, self.load_high}
        edges |= {edge for each in others for edge in (each.load_low, each.load_high)}
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
