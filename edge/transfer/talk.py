"""Change who takes part in a talk that is joined here: consult, three-way, complete, cancel.

Keys of the person who talks with the caller and ``cordboard queue`` lead here. The second person is
looked for beside the transfer (:mod:`edge.transfer.second`) until the first one leaves; then the
second one's way becomes the transfer.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

from edge.queues.messages import TalkChange
from edge.transfer import events as e
from edge.transfer.audio import TransferAudio
from edge.transfer.company import Company, CompanyState
from edge.transfer.in_call_keys import InCallKeys
from edge.transfer.order import Order, TransferSurroundings
from edge.transfer.phones import Phones
from edge.transfer.rules import second_queue, transfer_rules
from edge.transfer.second import SecondPerson, Talk
from edge.transfer.transfer import Transfer
from media import RemoteError

log = structlog.get_logger()


class Host(Protocol):
    """The transfer's task, as its talk sees it."""

    order: Order
    transfer: Transfer
    queue: str
    phones: Phones
    audio: TransferAudio

    def feed(self, event: e.TransferEvent, *unwanted: type[e.TransferAction]) -> None:
        """Feed the transfer and do what it asks for, but for some kinds of actions."""

    def carry_out(self, action: e.TransferAction, queue: str | None = None) -> None:
        """Do one thing; ``queue`` is that of a second person's phone."""

    def go_on(self, transfer: Transfer, queue: str) -> None:
        """Live another transfer from now on."""

    def post_for(self, ticket: str, event: e.TransferEvent) -> None:
        """Hand over news about a ticket."""

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run work as a child of the transfer."""

    def publish(self, what: str, detail: str) -> None:
        """Tell whoever listens."""


class TalkChanges:
    """Who talks in one transfer.

    Args:
        host: the transfer's task.
        around: the service.
    """

    def __init__(self, host: Host, around: TransferSurroundings) -> None:
        self.second: SecondPerson | None = None
        self._host = host
        self._around = around
        self._keys = InCallKeys(around.config.desk.keys)
        self._number = 0

    def change(self, change: TalkChange, person: str = "") -> None:
        """Do what a person in the talk, or an operator, wants.

        Args:
            change: the wish.
            person: who is wanted as second person; anybody of the queue where empty.

        Raises:
            RemoteError: 409, the caller talks to nobody here or there is no second person; 404,
                nobody can be asked.
        """
        if self._host.transfer.state is not e.TransferState.CONNECTED:
            raise RemoteError("the caller talks to nobody here", sip_status=409)
        second = self.second
        match change:
            case TalkChange.CONSULT | TalkChange.THREE_WAY if second is None:
                self._look_for_second(change is TalkChange.THREE_WAY, person)
            case _ if second is None:
                raise RemoteError("there is no second person in this talk", sip_status=409)
            case TalkChange.CONSULT:
                second.consult()
            case TalkChange.THREE_WAY:
                second.gather()
            case TalkChange.COMPLETE:
                self._hand_over()
            case TalkChange.CANCEL:
                self.let_go()
        log.info("talk_changed", change=str(change), person=person)

    def takes(self, event: e.TransferEvent, ticket: str) -> bool:
        """Take an event that is about a second person, or a key; False for all others."""
        second, transfer = self.second, self._host.transfer
        talking = transfer.state is e.TransferState.CONNECTED
        first = talking and getattr(event, "member", None) == transfer.chosen
        if first and isinstance(event, e.PhoneKey):
            self._press(event.digit)
            return True
        if second is None:
            return False
        if first and isinstance(event, e.PhoneGone):
            self._hand_over()
            return True
        if isinstance(event, e.CallerGone | e.Cancelled):
            second.leave_audio()
            self.let_go()
            return False
        about = ticket == second.ticket or second.owns(event)
        if about or isinstance(event, e.TimePassed):
            second.receive(event)
        if second.company.state is CompanyState.OVER:
            self.second = None
        return about

    def let_go(self) -> None:
        """Release the second person, if there is one; the caller is with the first."""
        second, self.second = self.second, None
        if second is not None:
            second.withdraw()

    def way_to(self, member: str) -> Transfer | None:
        """Return the transfer that rings this member, the second person's or the host's."""
        ways = [self._host.transfer]
        ways += [self.second.company.second] if self.second is not None else []
        return next((each for each in ways if member in each.attempts), None)

    def _look_for_second(self, with_caller: bool, person: str) -> None:
        host, config = self._host, self._around.config
        first, queue = host.transfer.chosen, second_queue(config, host.queue, person)
        if first is None or queue is None:
            known = f'"{person}" sits in no queue' if person else "nobody can be asked here"
            raise RemoteError(known, sip_status=404)
        self._number += 1
        ticket = f"{host.transfer.ticket}/{self._number}"
        talk = Talk(
            host.order,
            first,
            config.queues[host.queue].music,
            config.desk.keys.nobody_said,
            host.audio,
            host.phones,
            self._around.desk,
            host.spawn,
            host.post_for,
            lambda action: host.carry_out(action, queue),
            lambda state: host.publish(state, first),
        )
        way = Transfer(ticket, transfer_rules(config.queues[queue], e.Connect.BRIDGE))
        company = Company(way, with_caller, int(config.desk.keys.wait_s * 1_000))
        self.second = SecondPerson(company, queue, talk)
        self.second.start(person)

    def _press(self, digit: str) -> None:
        change = self._keys.press(digit, time.monotonic_ns())
        first = self._host.transfer.chosen
        if change is None or first is None:
            return
        try:
            stream = self._host.phones.stream(first)
            self.change(change)
        except RemoteError as error:
            log.info("talk_unchanged", change=str(change), reason=str(error))
            return
        if change is not TalkChange.COMPLETE:
            self._host.spawn(self._host.audio.confirm(stream))

    def _hand_over(self) -> None:
        """Let the first person go; the talk is the second one's, who may still be ringing."""
        second, self.second = self.second, None
        assert second is not None
        second.leave_audio()
        self._host.feed(e.Cancelled(), e.BackToAgent)
        self._host.go_on(second.company.second, second.queue)
