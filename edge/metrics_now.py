"""Show Prometheus what is now: calls, slots, workers, processes, media, load.

The page is served by prometheus-client in a thread of its own; each scrape asks the control
process, which asks media and agent, so the figures are of this moment.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.call_surroundings import Asked
from edge.client_messages import Status
from edge.metrics import Metrics
from edge.metrics_queues import queue_figures
from edge.queues.messages import QueueStatus, QueueStatusRequest
from media import RemoteError
from media.config.watch import MetricsConfig
from media.load_messages import AgentFigures, AgentFiguresRequest
from media.messages import MediaStatus, MediaStatusRequest, Message

ASK_TIMEOUT_S = 1.0
SCRAPE_TIMEOUT_S = 3.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Now:
    """What everybody said at one moment; None where a process did not answer."""

    status: Status
    media: MediaStatus | None
    agent: AgentFigures | None
    queues: QueueStatus | None = None


async def ask_all(
    status: Callable[[], Status],
    media: Asked,
    agent: Asked,
    queues: Callable[[Message], Awaitable[Message]],
) -> Now:
    """Ask every process, and the queues' desk, how they are."""

    async def ask_media() -> MediaStatus | None:
        try:
            answer = await media.request(MediaStatusRequest(), ASK_TIMEOUT_S)
        except RemoteError:
            return None
        return answer if isinstance(answer, MediaStatus) else None

    async def ask_agent() -> AgentFigures | None:
        try:
            answer = await agent.request(AgentFiguresRequest(), ASK_TIMEOUT_S)
        except RemoteError:
            return None
        return answer if isinstance(answer, AgentFigures) else None

    of_media, of_agent = await asyncio.gather(ask_media(), ask_agent())
    of_queues = await queues(QueueStatusRequest())
    return Now(
        status(), of_media, of_agent, of_queues if isinstance(of_queues, QueueStatus) else None
    )


