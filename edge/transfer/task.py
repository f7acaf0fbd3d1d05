"""Live one transfer: feed its state machine, carry out what it asks for (asyncio shell).

One task per transfer, a child of the call's. Queues, phones and the caller's call post news; they
are taken in order. The machine (:mod:`edge.transfer.transfer`) decides; a queue that gives up sends
the caller on to another one, and then a new machine takes over while the music plays on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from edge.client_messages import TransferEndedNews, TransferNews
from edge.queues import events as floor
from edge.queues.messages import TalkChange
from edge.transfer import events as e
from edge.transfer.attempt import MS
from edge.transfer.audio import TransferAudio
from edge.transfer.briefing import Briefing
from edge.transfer.connecting import Connecting
from edge.transfer.fallback import AGENT, Fallback, Kind, after_queue
from edge.transfer.order import CallerSide, Order, TransferEnd, TransferSurroundings
from edge.transfer.phones import OUTSIDE, Phones
from edge.transfer.records import attempt_columns, attempt_context, unserved
from edge.transfer.rules import outside_rules, transfer_rules
from edge.transfer.talk import TalkChanges
from edge.transfer.texts import announcement
from edge.transfer.transfer import Transfer
from edge.transfer.voicemail import Voicemail
from edge.ua.messages import UaReferred
from media import RemoteError
from media.messages import SuspendConversation

OUTSIDE_RING_MS = 45_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Posted:
    event: e.TransferEvent
    ticket: str = ""
    """Of the floor's news and of what was done for one ticket; empty for phones and the caller."""


