"""Decide what goes into the next batch, so that every caller hears a first word soon.

Sans-IO. One decode computes tokens of several calls, but on a CPU every token costs, so who rides
along matters:

| rank | work | rides with |
|---|---|---|
| FIRST | the prompt and first tokens of an urgent answer | other FIRST work only |
| EARLY | the same of an answer nobody waits for yet | other EARLY work, LATER |
| LATER | a running answer's later tokens | WORDS and PREFIX chunks |
| WORDS | the caller's words while they are spoken | LATER |
| PREFIX | a persona's prompt | LATER |

Work of a lower rank that has waited ``patience_ns`` is let in all the same: nobody starves.

Prompts of one rank are computed one after the other, not side by side: three that share every batch
would all be done when the last one is. Who came first goes first, but each token still to compute
counts as :data:`TOKEN_NS` of coming later, so that a short one overtakes a long one that has just
begun; a running answer's token is always let in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

_MS = 1_000_000
TOKEN_NS = 5 * _MS
"""About twice what a token of a prompt takes."""
_LEAST_TOKENS = 4
"""So many of each go into a batch in any case: a running answer has no more to compute."""


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
    since_ns: int = 0
    """When it arrived."""


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
        if top > Rank.EARLY:
            return self._share(ordered, self._budget(works))
        last = Rank.LATER if top is Rank.EARLY else top
        chosen = [each for each in ordered if each.rank <= last]
        return self._line_up(chosen) + [
            Slice(each.sequence, min(each.tokens, self.background_tokens // 4))
            for each in starved
            if each.rank > last
        ]

    def _budget(self, works: Sequence[Work]) -> int:
        if all(each.rank is Rank.PREFIX for each in works):
            return self.alone_tokens
        return self.background_tokens

    def _line_up(self, chosen: Sequence[Work]) -> list[Slice]:
        """Give each a little and the rest to who comes first."""
        portions = {each.sequence: min(each.tokens, _LEAST_TOKENS) for each in chosen}
        remaining = self.urgent_tokens - sum(portions.values())
        for each in sorted(chosen, key=lambda work: work.since_ns + work.tokens * TOKEN_NS):
            extra = max(0, min(each.tokens - portions[each.sequence], remaining))
            portions[each.sequence] += extra
            remaining -= extra
        return [Slice(each.sequence, portions[each.sequence]) for each in chosen]

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
