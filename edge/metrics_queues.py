"""Show Prometheus the queues of people: who waits, who is on duty, how well callers are served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edge.queues.messages import QueueStatus, QueueView


def queue_figures(status: QueueStatus) -> Iterator[Metric]:
    """Return what the queues look like at one moment; nothing where there are none."""
    if status.queues:
        yield from _now(status.queues)
        yield from _totals(status.queues)
    if status.people:
        people = GaugeMetricFamily(
            "cordboard_people", "People of all queues by what they do.", labels=["state"]
        )
        for state, count in Counter(each.state for each in status.people).items():
            people.add_metric([state], count)
        yield people


def _now(queues: tuple[QueueView, ...]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("cordboard_queue_waiting", "Callers who wait.", labels=["queue"])
    longest = GaugeMetricFamily(
        "cordboard_queue_longest_wait_seconds", "The longest wait now.", labels=["queue"]
    )
    opened = GaugeMetricFamily("cordboard_queue_open", "1 in opening hours.", labels=["queue"])
    level = GaugeMetricFamily(
        "cordboard_queue_service_level_ratio",
        "Share of callers answered in time.",
        labels=["queue"],
    )
    for each in queues:
        waiting.add_metric([each.name], len(each.waiting))
        longest.add_metric([each.name], max((one.waited_s for one in each.waiting), default=0))
        opened.add_metric([each.name], float(each.open))
        if each.service_level is not None:
            level.add_metric([each.name], each.service_level)
    yield from (waiting, longest, opened, level)


def _totals(queues: tuple[QueueView, ...]) -> Iterator[Metric]:
    callers = CounterMetricFamily(
        "cordboard_queue_callers",
        "Callers since the start: offered, answered, abandoned, sent_back.",
        labels=["queue", "what"],
    )
    for each in queues:
        callers.add_metric([each.name, "offered"], each.offered)
        callers.add_metric([each.name, "answered"], each.answered)
        callers.add_metric([each.name, "abandoned"], each.abandoned)
        callers.add_metric([each.name, "sent_back"], each.sent_back)
    yield callers
