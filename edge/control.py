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

from edge.admission import RETRY_SHORT_S, Admission, reaches_agent
from edge.call_book import CallBook
from edge.call_events import (
    EndReason,
    HangUpAsked,
    InviteArrived,
    Party,
)
from edge.call_surroundings import CallerLeg, Surroundings
from edge.call_task import CallTask
from edge.client_messages import ProcessStatus, Status
from edge.clients import Clients
from edge.dialplan.plan import DialPlan
from edge.front.front import FrontLine
from edge.front.settings import is_fronted
from edge.metrics import Metrics
from edge.metrics_now import MetricsPage, ask_all
from edge.outbound import OutboundLegs
from edge.peer import Peer
from edge.peer_news import PeerNews
from edge.pool import Pool
from edge.queues.messages import ChangeDuty, ChangeTalk, QueueStatusRequest
from edge.records.columns import Parties
from edge.records.writer import RecordWriter
from edge.status_report import report
from edge.transfer.setup import (
    people_workers,
    reload_transfers,
    resume_outbox,
    transfer_surroundings,
)
from edge.transfer.straight import StraightToQueue
from edge.trunks.dialling import Dialling
from edge.trunks.messages import PlaceCall, ProbeTrunk, TrunksRequest
from edge.trunks.reload import Reloading
from edge.trunks.routed import Routed
from edge.trunks.routing import Routing
from edge.trunks.trunks import TrunkBoard, timers, trunk_workers
from edge.worker_news import WorkerNews
from edge.workers import Workers, worker_settings
from media import RemoteError
from media.config.model import Config
from media.load_messages import TuneTurns
from media.messages import (
    AgentStatusRequest,
    CallId,
    Done,
    MediaStatusRequest,
    Message,
)
from media.paths import socket_address
from media.reload_messages import ReloadConfig, Reloaded

