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
from dataclasses import replace
from pathlib import Path

import structlog

from edge import sdp
from edge.admission import RETRY_SHORT_S, Admission
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
from edge.call_surroundings import CallerLeg, Surroundings
from edge.call_task import APOLOGY_CLIP, CallTask
from edge.client_messages import ProcessStatus, Status
from edge.clients import Clients
from edge.dialplan.plan import DialPlan
from edge.farewell import lost_dialog, say_bye
from edge.front.front import FrontLine
from edge.front.settings import is_fronted
from edge.metrics import Metrics
from edge.metrics_now import MetricsPage, ask_all
from edge.outbound import OutboundLegs
from edge.peer import Peer
from edge.pool import Pool
from edge.queues.coded_call import coded_call
from edge.queues.messages import ChangeDuty, QueueStatusRequest
from edge.records.columns import Parties, new_call_id
from edge.records.writer import RecordWriter
from edge.status_report import report
from edge.transfer.setup import people_workers, resume_outbox, transfer_surroundings
from edge.transfer.straight import StraightToQueue
from edge.trunks.destination import Chain
from edge.trunks.dialling import Dialling
from edge.trunks.intake import TurnedAway
from edge.trunks.messages import PlaceCall, ProbeTrunk, TrunksRequest
from edge.trunks.reload import Reloading
from edge.trunks.routed import Routed
from edge.trunks.routing import Routing
from edge.trunks.trunks import TrunkBoard, timers, trunk_workers
from edge.ua.messages import (
    EndedBy,
    UaCommandFailed,
    UaConfirmed,
    UaDigit,
    UaDisconnected,
    UaHangup,
    UaInvite,
    UaNegotiated,
    UaReady,
    UaRefused,
    UaReject,
    UaTransferStatus,
)
from edge.workers import WorkerKey, Workers, worker_settings
from media import RemoteError
from media.config.model import Config
from media.load_messages import TuneTurns
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    CallId,
    ClipFinished,
    ConversationFailed,
    DtmfReceived,
    HangupRequested,
    MediaStatusRequest,
    Message,
    RtpTimedOut,
    TransferRequested,
    Turn,
)
from media.paths import socket_address
from media.reload_messages import ReloadConfig, Reloaded

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
        plan: its dial plan, compiled; None compiles it.
        path: where it was read from, for reloads.

    Raises:
        ConfigError: a trunk's password cannot be read.
    """

    def __init__(
        self, config: Config, plan: DialPlan | None = None, path: Path | None = None
    ) -> None:
        self._config = config
        self._admission = Admission()
        self._engines: dict[str, str] = {}
        self._calls: dict[CallId, CallTask] = {}
        self._legs: dict[tuple[WorkerKey, int], CallTask] = {}
        self._streams: dict[int, CallTask] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._farewells: set[asyncio.Task[bool]] = set()
        self._started = time.monotonic()
        self._records = RecordWriter(config.storage.url, Path(config.run_dir) / "records.spool")
        self._clients = Clients(self.status, self._hang_up_by_operator, self._drain)
        self._media = self._peer("media", MediaStatusRequest())
        self._agent = self._peer("agent", AgentStatusRequest())
        self._clients.relay(TuneTurns, self._agent.request)
        metrics = Metrics()
        self._clients.observe(metrics.receive)
        self._page = MetricsPage(
            config.metrics,
            metrics,
            lambda: ask_all(self.status, self._media, self._agent, self._transfers.desk.serve),
        )
        placing = trunk_workers(config) + people_workers(config)
        self._workers = Workers(
            Pool(1, config.limits.calls, placing, fronted=is_fronted(config)),
            worker_settings(config),
            on_message=self._on_worker,
            on_down=self._on_worker_down,
            on_change=self._on_change,
        )
        self._front = FrontLine(
            config,
            self._workers.pool,
            self._admission,
            retry_after_s=self._retry_after_s,
            on_change=self._on_change,
        )
        self._outbound = OutboundLegs(self._workers.pool, self._workers.send, self._media)
        self._transfers = transfer_surroundings(
            config,
            self._media,
            self._agent,
            self._outbound,
            self._records,
            self._clients.publish,
        )
        self._clients.relay(QueueStatusRequest, self._transfers.desk.serve)
        self._clients.relay(ChangeDuty, self._transfers.desk.serve)
        self._around = Surroundings(
            media=self._media,
            agent=self._agent,
            records=self._records,
            publish=self._clients.publish,
            retry_after_s=self._retry_after_s,
            record=config.media.record,
            timers=timers(config),
            transfers=self._transfers,
        )
        self._trunks = TrunkBoard(
            config,
            plan,
            media=self._media,
            agent=self._agent,
            legs=self._outbound,
            send=self._workers.send_to_place,
            domain=self._workers.domain,
            retry_after_s=self._retry_after_s,
            queue_desk=lambda call_id, queue, variables: StraightToQueue(queue),
        )
        self._reloading = Reloading(path, self._trunks, self._agent)
        self._dialling = Dialling(
            self._trunks, self._outbound, self._start_dialled, self._admission.why_closed
        )
        for kind in (TrunksRequest, ProbeTrunk, PlaceCall, ReloadConfig):
            self._clients.relay(kind, self._serve)
        self._go_by(self._trunks.routing)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then release every call and close every record."""
        self._records.start()
        resume_outbox(self._transfers)
        await self._clients.start(socket_address(self._config, "edge"))
        log.info(
            "control_started", rules=len(self._config.dialplan), trunks=list(self._config.trunks)
        )
        try:
            async with asyncio.TaskGroup() as group:
                serving = [
                    group.create_task(each)
                    for each in (
                        self._media.run(),
                        self._agent.run(),
                        self._workers.run(),
                        self._front.run(),
                        self._trunks.carriers.run(),
                        self._page.run(),
                    )
                ]
                await stop.wait()
                await self._shut_down()
                for task in serving:
                    task.cancel()
        finally:
            await self._clients.stop()
            self._transfers.desk.close()
            await self._transfers.outbox.stop()
            await asyncio.to_thread(self._records.stop)
            log.info("control_stopped")

    async def _shut_down(self) -> None:
        self._admission.stopping = True
        self._on_change()
        for task in list(self._calls.values()):
            task.post(HangUpAsked(Party.OPERATOR, EndReason.SHUTDOWN))
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=STOP_CALLS_S)
        await self._trunks.carriers.stop()
        await self._workers.stop()

    async def reload(self, asked: ReloadConfig | None = None) -> Reloaded:
        """Go by the changed file from the next call on.

        Raises:
            ReloadError: it is wrong, and nothing has changed.
        """
        answer = await self._reloading.reload(asked)
        self._go_by(self._trunks.routing)
        self._workers.set_callers(self._config.limits.calls, self._retry_after_s())
        self._on_change()
        return answer

    def _go_by(self, routing: Routing) -> None:
        self._config = replace(
            self._config, limits=routing.config.limits, agents=routing.config.agents
        )
        self._admission.needs_agent = routing.needs_agent
        self._front.reload(routing.config)

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
                *self._front.status(),
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

    async def _serve(self, message: Message) -> Message:
        match message:
            case TrunksRequest():
                return self._trunks.status()
            case ProbeTrunk():
                return await self._trunks.probe(message)
            case PlaceCall():
                return self._dialling.place(message)
            case ReloadConfig():
                return await self.reload(message)
        raise RemoteError(f"{type(message).__name__} is not served", 405)

    def _on_change(self) -> None:
        """Open or close the workers to callers, as everything else allows."""
        self._workers.open(self._admission.why_closed() is None, self._retry_after_s())
        self._front.changed()

    def _drain(self, number: int, drained: bool) -> bool:
        try:
            self._workers.drain(number, drained)
        except IndexError:
            return False
        log.info("worker_drained" if drained else "worker_returned", worker=number)
        return True

    def _retry_after_s(self) -> int:
        closed = self._admission.why_closed() is not None and not self._admission.overloaded
        return RETRY_SHORT_S if closed else self._config.limits.retry_after_s

    # ------------------------------------------------------------ UA workers

    def _on_worker(self, key: WorkerKey, message: Message) -> None:
        if isinstance(message, UaInvite | UaRefused | UaDisconnected):
            self._front.changed(key.place)
        if self._outbound.receive(key, message) or self._trunks.carriers.receive(message):
            return
        match message:
            case UaInvite(replaces_leg=int()):
                self._take_over(key, message)
            case UaInvite():
                self._take_call(key, message)
            case UaRefused():
                self._record_refused(message)
            case UaReady():
                self._trunks.worker_ready(key.place)
            case UaNegotiated(leg=leg):
                self._post_leg(key, leg, _negotiated(message))
            case UaConfirmed(leg=leg):
                if self._note_dialog(key, message):
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
                    task.press(digit, in_audio=False)
            case UaTransferStatus(leg=leg, status=status, final=final):
                self._refer_news(key, leg, status, final)
            case UaCommandFailed(leg=leg, command=command, reason=reason):
                log.warning("command_refused", leg=leg, command=command, reason=reason)
                if command == "UaRefer":
                    self._refer_news(key, leg, 500, True)
                elif command == "UaAnswer":
                    broken = HangUpAsked(Party.SYSTEM, EndReason.SIP_FAILURE, reason)
                    self._post_leg(key, leg, broken)
            case _:
                log.info("message_unused", message=type(message).__name__)

    def _post_leg(self, key: WorkerKey, leg: int, event: Event) -> None:
        task = self._legs.get((key, leg))
        if task is not None:
            task.post(event)

    def _refer_news(self, key: WorkerKey, leg: int, sip_status: int, final: bool) -> None:
        task = self._legs.get((key, leg))
        if task is not None:
            task.handover.refer_news(sip_status, final)

    def _note_dialog(self, key: WorkerKey, confirmed: UaConfirmed) -> bool:
        """Keep a dialog's names; say whether it is the first of its call."""
        call = self._legs.get((key, confirmed.leg))
        if call is None:
            return False
        call.leg.confirmed = confirmed
        return not call.call.caller.confirmed

    def _on_worker_down(self, key: WorkerKey, reason: str) -> None:
        self._outbound.lose_worker(key)
        self._trunks.worker_lost(key.place)
        for owner, leg in [each for each in self._legs if each[0] == key]:
            call = self._legs.pop((owner, leg))
            call.post(WorkerLost(reason))
            if call.leg.invite is not None and call.leg.confirmed is not None:
                dialog = lost_dialog(call.leg.invite, call.leg.confirmed)
                farewell = asyncio.create_task(say_bye(dialog))
                self._farewells.add(farewell)
                farewell.add_done_callback(self._farewells.discard)
            else:
                self._front.worker_lost(call.leg.invite)

    def _take_call(self, key: WorkerKey, invite: UaInvite) -> None:
        invite = self._trunks.intake.seen(invite)
        call_id = new_call_id(time.time_ns())
        coded = coded_call(invite, self._config, self._transfers.desk, self._media)
        if coded is not None:
            self._take_coded(key, invite, call_id, coded)
            return
        load = len(self._calls) / max(self._workers.pool.limit, 1)
        taken = self._trunks.intake.take(invite, call_id, load)
        if isinstance(taken, TurnedAway):
            refuse = UaReject(invite.leg, taken.sip_status, challenges=taken.challenges)
            self._workers.send(key, refuse)
            return
        leg = self._caller_leg(key, invite)
        parties = Parties(
            invite.sip_call_id,
            taken.offered.caller_uri,
            invite.request_uri or invite.to_uri,
            invite.source,
            invite.from_display,
            taken.offered.trunk or "default",
        )
        refusal = self._admission.refusal() or self._front.refusal() or taken.refusal
        task = self._start_call(call_id, parties, leg, taken.routed, InviteArrived(refusal))
        task.trunk_counted = taken.counted
        self._legs[key, invite.leg] = task

    def _caller_leg(self, key: WorkerKey, invite: UaInvite) -> CallerLeg:
        wildcard = self._config.media.address in ("0.0.0.0", "::")
        return CallerLeg(
            invite.leg,
            lambda message: self._workers.send(key, message),
            invite.local_address if wildcard else None,
            invite,
        )

    def _take_coded(
        self, key: WorkerKey, invite: UaInvite, call_id: CallId, routed: Routed
    ) -> None:
        """Take the call of a person who dialled a feature code."""
        called = invite.request_uri or invite.to_uri
        sip_call_id, display = invite.sip_call_id, invite.from_display
        parties = Parties(sip_call_id, invite.from_uri, called, invite.source, display)
        leg, arrived = self._caller_leg(key, invite), InviteArrived(self._admission.refusal())
        self._legs[key, invite.leg] = self._start_call(call_id, parties, leg, routed, arrived)

    def _take_over(self, key: WorkerKey, invite: UaInvite) -> None:
        """Let another dialog carry a call on (RFC 3891); its media and its record stay."""
        assert invite.replaces_leg is not None
        call = self._legs.pop((key, invite.replaces_leg), None)
        if call is None:
            self._workers.send(key, UaHangup(invite.leg))
            return
        log.info("call_taken_over", call_id=call.call_id, leg=invite.leg, source=invite.source)
        call.leg.number, call.leg.invite, call.leg.confirmed = invite.leg, invite, None
        self._legs[key, invite.leg] = call

    def _record_refused(self, refused: UaRefused) -> None:
        reasons = {488: EndReason.UNACCEPTABLE, 503: EndReason.FULL, 486: EndReason.FULL}
        reason = reasons.get(refused.sip_status, EndReason.REFUSED)
        cause = refused.reason
        if reason is EndReason.FULL and (closed := self._admission.why_closed()) is not None:
            cause = closed
            reason = EndReason.FULL if self._admission.overloaded else EndReason.NOT_READY
        trunk = self._trunks.intake.trunk_of(refused.source) or "default"
        sip_call_id, source = refused.sip_call_id, refused.source
        parties = Parties(sip_call_id, refused.from_uri, refused.to_uri, source, trunk=trunk)
        leg = CallerLeg(0, lambda message: None, None)
        verdict = Termination(Party.SYSTEM, refused.sip_status, reason, cause)
        call_id = new_call_id(time.time_ns())
        task = self._start_call(call_id, parties, leg, Routed(Chain(())), InviteArrived(verdict))
        # after the task has begun, whose first event is the INVITE
        asyncio.get_running_loop().call_soon(task.post, Disconnected(False, refused.sip_status))

    def _start_dialled(
        self, call_id: CallId, parties: Parties, leg: CallerLeg, routed: Routed
    ) -> CallTask:
        return self._start_call(call_id, parties, leg, routed, InviteArrived())

    def _start_call(
        self,
        call_id: CallId,
        parties: Parties,
        leg: CallerLeg,
        routed: Routed,
        invite: InviteArrived,
    ) -> CallTask:
        call = CallTask(
            call_id,
            parties,
            leg,
            routed,
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
        if call.trunk_counted is not None:
            self._trunks.use.end(call.trunk_counted)
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
            self._admission.agent_refusing, self._admission.ladder = False, "normal"
            self._admission.agent_detail = ""
            self._engines = {}
        for call in self._calls.values():
            if name == "media":
                call.post(MediaLost(reason))
            elif call.routed.destination.uses_agent:
                call.post(AgentLost(reason))
        self._on_change()

    def _on_media(self, message: Message) -> None:
        match message:
            case ClipFinished(stream=stream, clip=clip) if clip == APOLOGY_CLIP:
                self._post_stream(stream, ApologyFinished())
            case ClipFinished(stream=stream, clip=clip) if stream in self._streams:
                self._streams[stream].routed.destination.clip_finished(clip)
            case DtmfReceived() | RtpTimedOut() if self._outbound.receive_media(message):
                pass
            case DtmfReceived(stream=stream, digit=digit) if stream in self._streams:
                self._streams[stream].press(digit, in_audio=True)
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
            case TransferRequested(call_id=call_id, queue=queue, reason=reason):
                if (call := self._calls.get(call_id)) is not None:
                    call.handover.ask(queue, reason)
            case _:
                log.debug("message_unused", message=type(message).__name__)

    def _on_agent_status(self, status: AgentStatus) -> None:
        self._admission.agent_ready = status.ready
        self._admission.agent_detail = status.detail
        self._admission.agent_refusing = status.refusing
        self._admission.ladder = status.ladder
        self._engines = status.engines


def _negotiated(message: UaNegotiated) -> Event:
    try:
        return Negotiated(sdp.agreed(message.local_sdp, message.remote_sdp))
    except RemoteError as error:
        return NegotiationFailed(str(error))


async def serve(config: Config, plan: DialPlan | None = None, path: Path | None = None) -> None:
    """Run the control process until SIGTERM or SIGINT; SIGHUP reads the file again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    control = Control(config, plan, path)
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(_reload(control))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGHUP, reload)
    await control.run(stop)


async def _reload(control: Control) -> None:
    with contextlib.suppress(RemoteError):  # it is in the log
        await control.reload()
