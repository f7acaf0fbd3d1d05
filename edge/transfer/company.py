"""Bring a second person into a talk that a caller has with a first one (sans-IO).

The second person's way is a :class:`~edge.transfer.transfer.Transfer` like any other: the floor
names a phone, it rings, the whisper is heard, the key accepts. What is different is who hears whom:

===========  ===================================  =====================  ===========================
state        caller                               first person           second person
===========  ===================================  =====================  ===========================
calling      music (consult), the first           nobody (consult), the  rings, hears the whisper
             person (three-way)                   caller (three-way)
consulting   music                                the second person      the first person
three_way    both                                 both                   both
over         the first person again, or the second one alone: the talk goes on as a transfer of its
             own (see ``complete`` in :mod:`edge.transfer.task`)
===========  ===================================  =====================  ===========================

A second person who cannot be reached, or hangs up, costs nothing: the caller is with the first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge.queues.events import OfferAccepted
from edge.transfer import events as e
from edge.transfer.attempt import MS
from edge.transfer.transfer import Transfer


class CompanyState(StrEnum):
    """See the table above."""

    CALLING = "calling"
    CONSULTING = "consulting"
    THREE_WAY = "three_way"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class HoldCaller:
    """Let the caller hear music and nobody."""


@dataclass(frozen=True, slots=True)
class CallerWithFirst:
    """Let the caller and the first person hear each other and nobody else."""


@dataclass(frozen=True, slots=True)
class Meet:
    """Let the second person and the first hear each other, with the caller or without.

    ``LegsJoined`` or ``JoinFailed`` follows.
    """

    member: str
    with_caller: bool


@dataclass(frozen=True, slots=True)
class TellFirst:
    """Tell the first person that nobody comes."""


CompanyAction = HoldCaller | CallerWithFirst | Meet | TellFirst | e.TransferAction


class Company:
    """The second person's part in a talk.

    Args:
        second: the way to the second person.
        with_caller: three-way from the beginning, else a consultation.
        wait_ms: how long nobody may be free.
    """

    def __init__(self, second: Transfer, with_caller: bool, wait_ms: int) -> None:
        self.second = second
        self.state = CompanyState.CALLING
        self._with_caller = self._met_with_caller = with_caller
        self._wait_ms = wait_ms
        self._give_up_ns: int | None = None

    def start(self, now_ns: int) -> list[CompanyAction]:
        """Begin to look for somebody."""
        self._give_up_ns = now_ns + self._wait_ms * MS
        self.second.start(now_ns)
        return [] if self._with_caller else [HoldCaller()]

    def receive(self, event: e.TransferEvent, now_ns: int) -> list[CompanyAction]:
        """Take an event about the second person and return what is to be done, in order."""
        actions = self._translate(self.second.receive(event, now_ns))
        waits = self.state is CompanyState.CALLING and not self.second.attempts
        if waits and self._give_up_ns is not None and now_ns >= self._give_up_ns:
            actions += [*self.withdraw(now_ns), TellFirst()]
        return actions

    def next_deadline_ns(self) -> int | None:
        """When TimePassed is due."""
        if self.state is CompanyState.CALLING and not self.second.attempts:
            return self._give_up_ns
        return self.second.next_deadline_ns()

    def consult(self) -> list[CompanyAction]:
        """Let the caller wait; the two talk alone."""
        self._with_caller = False
        if self._connected is None:
            return [HoldCaller()]
        self.state = CompanyState.CONSULTING
        return [HoldCaller(), Meet(self._connected, False)]

    def gather(self) -> list[CompanyAction]:
        """Let all three hear each other, the caller and the first person until then."""
        self._with_caller = True
        if self._connected is None:
            return [CallerWithFirst()]
        self.state = CompanyState.THREE_WAY
        return [Meet(self._connected, True)]

    def withdraw(self, now_ns: int) -> list[CompanyAction]:
        """Let the second person go: one who was not reached leaves no outcome, nobody failed."""
        kept: list[CompanyAction] = []
        for action in self.second.receive(e.Cancelled(), now_ns):
            match action:
                case e.BackToAgent() | e.AttemptEnded(outcome=e.Outcome.FAILED):
                    pass
                case _:
                    kept.append(action)
        return [*kept, *self._alone()]

    @property
    def _connected(self) -> str | None:
        connected = self.second.state is e.TransferState.CONNECTED
        return self.second.chosen if connected else None

    def _alone(self) -> list[CompanyAction]:
        self.state = CompanyState.OVER
        return [CallerWithFirst()]

    def _translate(self, actions: list[e.TransferAction]) -> list[CompanyAction]:
        wanted: list[CompanyAction] = []
        for action in actions:
            match action:
                case e.PlayMusic():
                    pass
                case e.JoinLegs(member=member):
                    self._met_with_caller = self._with_caller
                    wanted.append(Meet(member, self._with_caller))
                case e.TellFloor(event=OfferAccepted(member=member)):
                    together = self._with_caller
                    self.state = CompanyState.THREE_WAY if together else CompanyState.CONSULTING
                    wanted.append(action)
                    if together and not self._met_with_caller:
                        wanted.append(Meet(member, True))
                case e.BackToAgent() | e.EndCall():
                    wanted += self._alone()
                    if isinstance(action, e.BackToAgent):
                        wanted.append(TellFirst())
                case _:
                    wanted.append(action)
        return wanted
