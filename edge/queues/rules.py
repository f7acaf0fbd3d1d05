"""Turn the configuration's people and queues into the floor's members and rules."""

from __future__ import annotations

import random

from edge.queues.floor import Floor
from edge.queues.members import SECOND_NS, Member, QueueRules, Seat
from edge.queues.strategy import Strategy
from media.config.model import Config
from media.config.queues import QueueConfig


def build_floor(config: Config, dice: random.Random) -> Floor:
    """Return the floor of a configuration, everybody idle.

    Args:
        config: loaded.
        dice: source of chance for ``random_weighted``.
    """
    members = [
        Member(name, frozenset(each.skills), online=each.on_duty)
        for name, each in config.people.items()
    ]
    rest_s = max((each.rest_s for each in config.queues.values()), default=0.0)
    rules = [queue_rules(name, each) for name, each in config.queues.items()]
    return Floor(rules, members, dice, rest_ns=int(rest_s * SECOND_NS))


def queue_rules(name: str, queue: QueueConfig) -> QueueRules:
    """Return what the floor needs to know of a queue."""
    return QueueRules(
        name=name,
        seats=tuple(
            Seat(member, seat.penalty, seat.weight) for member, seat in queue.members.items()
        ),
        strategy=Strategy(queue.strategy.value),
        ring_timeout_ms=int(queue.ring_timeout_s * 1_000),
        wrap_up_ns=queue.wrap_up_s * SECOND_NS,
        max_waiting=queue.max_callers,
        max_wait_ns=int(queue.max_wait_s * SECOND_NS),
        max_rounds=queue.rounds,
        retry_ns=int(queue.retry_s * SECOND_NS),
        announce_ns=queue.announce.every_s * SECOND_NS,
        service_level_ns=int(queue.service_level_s * SECOND_NS),
    )
