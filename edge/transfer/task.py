"""Live one transfer: feed its state machine, carry out what it asks for (asyncio shell).

One task per transfer, a child of the call's. Queues, phones and the caller's call post news; they
are taken in order. The machine (:mod:`edge.transfer.transfer`) decides; a queue that gives up sends
the caller on to another one, and then a new machine takes over while the music plays on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from edge.client_messages import TransferEndedNews, TransferNews
from edge.outbound import Destination, OutboundLeg
from edge.queues import events as floor
from edge.transfer import events as e
from edge.transfer.audio import TransferAudio
from edge.transfer.briefing import Briefing
from edge.transfer.fallback import AGENT, Fallback, Kind, after_queue
from edge.transfer.invitation import invitation, outside_invitation
from edge.transfer.order import CallerSide, Order, TransferEnd, TransferSurroundings
from edge.transfer.records import attempt_columns, attempt_context, unserved
from edge.transfer.rules import transfer_rules
from edge.transfer.texts import announcement
from edge.transfer.transfer import MS, Transfer
from edge.transfer.voicemail import Voicemail
from edge.ua.messages import UaReferred
from edge.ua.sip_text import ReplacesTarget, replaces_uri
from media import CordboardError, RemoteError
from media.config.trunks import Transfer as TrunkTransfer
from media.messages import SuspendConversation

OUTSIDE = "outside"
"""Stands for the member where a number is called and no queue is asked."""
OUTSIDE_RING_MS = 45_000

log = structlog.get_logger()


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
        self._audio = TransferAudio(order, around.media, around.agent, around.wire)
        self._briefing = Briefing(order, around.config.queues[order.queue].whisper)
        self._first_attempt = first_attempt
        self._visited: list[str] = []
        self._number = ""
        """Called directly, without the floor."""
        self._transfer = Transfer("", e.TransferRules())
        self._events: asyncio.Queue[e.TransferEvent | Fallback | TransferEnd] = asyncio.Queue()
        self._legs: dict[str, OutboundLeg] = {}
        self._dialed = 0
        self._voicemail: Voicemail | None = None
        self._caller_gone = False
        self._end: TransferEnd | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._log = log.bind(call_id=order.call_id)

    @property
    def stage(self) -> str:
        """Return where the transfer is, for people."""
        return str(self._transfer.state)

    # ------------------------------------------------------------ news

    def post(self, event: e.TransferEvent) -> None:
        """Hand over news; never waits."""
        self._events.put_nowait(event)

    def press(self, digit: str) -> None:
        """Take a key of the caller."""
        if self._voicemail is not None:
            self._voicemail.press(digit)

    def announce(self, position: int, expected_wait_s: int | None) -> None:
        """Tell the caller where they stand."""
        texts = self._around.config.queues[self.queue].announce
        if not self._caller.held and self._group is not None:
            self._spawn(self._audio.say(announcement(texts, position, expected_wait_s)))

    def leg_rings(self, leg: OutboundLeg) -> None:
        """Pass on."""
        self.post(e.PhoneRings(self._member_of(leg)))

    def leg_answered(self, leg: OutboundLeg) -> None:
        """Pass on."""
        self.post(e.PhoneAnswered(self._member_of(leg)))

    def leg_gone(self, leg: OutboundLeg, sip_status: int) -> None:
        """Pass on."""
        self.post(e.PhoneGone(self._member_of(leg), sip_status))

    def leg_pressed(self, leg: OutboundLeg, digit: str) -> None:
        """Pass on."""
        self.post(e.PhoneKey(self._member_of(leg), digit))

    def leg_referred(self, leg: OutboundLeg, referred: UaReferred) -> None:
        """Send the caller on where the person points to, if the dial plan leads there."""
        target = self._around.onward(referred.refer_to, self.order.caller)
        self._log.info(
            "transfer_onward",
            member=self._member_of(leg),
            allowed=target is not None,
            pii_target=referred.refer_to,
        )
        if target is not None:
            self._events.put_nowait(target)

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Live the transfer to its end; an error of ours gives the caller back."""
        self._log.info("transfer_started", queue=self.queue, reason=self.order.reason)
        self._publish("started", self.order.reason)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                # not among the tasks that are cancelled: no return without a leave before it
                leaving = group.create_task(self._suspend())
                self._enter_queue(self.queue)
                self._spawn(self._briefing.fetch(self._around.agent.request))
                while self._end is None:
                    self._take(await self._next())
                for task in self._tasks:
                    task.cancel()
                await leaving
        except Exception as error:  # the transfer's own edge: the caller goes back to the AI
            self._log.exception("transfer_crashed", error=repr(error))
            self._end = self._end or TransferEnd("returned", "human_lost")
        finally:
            self._release_all()
            self._around.desk.leave(self._transfer.ticket)
        self._finish(self._end)

    async def _next(self) -> e.TransferEvent | Fallback | TransferEnd:
        deadline_ns = self._transfer.next_deadline_ns()
        wait_s = None if deadline_ns is None else (deadline_ns - time.monotonic_ns()) / 1e9
        try:
            async with asyncio.timeout(None if wait_s is None else max(wait_s, 0)):
                return await self._events.get()
        except TimeoutError:
            return e.TimePassed()

    def _take(self, event: e.TransferEvent | Fallback | TransferEnd) -> None:
        self._caller_gone |= isinstance(event, e.CallerGone)
        if isinstance(event, TransferEnd):
            self._end = event
        elif isinstance(event, Fallback):
            self._leave_human(event)
        elif self._voicemail is not None:
            if self._caller_gone:
                self._voicemail.hang_up()
        else:
            for action in self._transfer.receive(event, time.monotonic_ns()):
                self._carry_out(action)
            self._conclude()

    def _conclude(self) -> None:
        """End where the machine ended without saying what follows: the caller is not ours."""
        if self._end is None and self._transfer.state is e.TransferState.OVER:
            if self._transfer.handed_over:
                self._end = TransferEnd("handed_over")
            elif self._caller_gone and self._voicemail is None:
                self._end = TransferEnd("caller_left")

    def _finish(self, end: TransferEnd) -> None:
        if self.next_attempt == self._first_attempt:
            outcome = e.Outcome("caller_left" if end.result == "caller_left" else "no_answer")
            self._record(unserved(outcome, time.monotonic_ns(), self.order.decided_ns))
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
        config = self._around.config
        self.queue = queue
        self._visited.append(queue)
        trunk = config.trunks.get(self.order.trunk)
        refer = self._around.refers.wants_refer(
            config.queues[queue].connect,
            trunk.transfer if trunk is not None else TrunkTransfer.AUTO,
            self.order.trunk,
            time.monotonic_ns(),
        )
        self._begin(transfer_rules(config.queues[queue], refer))
        self._around.desk.join(self._transfer.ticket, queue, self)

    def _call_outside(self, number: str) -> None:
        self._number = number
        self._begin(e.TransferRules(accept=e.Accept.PICK_UP))
        self.post(e.RingWanted(OUTSIDE, OUTSIDE_RING_MS))

    def _begin(self, rules: e.TransferRules) -> None:
        self._around.desk.leave(self._transfer.ticket)
        ticket = f"{self.order.call_id}/{self._first_attempt}-{len(self._visited)}"
        self._transfer = Transfer(ticket, rules)
        for action in self._transfer.start(time.monotonic_ns()):
            self._carry_out(action)

    def _give_back(self, reason: str) -> None:
        """Go where the queue's fallback says; without one, and after a talk, to the AI."""
        fallback = AGENT
        if reason in set(floor.GaveUp) and not self._number:
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
                self._spawn(self._leave_message(self._voicemail, callback))
            case Kind.END:
                self._end = TransferEnd("no_human", reason)

    async def _leave_message(self, voicemail: Voicemail, callback: bool) -> None:
        end = await (voicemail.note_callback() if callback else voicemail.take_message())
        self._events.put_nowait(end)

    def _leave_human(self, target: Fallback) -> None:
        """Take the caller from the person who sends them on."""
        if self._transfer.state is not e.TransferState.CONNECTED:
            return
        for action in self._transfer.receive(e.Cancelled(), time.monotonic_ns()):
            if not isinstance(action, e.BackToAgent):
                self._carry_out(action)
        self._go(target, "cancelled")

    # ------------------------------------------------------------ actions

    def _carry_out(self, action: e.TransferAction) -> None:
        match action:
            case e.PlayMusic():
                queue = self._around.config.queues[self.queue]
                self._spawn(self._audio.play_music(queue.music))
            case e.DialPhone(member=member):
                self._spawn(self._dial(member, self._transfer))
            case e.ReleasePhone(member=member, answered_elsewhere=elsewhere):
                self._release(member, elsewhere)
            case e.Whisper(member=member):
                self._spawn(self._whisper(member))
            case e.JoinLegs(member=member):
                self._spawn(self._join(member))
            case e.SplitLegs():
                self._spawn(self._split())
            case e.SendRefer(member=member):
                self._refer(member)
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
                self._record(action)

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

    async def _dial(self, member: str, transfer: Transfer) -> None:
        try:
            destination = await self._destination(member)
        except CordboardError as error:
            self._log.error("phone_failed", member=member, reason=str(error))
            self.post(e.PhoneGone(member, 500))
            return
        if transfer is not self._transfer or member not in transfer.attempts:
            return
        self._dialed += 1
        name = f"agent-{self._first_attempt + self._dialed - 1}"
        self._legs[member] = self._around.legs.dial(self.order.call_id, name, destination, self)

    async def _destination(self, member: str) -> Destination:
        config = self._around.config
        if member == OUTSIDE:
            return outside_invitation(config, self._number, self.order)
        queue = config.queues[self.queue]
        waited_s = (time.monotonic_ns() - self.order.decided_ns) / 1e9
        await self._briefing.settle(queue.whisper.summary_wait_ms / 1e3 - waited_s)
        person = config.people[member]
        return invitation(config, queue, person, self.order, self._briefing.short_reason())

    async def _whisper(self, member: str) -> None:
        leg = self._legs.get(member)
        if leg is None or leg.stream is None:
            return
        if await self._audio.whisper(leg.stream, self._briefing.whisper_text()):
            self.post(e.WhisperEnded(member))

    async def _join(self, member: str) -> None:
        leg = self._legs.get(member)
        try:
            if leg is None or leg.stream is None:
                raise RemoteError("the phone is gone")
            await self._audio.join(leg.stream)
        except RemoteError as error:
            self._log.warning("join_failed", member=member, reason=str(error))
            self.post(e.JoinFailed(str(error)))
            return
        self.post(e.LegsJoined())
        self._publish("connected", member)

    async def _split(self) -> None:
        self.post(e.LegsSplit(await self._audio.split()))

    def _refer(self, member: str) -> None:
        phone = self._legs[member].confirmed
        if phone is None:
            self.post(e.ReferNews(500, final=True))
            return
        target = ReplacesTarget(phone.sip_call_id, phone.remote_tag, phone.local_tag)
        self._caller.send_refer(replaces_uri(phone.remote_contact, target))

    def _release(self, member: str, elsewhere: bool) -> None:
        leg = self._legs.pop(member, None)
        if leg is not None:
            leg.release(answered_elsewhere=elsewhere)

    def _release_all(self) -> None:
        for member in list(self._legs):
            self._release(member, elsewhere=False)

    def _record(self, ended: e.AttemptEnded) -> None:
        context = attempt_context(self.order, self.queue, self._audio, self._briefing)
        row = attempt_columns(context, self.next_attempt, ended)
        self.next_attempt += 1
        self._around.records.put({"call_id": context.call_id}, (), (row,))
        shown = {name: value for name, value in row.items() if name != "call_id"}
        self._log.info("transfer_attempt_ended", **shown)

    def _publish(self, what: str, detail: str) -> None:
        self._around.publish(TransferNews(self.order.call_id, self.queue, what, detail))

    def _member_of(self, leg: OutboundLeg) -> str:
        return next((name for name, each in self._legs.items() if each is leg), "")

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        assert self._group is not None
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
