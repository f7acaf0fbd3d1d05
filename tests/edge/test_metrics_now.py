from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from edge.client_messages import (
    CallOfferedNews,
    CallStatus,
    ProcessStatus,
    Status,
    WorkerStatus,
)
from edge.metrics import Metrics
from edge.metrics_now import MetricsPage, Now, ask_all, usage
from edge.queues.messages import (
    PersonView,
    QueueStatus,
    QueueStatusRequest,
    QueueView,
    WaitingView,
)
from media.config.watch import MetricsConfig
from media.link import LinkClosedError
from media.load_messages import AgentFigures, AgentFiguresRequest
from media.messages import CallId, MediaStatus, Message

pytestmark = pytest.mark.integration

STATUS = Status(
    True,
    "",
    3,
    77,
    processes=(ProcessStatus("edge", True, os.getpid()), ProcessStatus("media", False, 0)),
    workers=(WorkerStatus(1, "ready", os.getpid(), 4, 2, 3, 1, 5_060),),
    calls=(
        CallStatus(CallId("a"), "talking", "x", "y", "support", 5),
        CallStatus(CallId("b"), "talking", "x", "y", "support", 9),
    ),
)
MEDIA = MediaStatus(2, 240, 8, 1.5, 17, 3)
QUEUES = QueueStatus(
    (
        QueueView(
            *("support", True, "longest_idle", ("anna", "ben")),
            (WaitingView(CallId("a"), 1, 42), WaitingView(CallId("b"), 2, 7)),
            *(10, 7, 2, 1, 0.8, 20.0, 12.5),
        ),
    ),
    (PersonView("anna", "101", "busy", 3, 4), PersonView("ben", "102", "idle", 9, 3)),
)
AGENT = AgentFigures(2, 1, 3, 4.0, 25.0, {"recognizer": 310.0}, 7)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """Answers one question, or is down."""

    def __init__(self, answer: Message | None) -> None:
        self.answer = answer

    def send(self, message: Message) -> None:
        raise AssertionError(f"nobody asked for {message}")

    async def request(self, message: Message, timeout_s: float = 5.0) -> Message:
        if self.answer is None:
            raise LinkClosedError("down")
        assert isinstance(message, AgentFiguresRequest) == isinstance(self.answer, AgentFigures)
        return self.answer


async def desk(message: Message) -> Message:
    """Answer as the queues' desk."""
    assert isinstance(message, QueueStatusRequest)
    return QUEUES


@asynccontextmanager
async def page(
    metrics: Metrics, media: Message | None, agent: Message | None
) -> AsyncIterator[str]:
    """Serve the page and give its address."""
    port = free_port()

    async def gather() -> Now:
        return await ask_all(lambda: STATUS, Process(media), Process(agent), desk)

    running = asyncio.create_task(MetricsPage(MetricsConfig(port=port), metrics, gather).run())
    await asyncio.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


async def samples(url: str) -> dict[str, float]:
    """Return each sample by its name and labels, as the real client library parses them."""
    text = await asyncio.to_thread(fetch, url)
    return {
        each.name + "".join(f" {key}={value}" for key, value in sorted(each.labels.items())): float(
            each.value
        )
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


async def test_a_scrape_shows_calls_workers_media_and_load() -> None:
    """The page holds what grew and what is now, in the text format that Prometheus parses."""
    metrics = Metrics()
    metrics.receive(CallOfferedNews(CallId("a"), "s", "x", "y"))
    async with page(metrics, MEDIA, AGENT) as url:
        found = await samples(url)
    assert found["cordboard_calls_offered_total"] == 1
    assert found["cordboard_ready"] == 1
    assert found["cordboard_call_slots"] == 3
    assert found["cordboard_calls_in_progress state=talking"] == 2
    assert found["cordboard_worker_legs worker=1"] == 2
    assert found["cordboard_worker_starts_total worker=1"] == 1
    assert found["cordboard_process_up process=media"] == 0
    assert found["cordboard_process_cpu_seconds_total process=edge"] > 0
    assert found["cordboard_process_resident_memory_bytes process=edge"] > 2**20
    assert found["cordboard_media_send_lateness_p99_seconds"] == 0.0015
    assert found["cordboard_media_datagrams_dropped_total"] == 17
    assert found["cordboard_media_datagrams_unauthentic_total"] == 3
    assert found["cordboard_ladder_step"] == 1
    assert found["cordboard_agent_loop_lag_seconds"] == 0.004
    assert found["cordboard_cpu_pressure_ratio"] == 0.25
    assert found["cordboard_engine_wait_seconds engine=recognizer"] == 0.31
    assert found["cordboard_second_hearings_total"] == 7


async def test_a_scrape_shows_queues_and_people() -> None:
    """Waiting callers, opening, service level, callers so far, and what people do."""
    async with page(Metrics(), MEDIA, AGENT) as url:
        found = await samples(url)
    assert found["cordboard_queue_waiting queue=support"] == 2
    assert found["cordboard_queue_longest_wait_seconds queue=support"] == 42
    assert found["cordboard_queue_open queue=support"] == 1
    assert found["cordboard_queue_service_level_ratio queue=support"] == 0.8
    assert found["cordboard_queue_callers_total queue=support what=abandoned"] == 2
    assert found["cordboard_people state=busy"] == 1


async def test_a_process_that_is_down_is_left_out() -> None:
    """Without media and agent the rest is still shown."""
    async with page(Metrics(), None, None) as url:
        found = await samples(url)
    assert found["cordboard_call_slots"] == 3
    assert not [each for each in found if each.startswith(("cordboard_media", "cordboard_ladder"))]


async def test_a_port_that_is_taken_costs_the_page_only() -> None:
    """The control process goes on and says what is wrong."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = MetricsConfig(port=taken.getsockname()[1])
        with capture_logs() as logs:
            await MetricsPage(config, Metrics(), lambda: asyncio.sleep(0)).run()  # type: ignore[arg-type,return-value]
    assert [each["event"] for each in logs] == ["metrics_failed"]


async def test_no_port_is_no_page() -> None:
    """``port: null`` shows nothing and opens nothing."""
    with capture_logs() as logs:
        await MetricsPage(MetricsConfig(port=None), Metrics(), lambda: asyncio.sleep(0)).run()  # type: ignore[arg-type,return-value]
    assert logs == []


def test_a_process_that_is_gone_has_no_usage() -> None:
    """A pid that nobody has is skipped."""
    assert usage(2**22 + 1) is None
