"""Match waiting callers with free members, over all queues at once (sans-IO).

A member belongs to any number of queues but takes one call at a time, so one :class:`Floor` holds
every member and every queue. A member is *available* when logged in, not paused, IDLE and rested:

=========  ==============================  ===========================================
activity   becomes                         when
=========  ==============================  ===========================================
IDLE       RINGING                         a caller is offered to it
RINGING    BUSY                            it accepts
RINGING    IDLE                            it declines, is busy, does not answer (it then
                                           rests ``rest_ns``), or the caller is gone
BUSY       WRAP_UP (IDLE where it is 0)    the talk is over
WRAP_UP    IDLE                            wrap-up is over
=========  ==============================  ===========================================

Two callers are never offered the same member: an offer makes it RINGING in the same step. Callers
are served by priority, then by their time of arrival, over all queues.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from edge.queues.events import (
    Activity,
    Announce,
    CallerJoined,
    CallerLeft,
    DeadlinePassed,
    FloorAction,
    FloorEvent,
    GaveUp,
    MemberLoggedIn,
    MemberPaused,
    OfferAccepted,
    OfferEnded,
    OfferPickedUp,
    OfferResult,
    Ring,
    SendBack,
    StopRinging,
    TalkEnded,
    WrapUpSet,
)
from edge.queues.members import SECOND_NS, Member, QueueRules, Waiting
from edge.queues.score import Score
from edge.queues.strategy import Candidate, choose
from media import LocalError


class FloorError(LocalError):
    """An event names a member, queue or ticket that the floor does not know."""


class Floor:
    """Every queue, member and waiting caller.

    Args:
        queues: the rules of each queue.
        members: every member named by a seat, logged in or not.
        dice: source of chance for ``random_weighted``.
        rest_ns: how long a member is left alone after it was busy or did not answer.
    """

    def __init__(
        self,
        queues: Iterable[QueueRules],
        members: Iterable[Member],
        dice: random.Random,
        rest_ns: int = 5 * SECOND_NS,
    ) -> None:
        self.queues = {each.name: each for each in queues}
        self.members = {each.name: each for each in members}
        self.scores = {name: Score(rules.service_level_ns) for name, rules in self.queues.items()}
        self.waiting: dict[str, Waiting] = {}
        self.rest_ns = rest_ns
        self.last_rung: dict[str, int] = {}
        """By queue: the seat that was rung last."""
        self.leaving: set[str] = set()
        """Members that are on the floor no longer once they are free."""
        self._dice = dice
        self._arrivals = 0
        for rules in self.queues.values():
            for seat in rules.seats:
                self._member(seat.member)

    def receive(self, event: FloorEvent, now_ns: int) -> list[FloorAction]:
        """Take one event and return what is to be done.

        Raises:
            FloorError: the event names something unknown.
        """
        actions = self._apply(event, now_ns)
        actions += self._expire(now_ns)
        actions += self._offer(now_ns)
        for name in [each for each in self.leaving if not self.members[each].occupied]:
            self.leaving.discard(name)
            del self.members[name]
        return actions

    def next_deadline_ns(self) -> int | None:
        """When DeadlinePassed is due, None while nothing is pending."""
        times = [
            m.wrap_up_until_ns for m in self.members.values() if m.activity is Activity.WRAP_UP
        ]
        if self.waiting:
            times += [m.rest_until_ns for m in self.members.values() if m.rest_until_ns]
        for each in self.waiting.values():
            if not each.offers:
                times.append(each.joined_ns + each.rules.max_wait_ns)
                times += [each.next_round_ns] if each.next_round_ns else []
                times += [each.announce_ns] if each.rules.announce_ns else []
        return min(times, default=None)

    def position(self, ticket: str) -> int:
        """Return the caller's place among those of its queue, from 1."""
        queue = self._waiting(ticket).rules.name
        line = [each.ticket for each in self.line if each.rules.name == queue]
        return line.index(ticket) + 1

    def expected_wait_s(self, ticket: str) -> int | None:
        """Estimate the wait still to come, from what calls of this queue lately took."""
        rules = self._waiting(ticket).rules
        here = sum(1 for seat in rules.seats if self._present(seat.member))
        return self.scores[rules.name].expected_wait_s(self.position(ticket), here)

    @property
    def line(self) -> list[Waiting]:
        """Callers in the order in which they are served, over all queues."""
        return sorted(self.waiting.values(), key=lambda w: (-w.priority, w.joined_ns, w.number))

    # ------------------------------------------------------------ events

    def _apply(self, event: FloorEvent, now_ns: int) -> list[FloorAction]:
        match event:
            case CallerJoined():
                return self._join(event, now_ns)
            case CallerLeft():
                return self._leave(event.ticket, now_ns)
            case OfferPickedUp():
                return self._pick_up(event, now_ns)
            case OfferAccepted():
                return self._accept(event, now_ns)
            case OfferEnded():
                self._end_offer(event, now_ns)
            case TalkEnded():
                self._end_talk(self._member(event.member), now_ns)
            case MemberLoggedIn(member=name, online=online):
                self._member(name).set_duty(online, self._member(name).paused, now_ns)
            case MemberPaused(member=name, paused=paused):
                self._member(name).set_duty(self._member(name).online, paused, now_ns)
            case WrapUpSet():
                self._member(event.member).set_wrap_up(event.seconds * SECOND_NS, now_ns)
            case DeadlinePassed():
                pass
        return []

    def _join(self, event: CallerJoined, now_ns: int) -> list[FloorAction]:
        rules = self.queues.get(event.queue)
        if rules is None:
            raise FloorError(f"unknown queue {event.queue!r}")
        if event.ticket in self.waiting:
            raise FloorError(f"ticket {event.ticket!r} is waiting already")
        score = self.scores[rules.name]
        score.offered += 1
        refusal: GaveUp | None = None
        if not event.open:
            refusal = GaveUp.CLOSED
        elif sum(1 for w in self.waiting.values() if w.rules is rules) >= rules.max_waiting:
            refusal = GaveUp.FULL
        elif not self._anybody(rules, event.only):
            refusal = GaveUp.NOBODY_HERE
        if refusal is not None:
            score.sent_back += 1
            score.closed += refusal is GaveUp.CLOSED
            return [SendBack(event.ticket, refusal)]
        self._arrivals += 1
        self.waiting[event.ticket] = Waiting(
            event.ticket,
            rules,
            event.priority,
            event.skills,
            now_ns,
            self._arrivals,
            now_ns + rules.announce_ns,
            event.only,
        )
        return []

    def _leave(self, ticket: str, now_ns: int) -> list[FloorAction]:
        caller = self.waiting.pop(ticket, None)
        if caller is None:
            return []
        self.scores[caller.rules.name].abandoned += 1
        return self._release(caller, None, now_ns)

    def _accept(self, event: OfferAccepted, now_ns: int) -> list[FloorAction]:
        caller = self.waiting.get(event.ticket)
        member = self._member(event.member)
        if caller is None or event.member not in caller.offers:
            return []  # lost the race: its StopRinging is already on the way
        del self.waiting[event.ticket]
        caller.offers.discard(event.member)
        self._set(member, Activity.BUSY, now_ns)
        self.scores[caller.rules.name].add_answered(now_ns - caller.joined_ns)
        member.begin_talk(caller.rules)
        return self._release(caller, event.member, now_ns)

    def _pick_up(self, event: OfferPickedUp, now_ns: int) -> list[FloorAction]:
        caller = self.waiting.get(event.ticket)
        if caller is None or event.member not in caller.offers:
            return []
        caller.offers.discard(event.member)
        stops = self._release(caller, event.member, now_ns)
        caller.offers.add(event.member)
        return stops

    def _release(self, caller: Waiting, winner: str | None, now_ns: int) -> list[FloorAction]:
        stops: list[FloorAction] = []
        for name in sorted(caller.offers):
            self._free(self._member(name), now_ns)
            stops.append(StopRinging(caller.ticket, name, answered_elsewhere=winner is not None))
        caller.offers.clear()
        return stops

    def _end_offer(self, event: OfferEnded, now_ns: int) -> None:
        caller = self.waiting.get(event.ticket)
        member = self._member(event.member)
        if caller is None or event.member not in caller.offers:
            return
        caller.offers.discard(event.member)
        caller.tried.add(event.member)
        self._free(member, now_ns)
        if event.result is not OfferResult.DECLINED:
            member.rest_until_ns = now_ns + self.rest_ns

    def _end_talk(self, member: Member, now_ns: int) -> None:
        if member.activity is not Activity.BUSY:
            return
        self.scores[member.queue].add_talk(now_ns - member.since_ns)
        member.idle_since_ns = now_ns
        member.ticket = None
        if member.wrap_up_ns > 0:
            self._set(member, Activity.WRAP_UP, now_ns)
            member.wrap_up_until_ns = now_ns + member.wrap_up_ns
        else:
            self._free(member, now_ns)

    # ------------------------------------------------------------ time

    def _expire(self, now_ns: int) -> list[FloorAction]:
        actions: list[FloorAction] = []
        for member in self.members.values():
            if member.activity is Activity.WRAP_UP and now_ns >= member.wrap_up_until_ns:
                self._free(member, now_ns)
            if member.rest_until_ns and now_ns >= member.rest_until_ns:
                member.rest_until_ns = 0
        for caller in self.line:
            reason = self._give_up(caller, now_ns)
            if reason is not None:
                del self.waiting[caller.ticket]
                self.scores[caller.rules.name].sent_back += 1
                actions += self._release(caller, None, now_ns)
                actions.append(SendBack(caller.ticket, reason))
            elif self._announces(caller, now_ns):
                caller.announce_ns = now_ns + caller.rules.announce_ns
                actions.append(
                    Announce(
                        caller.ticket,
                        self.position(caller.ticket),
                        self.expected_wait_s(caller.ticket),
                    )
                )
        return actions

    @staticmethod
    def _announces(caller: Waiting, now_ns: int) -> bool:
        due = caller.rules.announce_ns and now_ns >= caller.announce_ns
        return bool(due) and not caller.offers

    def _give_up(self, caller: Waiting, now_ns: int) -> GaveUp | None:
        if caller.offers:
            return None  # a phone is ringing: its own time-out comes first
        if caller.rules.name not in self.queues:
            return GaveUp.CLOSED  # a reload has removed it
        if now_ns - caller.joined_ns >= caller.rules.max_wait_ns:
            return GaveUp.MAX_WAIT
        if caller.rounds >= caller.rules.max_rounds:
            return GaveUp.NO_ANSWER
        if not self._anybody(caller.rules, caller.only):
            return GaveUp.NOBODY_HERE
        return None

    # ------------------------------------------------------------ offers

    def _offer(self, now_ns: int) -> list[FloorAction]:
        actions: list[FloorAction] = []
        for caller in self.line:
            if caller.offers:
                continue
            if caller.next_round_ns and now_ns >= caller.next_round_ns:
                caller.tried.clear()
                caller.next_round_ns = 0
            names = self._choose(caller, now_ns)
            for name in names:
                actions.append(self._ring(caller, self._member(name), now_ns))
            if not names and caller.tried and not caller.next_round_ns:
                caller.next_round_ns = now_ns + caller.rules.retry_ns
                caller.rounds += not self._untried(caller)
                if caller.rounds >= caller.rules.max_rounds:
                    actions += self._expire(now_ns)
        return actions

    def _ring(self, caller: Waiting, member: Member, now_ns: int) -> Ring:
        self._set(member, Activity.RINGING, now_ns)
        member.ticket = caller.ticket
        caller.offers.add(member.name)
        return Ring(caller.ticket, member.name, caller.rules.ring_timeout_ms)

    def _choose(self, caller: Waiting, now_ns: int) -> list[str]:
        rules = caller.rules
        candidates = [
            Candidate(
                member.name,
                order,
                seat.penalty,
                seat.weight,
                member.idle_since_ns,
                member.calls_taken,
            )
            for order, seat in enumerate(rules.seats)
            if (member := self.members[seat.member]).available(now_ns)
            and caller.skills <= member.skills
            and member.name not in caller.tried
            and caller.only in ("", member.name)
        ]
        names = choose(rules.strategy, candidates, self.last_rung.get(rules.name), self._dice)
        if names:
            order = {seat.member: place for place, seat in enumerate(rules.seats)}
            self.last_rung[rules.name] = order[names[-1]]
        return names

    def _untried(self, caller: Waiting) -> bool:
        """Whether somebody who could serve this caller has not been tried in this round."""
        return any(
            self._present(seat.member)
            and caller.skills <= self.members[seat.member].skills
            and seat.member not in caller.tried
            and caller.only in ("", seat.member)
            for seat in caller.rules.seats
        )

    # ------------------------------------------------------------ small things

    def _anybody(self, rules: QueueRules, only: str) -> bool:
        """Whether somebody is on duty, or the one who is wanted."""
        return any(self._present(seat.member) for seat in rules.seats if only in ("", seat.member))

    def _present(self, name: str) -> bool:
        member = self._member(name)
        return member.online and not member.paused

    def _member(self, name: str) -> Member:
        try:
            return self.members[name]
        except KeyError:
            raise FloorError(f"unknown member {name!r}") from None

    def _waiting(self, ticket: str) -> Waiting:
        try:
            return self.waiting[ticket]
        except KeyError:
            raise FloorError(f"unknown ticket {ticket!r}") from None

    def _free(self, member: Member, now_ns: int) -> None:
        self._set(member, Activity.IDLE, now_ns)
        member.ticket = None

    @staticmethod
    def _set(member: Member, activity: Activity, now_ns: int) -> None:
        member.activity = activity
        member.since_ns = now_ns
