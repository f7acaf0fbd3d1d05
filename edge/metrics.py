"""Keep the figures of calls and turns for Prometheus.

Counters and histograms grow with the news that every client may hear; what is *now* (calls,
slots, load) is asked for at each scrape, see :mod:`edge.metrics_now`. Seconds and ratios, as
Prometheus wants them.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from edge.client_messages import (
    CallEndedNews,
    CallOfferedNews,
    TransferEndedNews,
    TurnEndedNews,
)
from media.messages import Message, Speaker, Turn

RESPONSE_BUCKETS_S = (
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0),
)
BARGE_IN_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0)
DURATION_BUCKETS_S = (5, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600)
MOS_BUCKETS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.1, 4.2, 4.3, 4.4, 4.5)
LOSS_BUCKETS = (0.0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
JITTER_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
LATENESS_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1)

_PARTS = {
    "endpointing_ms": "last audible packet of the caller to the end-of-turn decision",
    "recognition_ms": "last audible packet of the caller to the final transcript",
    "first_token_ms": "last audible packet of the caller to the model's first token",
    "first_audio_ms": "last audible packet of the caller to the first audio in hand",
}


class Metrics:
    """The figures that grow with every call."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = _CallFigures(self.registry)
        self._turns = _TurnFigures(self.registry)
        self._transfers = _TransferFigures(self.registry)

    def receive(self, news: Message) -> None:
        """Count a piece of news."""
        match news:
            case CallOfferedNews():
                self._calls.begin()
            case CallEndedNews():
                self._calls.end(news)
            case TurnEndedNews(turn=turn):
                self._turns.count(turn)
            case TransferEndedNews():
                self._transfers.count(news)
            case _:
                pass


class _CallFigures:
    """How many calls, how long, and how they sounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._offered = Counter("cordboard_calls_offered", "Calls that came.", registry=registry)
        self._ended = Counter(
            "cordboard_calls_ended",
            "Calls that ended, by who ended them and why.",
            ("ended_by", "reason", "sip_status"),
            registry=registry,
        )
        self._durations = _histogram(
            registry, "call_duration_seconds", "ACK to end of answered calls.", DURATION_BUCKETS_S
        )
        self._mos = _histogram(registry, "call_mos", "Listening quality, ITU-T G.107.", MOS_BUCKETS)
        self._loss = _histogram(
            registry,
            "call_loss_ratio",
            "Share of the caller's packets that were lost.",
            LOSS_BUCKETS,
        )
        self._jitter = _histogram(
            registry,
            "call_jitter_seconds",
            "Interarrival jitter, RFC 3550, at the end.",
            JITTER_BUCKETS_S,
        )
        self._lateness = _histogram(
            registry,
            "call_send_lateness_seconds",
            "99th percentile per call of how late its packets left.",
            LATENESS_BUCKETS_S,
        )

    def begin(self) -> None:
        """Count a call that came."""
        self._offered.inc()

    def end(self, news: CallEndedNews) -> None:
        """Count a call that is over."""
        self._ended.labels(news.ended_by, news.reason, str(news.sip_status)).inc()
        if news.duration_ms:
            self._durations.observe(news.duration_ms / 1_000)
        if news.mos is not None:
            self._mos.observe(news.mos)
        if news.loss_ratio is not None:
            self._loss.observe(news.loss_ratio)
        if news.jitter_ms is not None:
            self._jitter.observe(news.jitter_ms / 1_000)
        if news.send_lateness_p99_ms is not None:
            self._lateness.observe(news.send_lateness_p99_ms / 1_000)


class _TurnFigures:
    """What was said, how fast, and what it cost."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._turns = Counter(
            "cordboard_turns", "Things said.", ("speaker", "source"), registry=registry
        )
        self._response = _histogram(
            registry,
            "turn_response_seconds",
            "Last audible packet of the caller to the first packet of what was said to it; "
            "fillers have their own source and do not stop the answer's clock.",
            RESPONSE_BUCKETS_S,
            "source",
        )
        self._parts = {
            field: _histogram(
                registry,
                f"turn_{field.removesuffix('_ms')}_seconds",
                f"From the {text}.",
                RESPONSE_BUCKETS_S,
                "source",
            )
            for field, text in _PARTS.items()
        }
        self._barge_in = _histogram(
            registry,
            "turn_barge_in_seconds",
            "First audible packet of an interruption to our last packet.",
            BARGE_IN_BUCKETS_S,
        )
        self._interrupted = Counter(
            "cordboard_turns_interrupted",
            "Things said that the caller cut short.",
            registry=registry,
        )
        self._cut_offs = Counter(
            "cordboard_turn_cut_offs",
            "Turns taken for over although the caller went on within a second.",
            registry=registry,
        )
        self._wasted = Counter(
            "cordboard_turn_wasted_provisional_seconds",
            "Work on answers that were thrown away because the caller went on.",
            registry=registry,
        )

    def count(self, turn: Turn) -> None:
        """Count something that was said."""
        self._turns.labels(str(turn.speaker), turn.source).inc()
        self._interrupted.inc(turn.interrupted)
        if turn.barge_in_ms is not None:
            self._barge_in.observe(turn.barge_in_ms / 1_000)
        if turn.speaker is Speaker.CALLER:
            self._cut_offs.inc(turn.detail.get("cut_offs", 0.0))
            self._wasted.inc(turn.detail.get("wasted_provisional_ms", 0.0) / 1_000)
            return
        response_ms = answer_ms(turn)
        if response_ms is not None:
            self._response.labels(turn.source).observe(response_ms / 1_000)
        for field, histogram in self._parts.items():
            value = getattr(turn, field)
            if value is not None and turn.source != "filler":
                histogram.labels(turn.source).observe(value / 1_000)


class _TransferFigures:
    """How people were reached."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._transfers = Counter(
            "cordboard_transfers",
            "Transfers to people that ended, by how.",
            ("queue", "result"),
            registry=registry,
        )
        self._attempts = Counter(
            "cordboard_transfer_attempts",
            "Attempts to reach a person.",
            ("queue",),
            registry=registry,
        )

    def count(self, news: TransferEndedNews) -> None:
        """Count a transfer that is over."""
        self._transfers.labels(news.queue, news.result).inc()
        self._attempts.labels(news.queue).inc(news.attempts)


def _histogram(
    registry: CollectorRegistry, name: str, text: str, buckets: tuple[float, ...], *labels: str
) -> Histogram:
    return Histogram(f"cordboard_{name}", text, labels, buckets=buckets, registry=registry)


def answer_ms(turn: Turn) -> float | None:
    """Return how long a caller waited for an answer, a filler in between not counted as one."""
    if turn.source != "filler" and (since := turn.detail.get("since_question_ms")):
        return since
    return turn.response_ms
