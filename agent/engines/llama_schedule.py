"""Decide what goes into the next batch, so that every caller hears a first word soon.

Sans-IO. One decode computes tokens of several calls, but on a CPU every token costs, so who rides
along matters:

| rank | work | rides with |
|---|---|---|
| FIRST | the prompt and first tokens of an urgent answer | other FIRST work only |
| EARLY | the same of an answer nobody waits for yet | other EARLY work |
| LATER | a running answer's later tokens | WORDS and PREFIX chunks |
| WORDS | the caller's words while they are spoken | LATER |
| PREFIX | a persona's prompt | LATER |

Work of a lower rank that has waited ``patience_ns`` is let in all the same: nobody starves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

_MS = 1_000_000


class Rank(IntEnum):
    """Who goes first; a lower number does."""

    FIRST = 0
    EARLY = 1
    LATER = 2
    WORDS = 3
    PREFIX = 4


@dataclass(frozen=True, slots=True)
class Work:
    """What one sequence could compute next."""

    sequence: int
    rank: Rank
    tokens: int
    """How many tokens are ready; 1 for a running answer."""
    served_ns: int
    """When it last got into a batch, or arrived."""


@dataclass(frozen=True, slots=True)
class Slice:
    """How much of one sequence goes into the next batch."""

    sequence: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How large batches are and how long work may wait."""

    urgent_tokens: int = 64
    """Most tokens of a batch while somebody waits for a first word."""
    background_tokens: int = 32
    """Most tokens of a batch otherwise: how long newly arrived urgent work may have to wait."""
    alone_tokens: int = 128
    """The same when a prefix is all there is to do."""
    patience_ns: int = 250 * _MS

    def choose(self, works: Sequence[Work], now_ns: int) -> list[Slice]:
        """Return the next batch.

        Args:
            works: every sequence with something to compute, in any order.
            now_ns: the time.

        Returns:
            At least one token whenever ``works`` is not empty.
        """
        if not works:
            return []
        ordered = sorted(works, key=lambda each: (each.rank, each.served_ns, each.sequence))
        top = ordered[0].rank
        starved = [
            each
            for each in ordered
            if each.rank > top and now_ns - each.served_ns >= self.patience_ns
        ]
        if top <= Rank.EARLY:
            chosen = [each for each in ordered if each.rank == top]
        else:
            chosen, starved = ordered, []
        return self._share(chosen, self._budget(top, works)) + [
            Slice(each.sequence, min(each.tokens, self.background_tokens // 4)) for each in starved
        ]

    def _budget(self, top: Rank, works: Sequence[Work]) -> int:
        if top <= Rank.EARLY:
            return self.urgent_tokens
        if all(each.rank is Rank.PREFIX for each in works):
            return self.alone_tokens
        return self.background_tokens

    def _share(self, chosen: Sequence[Work], budget: int) -> list[Slice]:
        """Fill small wants first and split what remains evenly, longest wait first."""
        slices: list[Slice] = []
        waiting = len(chosen)
        remaining = max(budget, waiting)
        portions: dict[int, int] = {}
        for each in sorted(chosen, key=lambda work: work.tokens):
            portions[each.sequence] = min(each.tokens, remaining // waiting)
            remaining -= portions[each.sequence]
            waiting -= 1
        for each in chosen:
            extra = min(each.tokens - portions[each.sequence], remaining)
            remaining -= extra
            slices.append(Slice(each.sequence, portions[each.sequence] + extra))
        return slices