class NowCollector(Collector):
    """Collects in the page's thread what the event loop gathers.

    Args:
        gather: runs in the loop.
        loop: of the control process.
    """

    def __init__(
        self, gather: Callable[[], Awaitable[Now]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._gather = gather
        self._loop = loop

    def describe(self) -> list[Metric]:
        """Return nothing: what there is depends on what runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures; none where the control process is too busy to answer."""

        async def gather() -> Now:
            return await self._gather()

        asked: Future[Now] = asyncio.run_coroutine_threadsafe(gather(), self._loop)
        try:
            now = asked.result(SCRAPE_TIMEOUT_S)
        except TimeoutError:
            asked.cancel()
            return
        yield from figures(now)


def figures(now: Now) -> Iterator[Metric]:
    """Return what one moment looks like to Prometheus."""
    status = now.status
    yield _gauge("ready", "1 when a call that came now would be answered.", float(status.ready))
    yield _gauge("uptime_seconds", "Since the control process started.", status.uptime_s)
    yield _gauge("call_slots", "Callers that are taken at once.", status.limit)
    yield _labelled(
        "calls_in_progress",
        "Calls by state.",
        "state",
        {state: float(count) for state, count in Counter(c.state for c in status.calls).items()}
        or {"talking": 0.0},
    )
    yield _gauge(
        "records_failing", "1 while the database refuses writes.", float(status.records_failing)
    )
    yield from _workers(status)
    yield from _processes(status)
    if now.media is not None:
        yield from _media(now.media)
    if now.agent is not None:
        yield from _agent(now.agent)
    if now.queues is not None:
        yield from queue_figures(now.queues)


def _workers(status: Status) -> Iterator[Metric]:
    workers = {str(each.number): each for each in status.workers}
    yield _labelled(
        "worker_legs",
        "SIP legs that hold a slot.",
        "worker",
        {number: float(each.legs) for number, each in workers.items()},
    )
    yield _labelled(
        "worker_slots",
        "Legs that a UA worker can hold.",
        "worker",
        {number: float(each.slots) for number, each in workers.items()},
    )
    starts = CounterMetricFamily(
        "cordboard_worker_starts", "Lives of a UA worker so far.", labels=["worker"]
    )
    for number, each in workers.items():
        starts.add_metric([number], each.starts)
    yield starts


def _processes(status: Status) -> Iterator[Metric]:
    yield _labelled(
        "process_up",
        "1 when a process answers.",
        "process",
        {each.role: float(each.up) for each in status.processes},
    )
    pids = {each.role: each.pid for each in status.processes if each.pid}
    pids |= {f"worker-{each.number}": each.pid for each in status.workers if each.pid}
    cpu = CounterMetricFamily(
        "cordboard_process_cpu_seconds", "Processor time used.", labels=["process"]
    )
    memory = GaugeMetricFamily(
        "cordboard_process_resident_memory_bytes", "Memory held.", labels=["process"]
    )
    for name, pid in pids.items():
        if (used := usage(pid)) is not None:
            cpu.add_metric([name], used[0])
            memory.add_metric([name], used[1])
    yield cpu
    yield memory


def usage(pid: int) -> tuple[float, int] | None:
    """Return CPU seconds and resident bytes of a process (proc_pid_stat(5)), None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def _media(media: MediaStatus) -> Iterator[Metric]:
    yield _gauge("media_streams", "RTP streams open.", media.streams)
    yield _gauge("media_ports_free", "RTP ports that a call could have now.", media.ports_free)
    yield _gauge("media_ports_draining", "RTP ports that rest after a call.", media.ports_draining)
    yield _gauge(
        "media_send_lateness_p99_seconds",
        "99th percentile of how late packets leave.",
        media.send_lateness_p99_ms / 1_000,
    )
    dropped = CounterMetricFamily(
        "cordboard_media_datagrams_dropped", "Datagrams that were no RTP of a call."
    )
    dropped.add_metric([], media.datagrams_dropped)
    yield dropped
    unauthentic = CounterMetricFamily(
        "cordboard_media_datagrams_unauthentic",
        "Datagrams that were not from the holder of the SRTP key.",
    )
    unauthentic.add_metric([], media.datagrams_unauthentic)
    yield unauthentic


def _agent(agent: AgentFigures) -> Iterator[Metric]:
    yield _gauge("agent_conversations", "Conversations held.", agent.conversations)
    yield _gauge(
        "ladder_step",
        "0 normal, 1 no provisional work, 2 short answers, 3 fast lane only, 4 refusing calls.",
        agent.ladder_step,
    )
    changes = CounterMetricFamily("cordboard_ladder_changes", "Steps taken, up and down.")
    changes.add_metric([], agent.ladder_changes)
    yield changes
    hearings = CounterMetricFamily(
        "cordboard_second_hearings", "Short answers that were recognised twice."
    )
    hearings.add_metric([], agent.second_hearings)
    yield hearings
    yield _gauge(
        "agent_loop_lag_seconds",
        "How late the agent process gets to what it has to do, mean of 2 s.",
        agent.loop_lag_ms / 1_000,
    )
    yield _gauge(
        "cpu_pressure_ratio",
        "Share of the last 10 s in which something waited for a processor.",
        agent.cpu_pressure / 100,
    )
    yield _labelled(
        "engine_wait_seconds",
        "How long calls wait for an engine's words, mean of 5 s or the longest wait now.",
        "engine",
        {job: ms / 1_000 for job, ms in agent.engine_wait_ms.items()},
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cordboard_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(f"cordboard_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


class MetricsPage:
    """The page that Prometheus reads.

    Args:
        config: where it is.
        metrics: what has grown.
        gather: what is now.
    """

    def __init__(
        self, config: MetricsConfig, metrics: Metrics, gather: Callable[[], Awaitable[Now]]
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._gather = gather

    async def run(self) -> None:
        """Serve until cancelled; a port that is taken costs the page, not the switchboard."""
        port = self._config.port
        if port is None:
            return
        collector = NowCollector(self._gather, asyncio.get_running_loop())
        self._metrics.registry.register(collector)
        try:
            server, _ = start_http_server(port, self._config.address, self._metrics.registry)
        except OSError as error:
            log.warning(
                "metrics_failed", address=self._config.address, port=port, reason=str(error)
            )
            return
        log.info("metrics_started", address=self._config.address, port=port)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()