class TransferTask:
    """One caller's way to a human.

    Args:
        order: who wants whom.
        around: the service.
        caller: the caller's call.
        first_attempt: number of the first attempt; a call may have several transfers.
    """

    def __init__(
        self,
        order: Order,
        around: TransferSurroundings,
        caller: CallerSide,
        first_attempt: int = 1,
    ) -> None:
        self.order = order
        self.next_attempt = first_attempt
        self.queue, self.caller = order.queue, order.caller
        self._around = around
        self._caller = caller
        self.audio = TransferAudio(order, around.media, around.agent, around.wire)
        self._briefing = Briefing(order, around.config.queues[order.queue].whisper)
        self._first_attempt = first_attempt
        self._visited: list[str] = []
        self._number = ""
        """Called directly, without the floor."""
        self._fell_back = False
        """The number is what the queue falls back to."""
        self.transfer = Transfer("", e.TransferRules())
        self._events: asyncio.Queue[_Posted | Fallback | TransferEnd] = asyncio.Queue()
        self.phones = Phones(order, around, self._briefing, self.post, self._send_on, first_attempt)
        self._talk = TalkChanges(self, around)
        self._connecting = Connecting(
            order.call_id,
            caller,
            self.phones,
            self.audio,
            self._briefing,
            self.post,
            self._talk.way_to,
            lambda member: self.publish("connected", member),
        )
        self._voicemail: Voicemail | None = None
        self._caller_gone = False
        self._end: TransferEnd | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._log = log.bind(call_id=order.call_id)

    @property
    def stage(self) -> str:
        """Return where the transfer is, for people."""
        return str(self.transfer.state)

    # ------------------------------------------------------------ news

    def post(self, event: e.TransferEvent) -> None:
        """Hand over news; never waits."""
        self.post_for("", event)

    def post_for(self, ticket: str, event: e.TransferEvent) -> None:
        """Hand over news about a second person's ticket."""
        self._events.put_nowait(_Posted(event, ticket))

    def press(self, digit: str) -> None:
        """Take a key of the caller."""
        if self._voicemail is not None:
            self._voicemail.press(digit)

    def announce(self, position: int, expected_wait_s: int | None) -> None:
        """Tell the caller where they stand."""
        texts = self._around.config.queues[self.queue].announce
        if not self._caller.held and self._group is not None:
            self.spawn(self.audio.say(announcement(texts, position, expected_wait_s)))

    def _send_on(self, member: str, referred: UaReferred) -> None:
        """Send the caller on where the person points to, if the dial plan leads there."""
        target = self._around.onward(referred.refer_to, self.order.caller)
        self._log.info(
            "transfer_onward",
            member=member,
            allowed=target is not None,
            pii_target=referred.refer_to,
        )
        if target is not None:
            self._events.put_nowait(target)

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Live the transfer to its end; an error of ours gives the caller back."""
        self._log.info("transfer_started", queue=self.queue, reason=self.order.reason)
        self.publish("started", self.order.reason)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                # not among the tasks that are cancelled: no return without a leave before it
                leaving = group.create_task(self._suspend())
                self._enter_queue(self.queue)
                self.spawn(self._briefing.fetch(self._around.agent.request))
                while self._end is None:
                    self._take(await self._next())
                for task in self._tasks:
                    task.cancel()
                await leaving
        except Exception as error:  # the transfer's own edge: the caller goes back to the AI
            self._log.exception("transfer_crashed", error=repr(error))
            self._end = self._end or TransferEnd("returned", "human_lost")
        finally:
            self.phones.release_all()
            self._around.desk.leave(self.transfer.ticket)
            if self._talk.second is not None:
                self._around.desk.leave(self._talk.second.ticket)
        self._finish(self._end)

    async def _next(self) -> _Posted | Fallback | TransferEnd:
        deadlines = [self.transfer.next_deadline_ns()]
        second = self._talk.second
        deadlines += [second.company.next_deadline_ns()] if second is not None else []
        deadline_ns = min((each for each in deadlines if each is not None), default=None)
        wait_s = None if deadline_ns is None else (deadline_ns - time.monotonic_ns()) / 1e9
        try:
            async with asyncio.timeout(None if wait_s is None else max(wait_s, 0)):
                return await self._events.get()
        except TimeoutError:
            return _Posted(e.TimePassed())

    def _take(self, posted: _Posted | Fallback | TransferEnd) -> None:
        if isinstance(posted, TransferEnd):
            self._end = posted
            return
        if isinstance(posted, Fallback):
            self._leave_human(posted)
            return
        event = posted.event
        self._caller_gone |= isinstance(event, e.CallerGone)
        if self._voicemail is not None:
            if self._caller_gone:
                self._voicemail.hang_up()
        elif not self._talk.takes(event, posted.ticket):
            self.feed(event)
            self._conclude()

    def feed(self, event: e.TransferEvent, *unwanted: type[e.TransferAction]) -> None:
        """Feed the transfer and do what it asks for, but for the unwanted kinds."""
        for action in self.transfer.receive(event, time.monotonic_ns()):
            if not isinstance(action, unwanted):
                self.carry_out(action)

    def _conclude(self) -> None:
        """End where the machine ended without saying what follows: the caller is not ours."""
        if self._end is None and self.transfer.state is e.TransferState.OVER:
            if self.transfer.handed_over:
                self._end = TransferEnd("handed_over")
            elif self._caller_gone and self._voicemail is None:
                self._end = TransferEnd("caller_left")

    def _finish(self, end: TransferEnd) -> None:
        if self.next_attempt == self._first_attempt:
            left = end.result == "caller_left"
            outcome = e.Outcome.CALLER_LEFT if left else e.Outcome.NO_ANSWER
            self._record(unserved(outcome, time.monotonic_ns(), self.order.decided_ns), self.queue)
        tried = self.next_attempt - self._first_attempt
        self._log.info(
            "transfer_ended",
            queue=self.queue,
            result=end.result,
            reason=end.reason,
            attempts=tried,
            summarized=self._briefing.summarized,
            duration_ms=(time.monotonic_ns() - self.order.decided_ns) // MS,
        )
        self._around.publish(
            TransferEndedNews(self.order.call_id, self.queue, end.result, end.reason, tried)
        )
        self._caller.transfer_over(end)

    # ------------------------------------------------------------ where the caller goes

    def _enter_queue(self, queue: str) -> None:
        self.queue = queue
        self._visited.append(queue)
        rules, desk = self._around.config.queues[queue], self._around.desk
        connect = self._around.way(queue, self.order.trunk)
        self._number, self._fell_back = rules.outside or "", False
        if rules.outside is None:
            self._begin(transfer_rules(rules, connect))
            desk.join(self.transfer.ticket, queue, self)
            return
        self._begin(outside_rules(rules, connect))
        ring = e.RingWanted(OUTSIDE, OUTSIDE_RING_MS)
        self.post(ring if desk.is_open(queue) else e.QueueGaveUp(floor.GaveUp.CLOSED))

    def _call_outside(self, number: str) -> None:
        self._number, self._fell_back = number, True
        self._begin(e.TransferRules(accept=e.Accept.PICK_UP))
        self.post(e.RingWanted(OUTSIDE, OUTSIDE_RING_MS))

    def _begin(self, rules: e.TransferRules) -> None:
        self._around.desk.leave(self.transfer.ticket)
        ticket = f"{self.order.call_id}/{self._first_attempt}-{len(self._visited)}"
        self.transfer = Transfer(ticket, rules)
        for action in self.transfer.start(time.monotonic_ns()):
            self.carry_out(action)

    def _give_back(self, reason: str) -> None:
        """Go where the queue's fallback says; without one, and after a talk, to the AI."""
        fallback = AGENT
        if reason in set(floor.GaveUp) and not self._fell_back:
            config = self._around.config.queues[self.queue]
            fallback = after_queue(config, floor.GaveUp(reason), self._visited)
        self._go(fallback, reason)

    def _go(self, fallback: Fallback, reason: str) -> None:
        self._number = ""
        match fallback.kind:
            case Kind.AGENT:
                self._end = TransferEnd("returned", reason)
            case Kind.QUEUE:
                self._enter_queue(fallback.name)
            case Kind.NUMBER:
                self._call_outside(fallback.name)
            case Kind.VOICEMAIL | Kind.CALLBACK:
                config = self._around.config.queues[self.queue].voicemail
                self._voicemail = Voicemail(self.order, self.queue, config, self._around)
                callback = fallback.kind is Kind.CALLBACK
                self.spawn(self._leave_message(self._voicemail, callback))
            case Kind.END:
                self._end = TransferEnd("no_human", reason)

    async def _leave_message(self, voicemail: Voicemail, callback: bool) -> None:
        end = await (voicemail.note_callback() if callback else voicemail.take_message())
        self._events.put_nowait(end)

    def _leave_human(self, target: Fallback) -> None:
        """Take the caller from the person who sends them on."""
        if self.transfer.state is not e.TransferState.CONNECTED:
            return
        self._talk.let_go()
        self.feed(e.Cancelled(), e.BackToAgent)
        self._go(target, "cancelled")

    def change_talk(self, change: TalkChange, person: str) -> None:
        """Do what an operator wants; see :meth:`TalkChanges.change`."""
        self._talk.change(change, person)

    def go_on(self, transfer: Transfer, queue: str) -> None:
        """Live the transfer of a second person, whom the first left with the caller."""
        self._around.desk.leave(self.transfer.ticket)
        self.transfer, self.queue = transfer, queue
        self._number, self._fell_back = "", False
        member = transfer.chosen
        if member and transfer.state in (e.TransferState.JOINING, e.TransferState.CONNECTED):
            self.spawn(self._connecting.join(member))
        else:
            self.spawn(self.audio.hold(self._around.config.queues[queue].music))

    # ------------------------------------------------------------ actions

    def carry_out(self, action: e.TransferAction, queue: str | None = None) -> None:
        """Do one thing; ``queue`` is that of a second person's phone."""
        match action:
            case e.PlayMusic():
                music = self._around.config.queues[self.queue].music
                self.spawn(self.audio.play_music(music))
            case e.DialPhone(member=member):
                self.spawn(self._connecting.dial(member, queue or self.queue, self._number))
            case e.ReleasePhone(member=member, answered_elsewhere=elsewhere):
                self.phones.release(member, elsewhere=elsewhere)
            case e.Whisper(member=member):
                self.phones.listen_for_machine(member, queue or self.queue)
                self.spawn(self._connecting.whisper(member))
            case e.JoinLegs(member=member):
                self.spawn(self._connecting.join(member))
            case e.SplitLegs():
                self.spawn(self._connecting.split())
            case e.SendRefer():
                self._connecting.refer(action, self._number)
            case e.ReferRefused():
                self._around.refers.refuse(self.order.trunk, time.monotonic_ns())
            case e.ReleaseCaller():
                pass  # the call does it: the transfer ends as handed over
            case e.TellFloor(event=event):
                self._tell_floor(event)
            case e.BackToAgent(reason=reason):
                self._give_back(reason)
            case e.EndCall():
                self._end = TransferEnd("human_hangup")
            case e.AttemptEnded():
                self._record(action, queue or self.queue)

    def _tell_floor(self, event: object) -> None:
        if not self._number:
            self._around.desk.tell(event)  # type: ignore[arg-type] # what TellFloor promises
        elif isinstance(event, floor.OfferEnded):
            self.post(e.QueueGaveUp(floor.GaveUp.NO_ANSWER))

    async def _suspend(self) -> None:
        try:
            await self._around.agent.request(SuspendConversation(self.order.call_id), 1.0)
        except RemoteError as error:
            self._log.info("suspend_unheard", reason=str(error))

    # ------------------------------------------------------------ record, small things

    def _record(self, ended: e.AttemptEnded, queue: str) -> None:
        context = attempt_context(self.order, queue, self.audio, self._briefing)
        row = attempt_columns(context, self.next_attempt, ended)
        self.next_attempt += 1
        self._around.records.put({"call_id": context.call_id}, (), (row,))
        shown = {name: value for name, value in row.items() if name != "call_id"}
        self._log.info("transfer_attempt_ended", **shown)

    def publish(self, what: str, detail: str) -> None:
        """Tell the clients."""
        self._around.publish(TransferNews(self.order.call_id, self.queue, what, detail))

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run work as a child of the transfer."""
        assert self._group is not None
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
