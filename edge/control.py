"""Run the control process: every call, the UA workers, the links to media and agent, the clients.

An asyncio shell without decisions of its own. Who may call is decided in :mod:`edge.admission`,
what happens in a call in :mod:`edge.call`, what happens to workers in :mod:`edge.pool`; here the
messages find their way between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import structlog

import media
from edge import sdp
from edge.admission import RETRY_SHORT_S, Admission, answering_agent
from edge.call_events import (
    AgentLost,
    ApologyFinished,
    Confirmed,
    ConversationBroken,
    Disconnected,
    EndReason,
    Event,
    HangUpAsked,
    InviteArrived,
    MediaLost,
    Negotiated,
    NegotiationFailed,
    Party,
    RtpSilent,
    Termination,
    WorkerLost,
)
from edge.call_parts import CallTimers
from edge.call_surroundings import CallerLeg, Surroundings
from edge.call_task import APOLOGY_CLIP, CallTask
from edge.client_messages import ProcessStatus, Status
from edge.clients import Clients
from edge.farewell import lost_dialog, say_bye
from edge.peer import Peer
from edge.pool import Pool
from edge.records.columns import Parties, new_call_id
from edge.records.writer import RecordWriter
from edge.status_report import report
from edge.ua.messages import (
    EndedBy,
    UaCommandFailed,
    UaConfirmed,
    UaDigit,
    UaDisconnected,
    UaInvite,
    UaNegotiated,
    UaRefused,
)
from edge.workers import WorkerKey, Workers, worker_settings
from media import RemoteError
from media.config.model import Config
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    CallDigit,
    CallId,
    ClipFinished,
    ConversationFailed,
    HangupRequested,
    MediaStatusRequest,
    Message,
    RtpTimedOut,
    TransferRequested,
    Turn,
)
from media.paths import socket_address

STOP_CALLS_S = 6.0
_HANGUP_REASONS = {
    "agent_goodbye": (Party.AGENT, EndReason.AGENT_GOODBYE),
    "no_input": (Party.AGENT, EndReason.NO_INPUT),
    "max_duration": (Party.SYSTEM, EndReason.MAX_DURATION),
    "failed": (Party.SYSTEM, EndReason.CONVERSATION_FAILED),
}

log = structlog.get_logger()


class Control:
    """The control process.

    Args:
        config: loaded, its paths absolute.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._agent_name = answering_agent(config)
        self._admission = Admission()
        self._engines: dict[str, str] = {}
        self._calls: dict[CallId, CallTask] = {}
        self._legs: dict[tuple[WorkerKey, int], CallTask] = {}
        self._streams: dict[int, CallTask] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._farewells: set[asyncio.Task[bool]] = set()
        self._started = time.monotonic()
        self._records = RecordWriter(config.storage.url, Path(config.run_dir) / "records.spool")
        self._clients = Clients(self.status, self._hang_up_by_operator)
        self._media = self._peer("media", MediaStatusRequest())
        self._agent = self._peer("agent", AgentStatusRequest())
        self._workers = Workers(
            Pool(1, config.limits.calls),
            worker_settings(config),
            on_message=self._on_worker,
            on_down=self._on_worker_down,
            on_change=self._on_change,
        )
        self._around = Surroundings(
            media=self._media,
            agent=self._agent,
            records=self._records,
            publish=self._clients.publish,
            retry_after_s=self._retry_after_s,
            apology_file=apology_file(config, config.agents[self._agent_name].language),
            record=config.media.record,
            timers=CallTimers(
                answer_timeout_ms=config.sip.answer_timeout_ms,
                max_call_ms=config.limits.max_call_s * 1_000,
            ),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then release every call and close every record."""
        self._records.start()
        await self._clients.start(socket_address(self._config, "edge"))
        log.info("control_started", agent=self._agent_name)
        try:
            async with asyncio.TaskGroup() as group:
                serving = [
                    group.create_task(each)
                    for each in (self._media.run(), self._agent.run(), self._workers.run())
                ]
                await stop.wait()
                await self._shut_down()
                for task in serving:
                    task.cancel()
        finally:
            await self._clients.stop()
            await asyncio.to_thread(self._records.stop)
            log.info("control_stopped")

    async def _shut_down(self) -> None:
        self._admission.stopping = True
        self._on_change()
        for task in list(self._calls.values()):
            task.post(HangUpAsked(Party.OPERATOR, EndReason.SHUTDOWN))
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=STOP_CALLS_S)
        await self._workers.stop()

    # ------------------------------------------------------------ what clients see

    def status(self) -> Status:
        """Return the present state."""
        return report(
            self._admission,
            self._workers.pool,
            self._calls.values(),
            processes=(
                ProcessStatus("edge", True, os.getpid()),
                ProcessStatus("media", self._media.up, self._media.pid),
                ProcessStatus(
                    "agent", self._agent.up, self._agent.pid, self._admission.agent_detail
                ),
            ),
            engines=self._engines,
            uptime_s=int(time.monotonic() - self._started),
            records_failing=self._records.failing,
        )

    def _hang_up_by_operator(self, call_id: str) -> bool:
        task = self._calls.get(CallId(call_id))
        if task is not None:
            task.post(HangUpAsked(Party.OPERATOR, EndReason.OPERATOR))
        return task is not None

    def _on_change(self) -> None:
        """Open or close the workers to callers, as everything else allows."""
        self._workers.open(self._admission.why_closed() is None, self._retry_after_s())

    def _retry_after_s(self) -> int:
        closed = self._admission.why_closed() is not None
        return RETRY_SHORT_S if closed else self._config.limits.retry_after_s

    # ------------------------------------------------------------ UA workers

    def _on_worker(self, key: WorkerKey, message: Message) -> None:
        match message:
            case UaInvite():
                self._take_call(key, message)
            case UaRefused():
                self._record_refused(message)
            case UaNegotiated(leg=leg):
                self._post_leg(key, leg, _negotiated(message))
            case UaConfirmed(leg=leg):
                self._note_dialog(key, message)
                self._post_leg(key, leg, Confirmed())
            case UaDisconnected(leg=leg):
                by_caller = message.by is EndedBy.REMOTE
                gone = Disconnected(
                    by_caller, message.sip_status, message.reason, message.reason_header
                )
                self._post_leg(key, leg, gone)
                self._legs.pop((key, leg), None)
            case UaDigit(leg=leg, digit=digit):
                task = self._legs.get((key, leg))
                if task is not None:
                    self._agent.send(CallDigit(task.call_id, digit))
            case UaCommandFailed(leg=leg, command=command, reason=reason):
                log.warning("command_refused", leg=leg, command=command, reason=reason)
                if command == "UaAnswer":
                    broken = HangUpAsked(Party.SYSTEM, EndReason.SIP_FAILURE, reason)
                    self._post_leg(key, leg, broken)
            case _:
                log.info("message_unused", message=type(message).__name__)

    def _post_leg(self, key: WorkerKey, leg: int, event: Event) -> None:
        task = self._legs.get((key, leg))
        if task is not None:
            task.post(event)

    def _note_dialog(self, key: WorkerKey, confirmed: UaConfirmed) -> None:
        call = self._legs.get((key, confirmed.leg))
        if call is not None:
            call.leg.confirmed = confirmed

    def _on_worker_down(self, key: WorkerKey, reason: str) -> None:
        for owner, leg in [each for each in self._legs if each[0] == key]:
            call = self._legs.pop((owner, leg))
            call.post(WorkerLost(reason))
            if call.leg.invite is not None and call.leg.confirmed is not None:
                dialog = lost_dialog(call.leg.invite, call.leg.confirmed)
                farewell = asyncio.create_task(say_bye(dialog))
                self._farewells.add(farewell)
                farewell.add_done_callback(self._farewells.discard)

    def _take_call(self, key: WorkerKey, invite: UaInvite) -> None:
        wildcard = self._config.media.address in ("0.0.0.0", "::")
        leg = CallerLeg(
            invite.leg,
            lambda message: self._workers.send(key, message),
            invite.local_address if wildcard else None,
            invite,
        )
        parties = Parties(
            invite.sip_call_id,
            invite.from_uri,
            invite.request_uri or invite.to_uri,
            invite.source,
            invite.from_display,
        )
        task = self._start_call(parties, leg, InviteArrived(self._admission.refusal()))
        self._legs[key, invite.leg] = task

    def _record_refused(self, refused: UaRefused) -> None:
        reasons = {488: EndReason.UNACCEPTABLE, 503: EndReason.FULL, 486: EndReason.FULL}
        reason = reasons.get(refused.sip_status, EndReason.REFUSED)
        cause = refused.reason
        if reason is EndReason.FULL and (closed := self._admission.why_closed()) is not None:
            reason, cause = EndReason.NOT_READY, closed
        parties = Parties(refused.sip_call_id, refused.from_uri, refused.to_uri, refused.source)
        leg = CallerLeg(0, lambda message: None, None)
        verdict = Termination(Party.SYSTEM, refused.sip_status, reason, cause)
        task = self._start_call(parties, leg, InviteArrived(verdict))
        task.post(Disconnected(False, refused.sip_status))

    def _start_call(self, parties: Parties, leg: CallerLeg, invite: InviteArrived) -> CallTask:
        call_id = new_call_id(time.time_ns())
        call = CallTask(
            call_id,
            parties,
            leg,
            self._agent_name,
            self._around,
            lambda stream: self._streams.__setitem__(stream, call),
        )
        if invite.refusal is None:
            self._calls[call_id] = call
        task = asyncio.create_task(call.run(invite), name=f"call {call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._forget(call))
        return call

    def _forget(self, call: CallTask) -> None:
        self._calls.pop(call.call_id, None)
        for stream in [number for number, each in self._streams.items() if each is call]:
            del self._streams[stream]
        for leg in [number for number, each in self._legs.items() if each is call]:
            del self._legs[leg]

    # ------------------------------------------------------------ media and agent

    def _peer(self, name: str, probe: Message) -> Peer:
        return Peer(
            name,
            socket_address(self._config, name),
            probe,
            on_message=self._on_media if name == "media" else self._on_agent,
            on_up=lambda answer: self._on_peer_up(name, answer),
            on_down=lambda reason: self._on_peer_down(name, reason),
        )

    def _on_peer_up(self, name: str, answer: Message) -> None:
        if name == "media":
            self._admission.media_up = True
        else:
            self._admission.agent_up = True
        if isinstance(answer, AgentStatus):
            self._on_agent_status(answer)
        self._on_change()

    def _on_peer_down(self, name: str, reason: str) -> None:
        if name == "media":
            self._admission.media_up = False
        else:
            self._admission.agent_up = self._admission.agent_ready = False
            self._admission.agent_detail = ""
            self._engines = {}
        for call in self._calls.values():
            call.post(MediaLost(reason) if name == "media" else AgentLost(reason))
        self._on_change()

    def _on_media(self, message: Message) -> None:
        match message:
            case ClipFinished(stream=stream, clip=clip) if clip == APOLOGY_CLIP:
                self._post_stream(stream, ApologyFinished())
            case RtpTimedOut(stream=stream, silent_ms=silent_ms):
                self._post_stream(stream, RtpSilent(silent_ms))
            case _:
                log.debug("message_unused", message=type(message).__name__)

    def _post_stream(self, stream: int, event: Event) -> None:
        call = self._streams.get(stream)
        if call is not None:
            call.post(event)

    def _on_agent(self, message: Message) -> None:
        match message:
            case AgentStatus():
                self._on_agent_status(message)
                self._on_change()
            case Turn(call_id=call_id):
                if (call := self._calls.get(call_id)) is not None:
                    call.add_turn(message)
            case HangupRequested(call_id=call_id, reason=reason):
                if (call := self._calls.get(call_id)) is not None:
                    who, why = _HANGUP_REASONS.get(reason, (Party.AGENT, EndReason.AGENT_HANGUP))
                    call.post(HangUpAsked(who, why, "" if why == reason else reason))
            case ConversationFailed(call_id=call_id, reason=reason):
                if (call := self._calls.get(call_id)) is not None:
                    call.post(ConversationBroken(reason))
            case TransferRequested(call_id=call_id, queue=queue):
                log.warning("transfer_refused", call_id=call_id, queue=queue)
            case _:
                log.debug("message_unused", message=type(message).__name__)

    def _on_agent_status(self, status: AgentStatus) -> None:
        self._admission.agent_ready = status.ready
        self._admission.agent_detail = status.detail
        self._engines = status.engines


def _negotiated(message: UaNegotiated) -> Event:
    try:
        return Negotiated(sdp.agreed(message.local_sdp, message.remote_sdp))
    except RemoteError as error:
        return NegotiationFailed(str(error))


def apology_file(config: Config, language: str) -> str:
    """Return the WAV that a caller hears whose conversation broke."""
    if config.media.apology_file is not None:
        return config.media.apology_file
    sounds = Path(media.__file__).parent / "sounds"
    spoken = sounds / f"apology_{language.partition('-')[0].lower()}.wav"
    return str(spoken if spoken.exists() else sounds / "apology_en.wav")


async def serve(config: Config) -> None:
    """Run the control process until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await Control(config).run(stop)
