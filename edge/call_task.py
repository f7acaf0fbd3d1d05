"""Live one call: feed its state machine and carry out what it asks for (asyncio shell).

One task per call. News are posted from the links' callbacks and taken in order; requests to media
and agent run as children of the call's TaskGroup and post their answers. The record
(:mod:`edge.call_record`) is opened before anything is asked of anybody and closed exactly once,
whatever happens here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog

from edge import call_actions as do
from edge.call import Call
from edge.call_events import (
    CallState,
    ConversationEnded,
    ConversationReady,
    ConversationRefused,
    Crashed,
    EndReason,
    Event,
    InviteArrived,
    MediaFailed,
    MediaLost,
    Party,
    StreamClosed,
    StreamReady,
    StreamRefused,
    Termination,
    TimePassed,
)
from edge.call_parts import Leg
from edge.call_record import CallRecord
from edge.call_surroundings import CallerLeg, Surroundings
from edge.records.columns import Parties
from edge.transfer.handover import Handover
from edge.trunks.destination import DestinationError, Line
from edge.trunks.routed import Routed
from edge.ua.messages import UaAnswer, UaConfirmed, UaHangup, UaReject, UaRinging, UaSendDigit
from media import RemoteError
from media.link import LinkClosedError, NoAnswerError, RequestFailedError
from media.messages import (
    AllocateStream,
    CallId,
    CloseStream,
    ConfigureStream,
    EndConversation,
    PlayFile,
    StreamAllocated,
)
from media.messages import StreamClosed as MediaStreamClosed

APOLOGY_CLIP = 0xFFFF_FFF0
"""Clip number of the apology; the agent counts its own from 1."""
LET_GO_S = 5.0
"""For a destination's last words after a fault of ours."""

log = structlog.get_logger()


