"""Decide where a caller goes whom a queue could not serve (sans-IO)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from edge.queues.events import GaveUp
from media.config.queues import QueueConfig

TRUNK = " trunk "
"""Stands between a number and the trunk that it goes out over."""
NOBODY = frozenset({GaveUp.FULL, GaveUp.CLOSED, GaveUp.NOBODY_HERE})


class Kind(StrEnum):
    """What follows."""

    AGENT = "agent"
    QUEUE = "queue"
    NUMBER = "number"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    END = "end"


@dataclass(frozen=True, slots=True)
class Fallback:
    """Where the caller goes."""

    kind: Kind
    name: str = ""
    """Queue, or number as ``NUMBER`` or ``NUMBER trunk NAME``."""


AGENT = Fallback(Kind.AGENT)


def after_queue(queue: QueueConfig, reason: GaveUp, visited: Collection[str]) -> Fallback:
    """Return what follows when a queue gives up.

    Args:
        queue: the one that gave up.
        reason: why.
        visited: queues that this caller has been through; none is entered twice.
    """
    text = queue.on_nobody if reason in NOBODY else queue.on_no_answer
    chosen = parse_fallback(text) if text is not None else _of_action(queue)
    return AGENT if chosen.kind is Kind.QUEUE and chosen.name in visited else chosen


def parse_fallback(text: str) -> Fallback:
    """Read ``queue NAME``, ``number NUMBER [trunk NAME]`` or a single word, as it was checked."""
    kind, _, name = text.partition(" ")
    return Fallback(Kind(kind), name.strip())


def _of_action(queue: QueueConfig) -> Fallback:
    action = queue.on_failure
    if action is None or action.agent is not None:
        return AGENT
    if action.queue is not None:
        return Fallback(Kind.QUEUE, action.queue)
    if action.number is not None:
        return to_number(action.number, action.trunk)
    return Fallback(Kind.END)


def to_number(number: str, trunk: str | None) -> Fallback:
    """Return the way to a number, over any trunk where none is named."""
    return Fallback(Kind.NUMBER, f"{number}{TRUNK}{trunk}" if trunk else number)
