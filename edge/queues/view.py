"""Describe a floor for clients, and carry out what they ask of it."""

from __future__ import annotations

from edge.queues import events as e
from edge.queues.floor import Floor
from edge.queues.members import SECOND_NS, Waiting
from edge.queues.messages import (
    ChangeDuty,
    Duty,
    PersonView,
    QueueStatus,
    QueueView,
    WaitingView,
)
from media.config.model import Config
from media.messages import CallId


def view(
    floor: Floor,
    config: Config,
    is_open: dict[str, bool],
    callers: dict[str, str],
    now_ns: int,
) -> QueueStatus:
    """Return every queue and person as they are now.

    Args:
        floor: the present state.
        config: for phones.
        is_open: queues by name.
        callers: numbers by ticket.
        now_ns: monotonic.
    """
    queues = []
    for name, rules in floor.queues.items():
        score = floor.scores[name]
        line = [each for each in floor.line if each.rules.name == name]
        queues.append(
            QueueView(
                name,
                is_open.get(name, True),
                str(rules.strategy),
                tuple(seat.member for seat in rules.seats),
                tuple(
                    _waiting(floor, each, at, callers.get(each.ticket, ""), now_ns)
                    for at, each in enumerate(line, 1)
                ),
                score.offered,
                score.answered,
                score.abandoned,
                score.sent_back,
                score.service_level,
                rules.service_level_ns / SECOND_NS,
                score.mean_wait_s,
            )
        )
    people = tuple(person_view(floor, config, name, now_ns) for name in floor.members)
    return QueueStatus(tuple(queues), people)


def duty_event(change: ChangeDuty) -> e.FloorEvent:
    """Return what the floor is to be told."""
    match change.duty:
        case Duty.JOIN | Duty.LEAVE:
            return e.MemberLoggedIn(change.person, change.duty is Duty.JOIN)
        case Duty.PAUSE | Duty.UNPAUSE:
            return e.MemberPaused(change.person, change.duty is Duty.PAUSE)
        case Duty.WRAP_UP:
            return e.WrapUpSet(change.person, change.seconds)


def _waiting(floor: Floor, caller: Waiting, position: int, number: str, now_ns: int) -> WaitingView:
    return WaitingView(
        CallId(caller.ticket.partition("/")[0]),
        position,
        (now_ns - caller.joined_ns) // SECOND_NS,
        tuple(sorted(caller.offers)),
        floor.expected_wait_s(caller.ticket),
        number,
    )


def person_view(floor: Floor, config: Config, name: str, now_ns: int) -> PersonView:
    """Return one person as they are now; who is on the floor no longer has no phone."""
    member = floor.members[name]
    phone = config.people[name].phone if name in config.people else ""
    state, left_ns, since_ns = str(member.activity), 0, member.since_ns
    off = "off_duty" if not member.online else "paused" if member.paused else ""
    busy = member.activity is e.Activity.BUSY
    wrap_up_ns = member.wrap_up_ns if busy else member.next_wrap_up_ns
    if member.activity is e.Activity.WRAP_UP:
        left_ns = member.wrap_up_until_ns - now_ns
    elif member.activity is e.Activity.IDLE:
        since_ns = max(since_ns, member.duty_ns)
        state = off or state
        if not off and now_ns < member.rest_until_ns:
            state, left_ns = "resting", member.rest_until_ns - now_ns
    return PersonView(
        member.name,
        phone,
        state,
        (now_ns - since_ns) // SECOND_NS,
        member.calls_taken,
        -(-left_ns // SECOND_NS) if left_ns > 0 else None,
        member.queue,
        (member.ticket or "").partition("/")[0],
        off if off != state else "",
        wrap_up_ns // SECOND_NS if wrap_up_ns is not None else None,
    )