class CallTask:
    """One call in progress.

    Args:
        call_id: ours.
        parties: who calls whom.
        leg: the caller's dialog.
        routed: where it goes.
        around: the control process.
        on_stream: told the stream's number, so that media's news find the call.
    """

    def __init__(
        self,
        call_id: CallId,
        parties: Parties,
        leg: CallerLeg,
        routed: Routed,
        around: Surroundings,
        on_stream: Callable[[int], None],
    ) -> None:
        self.call_id = call_id
        self.routed = routed
        self.agent = routed.agent or ""
        self.leg = leg
        self.call = Call(routed.timers or around.timers)
        self.record = CallRecord(call_id, parties, routed, self.call, around)
        self.trunk_counted: str | None = None
        """Trunk on which this call takes a line."""
        self._audio: StreamAllocated | None = None
        self._around = around
        self._on_stream = on_stream
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._group: asyncio.TaskGroup | None = None
        self.handover = Handover(self, around.transfers, self._spawn)

    @property
    def parties(self) -> Parties:
        """Who calls whom."""
        return self.record.parties

    @property
    def caller(self) -> Leg:
        """The caller's leg as the state machine knows it."""
        return self.call.caller

    @property
    def line(self) -> Line:
        """What a destination is given of this call."""
        stream = self.call.caller.stream
        assert stream is not None
        local_address, early = self.leg.local_address, self._open_early_audio
        return Line(
            self.call_id, stream, local_address, self.post, self._spawn, early, self._send_info
        )

    def _send_info(self, digit: str) -> None:
        self.leg.send(UaSendDigit(self.leg.number, digit))

    def press(self, digit: str, *, in_audio: bool) -> None:
        """Take a key of the caller."""
        if not self.handover.press(digit):
            self.routed.destination.digit(digit, in_audio=in_audio)

    def note_dialog(self, confirmed: UaConfirmed) -> None:
        """Keep the dialog of a leg that we placed: its Call-ID was not known before."""
        self.leg.confirmed = confirmed
        self.record.note_sip_call_id(confirmed.sip_call_id)

    def post(self, event: Event) -> None:
        """Hand over news of the call; never waits."""
        self._events.put_nowait(event)

    async def run(self, invite: InviteArrived) -> None:
        """Live the call to its end; an error of ours ends this call only."""
        structlog.contextvars.bind_contextvars(call_id=self.call_id, trunk=self.parties.trunk)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._take_first(invite)
                await self._live()
            self._give_back_late_ports()
        except Exception as error:  # the per-call task: this call ends, the others go on
            log.exception("call_crashed", error=repr(error))
            await self._let_go()
        finally:
            self.record.close(
                self.call.termination
                or Termination(Party.SYSTEM, 500, EndReason.INTERNAL_ERROR, "unclassified")
            )

    def _take_first(self, invite: InviteArrived) -> None:
        self.record.open(refused=invite.refusal is not None)
        # a caller who cancels at once is gone before this task has begun: the INVITE still is first
        waiting = [self._events.get_nowait() for _ in range(self._events.qsize())]
        for event in (invite, *waiting):
            self.post(event)

    async def _live(self) -> None:
        while self.call.state is not CallState.ENDED:
            event = await self._next_event()
            try:
                self._feed(event)
            except Exception as error:  # the per-call task: classify it, then end in good order
                if isinstance(event, Crashed):
                    raise
                log.exception("call_failed", happened=type(event).__name__)
                self.post(Crashed(f"{type(error).__name__}: {error}"))

    async def _next_event(self) -> Event:
        deadline_ns = self.call.next_deadline_ns
        wait_s = None if deadline_ns is None else (deadline_ns - time.monotonic_ns()) / 1e9
        try:
            async with asyncio.timeout(None if wait_s is None else max(wait_s, 0)):
                return await self._events.get()
        except TimeoutError:
            return TimePassed()

    def _feed(self, event: Event) -> None:
        for action in self.call.receive(event, time.monotonic_ns()):
            self._carry_out(action)

    # ------------------------------------------------------------ actions

    def _carry_out(self, action: do.Action) -> None:
        leg, around = self.leg, self._around
        match action:
            case do.AllocateLegStream():
                self._spawn(self._allocate())
            case do.Ring():
                leg.send(UaRinging(leg.number))
            case do.PrepareConversation():
                self._spawn(self._prepare())
            case do.Answer():
                leg.send(self._answer())
            case do.Configure(stream, parameters):
                self.record.codec = parameters.codec
                configure = ConfigureStream(stream, parameters, around.record)
                self._spawn(self._ask_media(configure))
            case do.BeginConversation(at_ns):
                self.routed.destination.answered(at_ns)
                self.record.note_answer(at_ns)
            case do.TellHeld(held):
                self.routed.destination.held(held)
            case do.Apologize(stream):
                log.error("conversation_lost", verdict=str(self.call.termination))
                self._spawn(
                    self._ask_media(PlayFile(stream, self.routed.apology_file, APOLOGY_CLIP))
                )
            case do.BeginTransfer(queue, reason):
                self.handover.begin(queue, reason)
            case do.AbandonTransfer():
                self.handover.abandon()
            case do.ReturnToConversation(_, reason, anew):
                self.handover.come_back(reason, anew)
            case do.Reject(sip_status, retry_after):
                headers = {"Retry-After": str(around.retry_after_s())} if retry_after else {}
                headers |= self.routed.refusal_headers
                leg.send(UaReject(leg.number, sip_status, headers=headers))
            case do.HangUp(reason_header):
                leg.send(UaHangup(leg.number, headers={"Reason": reason_header}))
            case do.StopConversation(reason):
                self._spawn(self._stop_conversation(reason))
            case do.CloseLegStream(stream):
                self._spawn(self._close_stream(stream))
            case do.CallOver(termination):
                self.record.close(termination)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        task = self._group.create_task(self._guarded(work))
        task.add_done_callback(lambda _: work.close())  # it may be cancelled before it has begun

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a child's work; where it fails, the call still ends in good order."""
        try:
            await work
        except Exception as error:  # a child's fault ends its call only, and that everywhere
            log.exception("call_failed", happened=str(work))
            self.post(Crashed(f"{type(error).__name__}: {error}"))

    async def _let_go(self) -> None:
        """End everything everywhere, whatever state the call is in: its state machine failed."""
        caller, number = self.call.caller, self.leg.number
        if not caller.dialog_gone:
            answered = self.call.times.answered_ns is not None
            with contextlib.suppress(Exception):
                self.leg.send(UaHangup(number) if answered else UaReject(number, 500))
        with contextlib.suppress(Exception):
            if caller.stream is not None and not caller.stream_gone:
                self._around.media.send(CloseStream(caller.stream))
            self._give_back_late_ports()
        with contextlib.suppress(Exception):
            self.handover.abandon()
        try:
            async with asyncio.timeout(LET_GO_S):
                await self.routed.destination.end(EndReason.INTERNAL_ERROR)
        except Exception as error:  # then the agent is told without it
            log.warning("destination_end_failed", reason=repr(error))
            with contextlib.suppress(Exception):
                ended = EndConversation(self.call_id, str(EndReason.INTERNAL_ERROR))
                self._around.agent.send(ended)

    async def _allocate(self) -> None:
        request = AllocateStream(self.call_id, "caller", self.leg.local_address)
        try:
            answer = await self._around.media.request(request)
        except (LinkClosedError, RequestFailedError) as error:
            self.post(StreamRefused(str(error)))
            return
        assert isinstance(answer, StreamAllocated)
        self._on_stream(answer.stream)
        self._audio = answer
        self.post(StreamReady(answer.stream, answer.address, answer.port))

    async def _prepare(self) -> None:
        try:
            await self.routed.destination.prepare(self.line)
        except DestinationError as error:
            self.routed.refusal_headers |= error.headers
            self.post(ConversationRefused(str(error), error.sip_status, error.end_reason))
        else:
            self.post(ConversationReady())

    @property
    def audio_port(self) -> tuple[str, int] | None:
        """Media's address and port for the caller, None before it has one."""
        return (self._audio.address, self._audio.port) if self._audio is not None else None

    def _open_early_audio(self) -> None:
        if self._audio is not None and self.call.state is CallState.PREPARING:
            self.leg.send(replace(self._answer(), early=True))

    def _answer(self) -> UaAnswer:
        audio, routed = self._audio, self.routed
        assert audio is not None
        return UaAnswer(
            *(self.leg.number, audio.address, audio.port, routed.codecs),
            dtmf_payload_type=101 if routed.dtmf_in_audio else None,
            srtp=routed.srtp,
            srtp_secret=audio.srtp_secret,
        )

    async def _ask_media(self, request: ConfigureStream | PlayFile) -> None:
        try:
            await self._around.media.request(request)
        except NoAnswerError as error:  # the link stands, and so may the stream
            self.post(MediaFailed(str(error)))
        except LinkClosedError as error:
            self.post(MediaLost(str(error)))
        except RemoteError as error:
            self.post(MediaFailed(str(error)))

    async def _stop_conversation(self, reason: EndReason) -> None:
        try:
            await self.routed.destination.end(reason)
        finally:
            self.post(ConversationEnded())

    async def _close_stream(self, stream: int) -> None:
        quality = None
        try:
            answer = await self._around.media.request(CloseStream(stream), 4.0)
            quality = answer.quality if isinstance(answer, MediaStreamClosed) else None
        except RemoteError as error:
            log.info("stream_end_unheard", reason=str(error))
        self.post(StreamClosed(quality))

    def _give_back_late_ports(self) -> None:
        while not self._events.empty():
            event = self._events.get_nowait()
            if isinstance(event, StreamReady):
                self._around.media.send(CloseStream(event.stream))
