"""Turn the configuration's people and queues into the floor's members and rules."""

from __future__ import annotations

import random

from edge.queues.floor import Floor
from edge.queues.members import SECOND_NS, Member, QueueRules, Seat
from edge.queues.score import Score
from edge.queues.strategy import Strategy
from media.config.model import Config
from media.config.queues import PersonConfig, QueueConfig


def build_floor(config: Config, dice: random.Random) -> Floor:
    """Return the floor of a configuration, everybody idle.

    Args:
        config: loaded.
        dice: source of chance for ``random_weighted``.
    """
    members = [_member(name, each) for name, each in config.people.items()]
    rules = [queue_rules(name, each) for name, each in config.queues.items()]
    return Floor(rules, members, dice, rest_ns=_rest_ns(config))


def change_floor(floor: Floor, config: Config) -> None:
    """Go by a changed configuration; callers and people keep what they are in the middle of.

    Whoever waits in a queue that is gone is sent back when the floor next looks at it, a phone that
    rings for them first rings out. A person who is gone stays until they are free. Duty and figures
    of those who stay are kept.

    Args:
        floor: in use; to be given its next event at once.
        config: loaded.
    """
    seats = {name: rules.seats for name, rules in floor.queues.items()}
    floor.queues = {name: queue_rules(name, each) for name, each in config.queues.items()}
    floor.rest_ns = _rest_ns(config)
    for name, rules in floor.queues.items():
        score = floor.scores.setdefault(name, Score(rules.service_level_ns))
        score.service_level_ns = rules.service_level_ns
        last = floor.last_rung.pop(name, None)
        if last is not None and name in seats:
            floor.last_rung[name] = _same_place(seats[name], last, rules.seats)
    for caller in floor.waiting.values():
        caller.rules = floor.queues.get(caller.rules.name, caller.rules)
    for name, person in config.people.items():
        member = floor.members.setdefault(name, _member(name, person))
        member.skills = frozenset(person.skills)
    floor.leaving = set(floor.members) - set(config.people)


def _same_place(old: tuple[Seat, ...], place: int, new: tuple[Seat, ...]) -> int:
    """Return where the one rung last sits now, or sat, so that the next in turn is rung."""
    names = [each.member for each in new]
    for seat in reversed(old[: place + 1]):
        if seat.member in names:
            return names.index(seat.member)
    return len(names) - 1


def _member(name: str, person: PersonConfig) -> Member:
    return Member(name, frozenset(person.skills), online=person.on_duty)


def _rest_ns(config: Config) -> int:
    rest_s = max((each.rest_s for each in config.queues.values()), default=0.0)
    return int(rest_s * SECOND_NS)


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
