"""Order the free members of a queue: whom to ring next.

Every strategy looks at the lowest penalty among the free members only; members with a higher
penalty are rung when nobody below them is free (Asterisk's ``penalty``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Strategy(StrEnum):
    """How a queue chooses among its free members."""

    RING_ALL = "ring_all"
    LONGEST_IDLE = "longest_idle"
    FEWEST_CALLS = "fewest_calls"
    ROUND_ROBIN = "round_robin"
    LINEAR = "linear"
    RANDOM_WEIGHTED = "random_weighted"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A free member as a strategy sees it."""

    name: str
    order: int
    """Place in the queue's list in the YAML, from 0."""
    penalty: int
    weight: int
    idle_since_ns: int
    calls_taken: int


def choose(
    strategy: Strategy,
    candidates: Sequence[Candidate],
    last_rung: int | None,
    dice: random.Random,
) -> list[str]:
    """Return the members to ring at once: one, or all of the tier for ``ring_all``.

    Args:
        strategy: the queue's.
        candidates: every member that may be rung for this caller.
        last_rung: ``order`` of the member this queue rang last (round robin's memory).
        dice: source of chance for ``random_weighted``; seeded by the owner.
    """
    if not candidates:
        return []
    lowest = min(each.penalty for each in candidates)
    tier = sorted((c for c in candidates if c.penalty == lowest), key=lambda c: c.order)
    if strategy is Strategy.RING_ALL:
        return [each.name for each in tier]
    return [_choose_one(strategy, tier, last_rung, dice).name]


def _choose_one(
    strategy: Strategy, tier: list[Candidate], last_rung: int | None, dice: random.Random
) -> Candidate:
    if strategy is Strategy.LONGEST_IDLE:
        return min(tier, key=lambda c: (c.idle_since_ns, c.order))
    if strategy is Strategy.FEWEST_CALLS:
        return min(tier, key=lambda c: (c.calls_taken, c.idle_since_ns, c.order))
    if strategy is Strategy.ROUND_ROBIN and last_rung is not None:
        return next((c for c in tier if c.order > last_rung), tier[0])
    if strategy is Strategy.RANDOM_WEIGHTED:
        return dice.choices(tier, weights=[max(1, c.weight) for c in tier])[0]
    return tier[0]
