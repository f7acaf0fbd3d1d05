"""Share one floor between all calls: pass on what it decides, wake it in time (asyncio shell)."""

from __future__ import annotations

import asyncio
import datetime
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from edge.hours import Hours
from edge.queues import events as e
from edge.queues.messages import ChangeDuty
from edge.queues.rules import build_floor, change_floor
from edge.queues.view import duty_event, person_view, view
from edge.transfer.events import QueueGaveUp, RingUnwanted, RingWanted, TransferEvent
from media import RemoteError
from media.config.model import Config
from media.messages import Message

log = structlog.get_logger()


class TicketHolder(Protocol):
    """A transfer that waits in a queue."""

    @property
    def caller(self) -> str:
        """Number or user part, for people to read."""

    def post(self, event: TransferEvent) -> None:
        """Take what the floor decided."""

    def announce(self, position: int, expected_wait_s: int | None) -> None:
        """Tell the caller where they stand."""


class QueueDesk:
    """Every queue and member of the service.

    Args:
        config: people, queues and hours.
        state: file that remembers who is on duty and who pauses, over restarts.
        on_change: called when a member or a queue may look different.
    """

    def __init__(
        self, config: Config, state: Path, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.floor = build_floor(config, random.Random())
        self._config = config
        self._state = state
        self._on_change = on_change
        self._hours = {name: Hours.compile(each) for name, each in config.hours.items()}
        self._holders: dict[str, TicketHolder] = {}
        self._timer: asyncio.TimerHandle | None = None
        for member in self.floor.members.values():
            member.duty_ns = time.monotonic_ns()
        self._restore()

    def join(self, ticket: str, queue: str, holder: TicketHolder, only: str = "") -> None:
        """Put a caller into a queue; ``only`` names the one member who is wanted.

        A queue that a reload has removed is closed.
        """
        rules = self._config.queues.get(queue)
        if rules is None:
            holder.post(QueueGaveUp(e.GaveUp.CLOSED))
            return
        self._holders[ticket] = holder
        self.tell(
            e.CallerJoined(
                ticket,
                queue,
                rules.priority,
                frozenset(rules.skills),
                open=self.is_open(queue),
                only=only,
            )
        )

    def reload(self, config: Config) -> None:
        """Go by a changed configuration from now on."""
        self._config = config
        self._hours = {name: Hours.compile(each) for name, each in config.hours.items()}
        change_floor(self.floor, config)
        self.tell(e.DeadlinePassed())

    def is_open(self, queue: str) -> bool:
        """Say whether a queue's hours are open now."""
        hours = self._config.queues[queue].hours
        return hours is None or self._hours[hours].is_open(datetime.datetime.now(datetime.UTC))

    def leave(self, ticket: str) -> None:
        """Send this ticket no more news, and free whatever it still holds."""
        if self._holders.pop(ticket, None) is None:
            return
        if ticket in self.floor.waiting:
            self.tell(e.CallerLeft(ticket))
        for name, member in self.floor.members.items():
            if member.ticket == ticket and member.activity is e.Activity.BUSY:
                self.tell(e.TalkEnded(name))

    def tell(self, event: e.FloorEvent) -> None:
        """Feed the floor and pass on what it decides.

        Raises:
            FloorError: the event names something unknown.
        """
        for action in self.floor.receive(event, time.monotonic_ns()):
            self._pass_on(action)
        self._arm()
        if isinstance(event, e.MemberLoggedIn | e.MemberPaused):
            self._save()
        self._on_change()

    async def serve(self, message: Message) -> Message:
        """Answer a client.

        Raises:
            RemoteError: 404, there is no such person.
        """
        if isinstance(message, ChangeDuty):
            if message.person not in self.floor.members:
                known = ", ".join(self.floor.members) or "nobody"
                raise RemoteError(f'no person "{message.person}"; known: {known}', sip_status=404)
            self.change(message)
            return person_view(self.floor, self._config, message.person, time.monotonic_ns())
        is_open = {name: self.is_open(name) for name in self._config.queues}
        callers = {ticket: each.caller for ticket, each in self._holders.items()}
        return view(self.floor, self._config, is_open, callers, time.monotonic_ns())

    def change(self, duty: ChangeDuty) -> None:
        """Carry out what a person or an operator wants."""
        log.info("duty_changed", person=duty.person, duty=str(duty.duty), seconds=duty.seconds)
        self.tell(duty_event(duty))

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def _pass_on(self, action: e.FloorAction) -> None:
        holder = self._holders.get(action.ticket)
        if holder is None:
            return
        match action:
            case e.Ring(member=member, timeout_ms=timeout_ms):
                holder.post(RingWanted(member, timeout_ms))
            case e.StopRinging(member=member, answered_elsewhere=elsewhere):
                holder.post(RingUnwanted(member, elsewhere))
            case e.SendBack(reason=reason):
                holder.post(QueueGaveUp(reason))
            case e.Announce(position=position, expected_wait_s=wait_s):
                holder.announce(position, wait_s)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline_ns = self.floor.next_deadline_ns()
        if deadline_ns is None:
            self._timer = None
            return
        loop = asyncio.get_running_loop()
        # not at once: a deadline that the floor leaves in the past must not spin
        wait_s = max((deadline_ns - time.monotonic_ns()) / 1e9, 0.02)
        self._timer = loop.call_later(wait_s, self.tell, e.DeadlinePassed())

    # ------------------------------------------------------------ over restarts

    def _save(self) -> None:
        people = {
            name: {"online": each.online, "paused": each.paused}
            for name, each in self.floor.members.items()
        }
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            self._state.write_text(json.dumps(people), "utf-8")
        except OSError as error:
            log.warning("people_not_saved", reason=str(error))

    def _restore(self) -> None:
        try:
            people = json.loads(self._state.read_text("utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("people_not_restored", reason=str(error))
            return
        for name, member in self.floor.members.items():
            kept = people.get(name)
            if isinstance(kept, dict):
                member.online = bool(kept.get("online", member.online))
                member.paused = bool(kept.get("paused", member.paused))
