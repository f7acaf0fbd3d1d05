"""Live one call: feed its state machine and carry out what it asks for (asyncio shell).

One task per call. News are posted from the links' callbacks and taken in order; requests to media
and agent run as children of the call's TaskGroup and post their answers. The record is opened
before anything is asked of anybody and closed exactly once, whatever happens here.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
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
from edge.call_surroundings import CallerLeg, Surroundings
from edge.client_messages import (
    CallAnsweredNews,
    CallEndedNews,
    CallOfferedNews,
    TurnEndedNews,
)
from edge.records.columns import (
    Parties,
    WallClock,
    closing,
    duration_ms,
    opening,
    stages,
    turn_columns,
)
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
    Turn,
)
from media.messages import StreamClosed as MediaStreamClosed

APOLOGY_CLIP = 0xFFFF_FFF0
"""Clip number of the apology; the agent counts its own from 1."""
LET_GO_S = 5.0
"""For a destination's last words after a fault of ours."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Figures:
    turns: list[Turn] = field(default_factory=list)
    codec: str | None = None


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
        self.parties = parties
        self.routed = routed
        self.agent = routed.agent or ""
        self.leg = leg
        self.call = Call(routed.timers or around.timers)
        self.trunk_counted: str | None = None
        """Trunk on which this call takes a line."""
        self._audio: StreamAllocated | None = None
        self._around = around
        self._on_stream = on_stream
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._clock = WallClock.read()
        self._figures = _Figures()
        self._group: asyncio.TaskGroup | None = None
        self._log = log.bind(call_id=call_id, trunk=parties.trunk)
        self._closed = False
        self.handover = Handover(self, around.transfers, self._spawn)

    def backdate(self, age_ns: int) -> None:
        """Have the record say that all of this was so long ago."""
        self._clock = WallClock(self._clock.offset_ns - age_ns)

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
        self.parties = replace(self.parties, sip_call_id=confirmed.sip_call_id)
        columns = {"call_id": self.call_id, "sip_call_id": confirmed.sip_call_id}
        self._around.records.put(columns)

    def post(self, event: Event) -> None:
        """Hand over news of the call; never waits."""
        self._events.put_nowait(event)

    def add_turn(self, turn: Turn) -> None:
        """Keep and publish one turn."""
        confirmed_ns = self.call.times.confirmed_ns
        if confirmed_ns is None or self._closed:
            self._log.warning("turn_refused", number=turn.number)
            return
        self._figures.turns.append(turn)
        columns = turn_columns(turn, confirmed_ns)
        self._around.records.put({"call_id": self.call_id}, (columns,))
        self._around.publish(TurnEndedNews(self.call_id, self.parties.sip_call_id, turn))

    async def run(self, invite: InviteArrived) -> None:
        """Live the call to its end; an error of ours ends this call only."""
        structlog.contextvars.bind_contextvars(call_id=self.call_id, trunk=self.parties.trunk)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._open_record(invite)
                await self._live()
            self._give_back_late_ports()
        except Exception as error:  # the per-call task: this call ends, the others go on
            log.exception("call_crashed", error=repr(error))
            await self._let_go()
        finally:
            self._close_record(
                self.call.termination
                or Termination(Party.SYSTEM, 500, EndReason.INTERNAL_ERROR, "unclassified")
            )

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
                self._figures.codec = parameters.codec
                configure = ConfigureStream(stream, parameters, around.record)
                self._spawn(self._ask_media(configure))
            case do.BeginConversation(at_ns):
                self.routed.destination.answered(at_ns)
                self._note_answer(at_ns)
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
                self._close_record(termination)

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

    # ------------------------------------------------------------ record, news, log

    def _open_record(self, invite: InviteArrived) -> None:
        parties = self.parties
        times = self.call.times
        times.offered_ns = time.monotonic_ns()
        agent = None if invite.refusal is not None else self.routed.agent
        columns = opening(self.call_id, parties, times, self._clock, agent)
        columns |= {"rule": self.routed.rule, "direction": self.routed.direction}
        self._around.records.put(columns)
        log.info(
            "call_offered",
            sip_call_id=parties.sip_call_id,
            source=parties.source,
            agent=agent,
            rule=self.routed.rule,
            pii_caller=parties.caller,
            pii_called=parties.called,
        )
        self._around.publish(
            CallOfferedNews(self.call_id, parties.sip_call_id, parties.caller, parties.called)
        )
        # a caller who cancels at once is gone before this task has begun: the INVITE still is first
        waiting = [self._events.get_nowait() for _ in range(self._events.qsize())]
        for event in (invite, *waiting):
            self.post(event)

    def _note_answer(self, at_ns: int) -> None:
        columns = stages(self.call_id, self.call.times, self._clock)
        self._around.records.put(columns | {"codec": self._figures.codec})
        times = self.call.times
        log.info(
            "call_answered",
            agent=self.agent,
            codec=self._figures.codec,
            setup_ms=_between_ms(times.offered_ns, times.confirmed_ns),
        )
        self._around.publish(
            CallAnsweredNews(self.call_id, self.parties.sip_call_id, self.agent, at_ns)
        )

    def _close_record(self, termination: Termination) -> None:
        if self._closed:
            return
        self._closed = True
        times, quality = self.call.times, self.call.quality
        if times.ended_ns is None:
            times.ended_ns = time.monotonic_ns()
        columns = closing(self.call_id, times, self._clock, termination, quality)
        columns["codec"] = self._figures.codec
        confirmed_ns = times.confirmed_ns or times.ended_ns
        turns = tuple(turn_columns(each, confirmed_ns) for each in self._figures.turns)
        self._around.records.put(columns, turns)
        self._log_end(termination)
        self._around.publish(
            CallEndedNews(
                self.call_id,
                self.parties.sip_call_id,
                str(termination.who),
                termination.sip_status,
                str(termination.reason),
                termination.cause,
                duration_ms(times),
                quality.mos if quality else None,
                quality.recording if quality else None,
                quality.loss_ratio if quality else None,
                quality.jitter_ms if quality else None,
                quality.send_lateness_p99_ms if quality else None,
            )
        )

    def _log_end(self, termination: Termination) -> None:
        times, quality = self.call.times, self.call.quality
        turns = self._figures.turns
        responses = [each.response_ms for each in turns if each.response_ms is not None]
        self._log.info(
            "call_ended",
            ended_by=str(termination.who),
            sip_status=termination.sip_status,
            reason=str(termination.reason),
            cause=termination.cause,
            ringing_after_ms=_between_ms(times.offered_ns, times.ringing_ns),
            answered_after_ms=_between_ms(times.offered_ns, times.answered_ns),
            confirmed_after_ms=_between_ms(times.offered_ns, times.confirmed_ns),
            duration_ms=duration_ms(times),
            turns=len(turns),
            response_ms_median=statistics.median(responses) if responses else None,
            response_ms_max=max(responses) if responses else None,
            mos=quality.mos if quality else None,
            loss_ratio=quality.loss_ratio if quality else None,
            jitter_ms=quality.jitter_ms if quality else None,
        )


def _between_ms(start_ns: int | None, end_ns: int | None) -> int | None:
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) // 1_000_000
