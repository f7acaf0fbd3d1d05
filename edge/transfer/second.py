"""Live the second person's part in a talk: their phone, and who hears whom (asyncio shell)."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from edge.queues.desk import QueueDesk
from edge.transfer import company as c
from edge.transfer import events as e
from edge.transfer.audio import TransferAudio
from edge.transfer.order import Order
from edge.transfer.phones import Phones
from media import RemoteError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Talk:
    """What the talk lends to its second person."""

    order: Order
    """The caller's."""
    first: str
    """The person who asks."""
    music: str | None
    nobody_said: str
    audio: TransferAudio
    phones: Phones
    desk: QueueDesk
    spawn: Callable[[Coroutine[Any, Any, object]], None]
    post: Callable[[str, e.TransferEvent], None]
    """Hand over news about a ticket."""
    carry_out: Callable[[e.TransferAction], None]
    """Do what every transfer does: dial, whisper, record."""
    tell: Callable[[str], None]
    """Publish where the talk is."""


class SecondPerson:
    """Somebody who is looked for, or has come.

    Args:
        company: decides.
        queue: whose people are asked.
        talk: the talk's.
    """

    def __init__(self, company: c.Company, queue: str, talk: Talk) -> None:
        self.company = company
        self.queue = queue
        self._talk = talk
        self._left = False

    @property
    def ticket(self) -> str:
        """Return the second person's ticket on the floor."""
        return self.company.second.ticket

    @property
    def caller(self) -> str:
        """Return the caller's number, for the wallboard."""
        return self._talk.order.caller

    def start(self, only: str) -> None:
        """Begin to look for anybody, or for the one named."""
        self._do(self.company.start(time.monotonic_ns()))
        self._talk.tell(str(self.company.state))
        self._talk.desk.join(self.ticket, self.queue, self, only)

    def post(self, event: e.TransferEvent) -> None:
        """Take what the floor decided."""
        self._talk.post(self.ticket, event)

    def announce(self, position: int, expected_wait_s: int | None) -> None:
        """Nothing: nobody waits in line for it."""

    def owns(self, event: e.TransferEvent) -> bool:
        """Say whether an event is about the second person's phone."""
        return getattr(event, "member", None) in self.company.second.attempts

    def receive(self, event: e.TransferEvent) -> None:
        """Feed an event."""
        self._do(self.company.receive(event, time.monotonic_ns()))

    def consult(self) -> None:
        """Let the caller wait."""
        self._do(self.company.consult())

    def gather(self) -> None:
        """Let all three talk."""
        self._do(self.company.gather())

    def withdraw(self) -> None:
        """Go back to two."""
        self._do(self.company.withdraw(time.monotonic_ns()))

    def leave_audio(self) -> None:
        """Do nothing about the audio any more: the caller or the first person is leaving."""
        self._left = True

    def _do(self, actions: list[c.CompanyAction]) -> None:
        before, talk = self.company.state, self._talk
        for action in actions:
            match action:
                case c.HoldCaller():
                    talk.spawn(talk.audio.hold(talk.music))
                case c.CallerWithFirst():
                    talk.spawn(self._join_caller())
                case c.Meet(member=member, with_caller=with_caller):
                    talk.spawn(self._meet(member, with_caller))
                case c.TellFirst():
                    talk.spawn(self._tell_first())
                case e.SplitLegs():
                    # where the caller is, is the company's to say: nothing is split at media
                    self.post(e.LegsSplit(self.company.state is not c.CompanyState.CALLING))
                case e.TellFloor(event=event):
                    talk.desk.tell(event)  # type: ignore[arg-type] # what TellFloor promises
                case _:
                    talk.carry_out(action)
        if self.company.state is not before:
            talk.tell(str(self.company.state))
        if self.company.state is c.CompanyState.OVER:
            talk.desk.leave(self.ticket)

    async def _join_caller(self) -> None:
        try:
            first = self._talk.phones.stream(self._talk.first)
            if not self._left:
                await self._talk.audio.gather(self._talk.order.stream, first)
        except RemoteError as error:
            log.warning("join_failed", member=self._talk.first, reason=str(error))

    async def _meet(self, member: str, with_caller: bool) -> None:
        talk = self._talk
        try:
            first, second = talk.phones.stream(talk.first), talk.phones.stream(member)
            streams = (talk.order.stream, first, second) if with_caller else (first, second)
            await talk.audio.gather(*streams)
        except RemoteError as error:
            if not self._left:
                log.warning("join_failed", member=member, reason=str(error))
                self.post(e.JoinFailed(str(error)))
            return
        if not self._left:
            self.post(e.LegsJoined())

    async def _tell_first(self) -> None:
        talk = self._talk
        try:
            stream = talk.phones.stream(talk.first)
        except RemoteError:
            return  # who asked has hung up
        await talk.audio.whisper(stream, talk.nobody_said)