STOP_CALLS_S = 6.0

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
        plan = plan or DialPlan.compile(config)
        self._admission = Admission()
        self._started = time.monotonic()
        self._records = RecordWriter(config.storage.url, Path(config.run_dir) / "records.spool")
        self._clients = Clients(self.status, self._hang_up_by_operator, self._drain)
        self._media = self._peer("media", MediaStatusRequest())
        self._agent = self._peer("agent", AgentStatusRequest())
        self._page = self._serve_metrics()
        self._workers = self._make_workers(config)
        self._front = FrontLine(
            config,
            self._workers.pool,
            self._admission,
            retry_after_s=self._retry_after_s,
            on_change=self._on_change,
        )
        self._outbound = OutboundLegs(
            self._workers.pool, self._workers.send, self._media, self._front.audio_address
        )
        self._transfers = transfer_surroundings(
            config,
            plan,
            self._media,
            self._agent,
            self._outbound,
            self._records,
            self._clients.publish,
        )
        self._book = CallBook(self._surroundings(config), self._count_off)
        self._peer_news = PeerNews(
            self._book, self._admission, self._outbound, self._transfers.wire, self._on_change
        )
        self._trunks = self._transfers.trunks = self._make_trunks(config, plan)
        self._front.servers = lambda: self._trunks.routing.recognition.servers
        self._worker_news = WorkerNews(
            self._book,
            self._admission,
            self._front,
            self._trunks,
            self._outbound,
            self._workers,
            self._transfers,
            self._media,
            lambda: self._config,
        )
        self._reloading = Reloading(path, self._trunks, self._agent)
        self._dialling = Dialling(
            self._trunks, self._outbound, self._start_dialled, self._admission.why_closed
        )
        self._take_requests()
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
        for task in list(self._book.calls.values()):
            task.post(HangUpAsked(Party.OPERATOR, EndReason.SHUTDOWN))
        if self._book.tasks:
            await asyncio.wait(list(self._book.tasks), timeout=STOP_CALLS_S)
        await self._trunks.carriers.stop()
        await self._workers.stop()

    async def reload(self, asked: ReloadConfig | None = None) -> Reloaded:
        """Go by the changed file from the next call on.

        Raises:
            ReloadError: it is wrong, and nothing has changed.
        """
        answer = await self._reloading.reload(asked)
        routing = self._trunks.routing
        self._go_by(routing)
        reload_transfers(self._transfers, routing.config, routing.plan)
        self._workers.set_callers(self._config.limits.calls, self._retry_after_s())
        self._on_change()
        return answer

    def _go_by(self, routing: Routing) -> None:
        new = routing.config
        self._config = replace(
            self._config,
            limits=new.limits,
            agents=new.agents,
            people=new.people,
            queues=new.queues,
            desk=new.desk,
        )
        self._admission.needs_agent = routing.needs_agent
        self._admission.reaches_agent = reaches_agent(new)
        self._front.reload(routing.config)

    # ------------------------------------------------------------ what clients see

    def status(self) -> Status:
        """Return the present state."""
        return report(
            self._admission,
            self._workers.pool,
            self._book.calls.values(),
            processes=(
                ProcessStatus("edge", True, os.getpid()),
                ProcessStatus("media", self._media.up, self._media.pid),
                ProcessStatus(
                    "agent", self._agent.up, self._agent.pid, self._admission.agent_detail
                ),
                *self._front.status(),
            ),
            engines=self._peer_news.engines,
            uptime_s=int(time.monotonic() - self._started),
            records_failing=self._records.failing,
        )

    def _hang_up_by_operator(self, call_id: str) -> bool:
        task = self._book.calls.get(CallId(call_id))
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
            case ChangeTalk(call_id=call_id, change=change, person=person):
                task = self._book.calls.get(call_id)
                if task is None:
                    raise RemoteError(f"no call {call_id}", 404)
                await task.handover.change_talk(change, person)
                return Done()
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

    def _start_dialled(
        self, call_id: CallId, parties: Parties, leg: CallerLeg, routed: Routed
    ) -> CallTask:
        return self._book.start(call_id, parties, leg, routed, InviteArrived())

    # ------------------------------------------------------------ seams

    def _serve_metrics(self) -> MetricsPage:
        metrics = Metrics()
        self._clients.observe(metrics.receive)
        return MetricsPage(
            self._config.metrics,
            metrics,
            lambda: ask_all(self.status, self._media, self._agent, self._transfers.desk.serve),
        )

    def _make_workers(self, config: Config) -> Workers:
        placing = trunk_workers(config) + people_workers(config)
        return Workers(
            Pool(1, config.limits.calls, placing, fronted=is_fronted(config)),
            worker_settings(config),
            on_message=lambda key, message: self._worker_news.receive(key, message),
            on_down=lambda key, reason: self._worker_news.worker_lost(key, reason),
            on_change=self._on_change,
        )

    def _surroundings(self, config: Config) -> Surroundings:
        return Surroundings(
            media=self._media,
            agent=self._agent,
            records=self._records,
            publish=self._clients.publish,
            retry_after_s=self._retry_after_s,
            record=config.media.record,
            timers=timers(config),
            transfers=self._transfers,
        )

    def _make_trunks(self, config: Config, plan: DialPlan) -> TrunkBoard:
        return TrunkBoard(
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

    def _take_requests(self) -> None:
        """Say who answers what clients ask."""
        self._clients.relay(TuneTurns, self._agent.request)
        for asked in (QueueStatusRequest, ChangeDuty):
            self._clients.relay(asked, self._transfers.desk.serve)
        for kind in (TrunksRequest, ProbeTrunk, PlaceCall, ReloadConfig, ChangeTalk):
            self._clients.relay(kind, self._serve)

    def _count_off(self, call: CallTask) -> None:
        if call.trunk_counted is not None:
            self._trunks.use.end(call.trunk_counted)

    def _peer(self, name: str, probe: Message) -> Peer:
        return Peer(
            name,
            socket_address(self._config, name),
            probe,
            on_message=lambda message: (
                self._peer_news.media_said(message)
                if name == "media"
                else self._peer_news.agent_said(message)
            ),
            on_up=lambda answer: self._peer_news.peer_up(name, answer),
            on_down=lambda reason: self._peer_news.peer_down(name, reason),
        )


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
