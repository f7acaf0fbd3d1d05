from __future__ import annotations

import pytest

from edge.client_messages import (
    CallEndedNews,
    CallOfferedNews,
    TransferEndedNews,
    TurnEndedNews,
)
from edge.metrics import Metrics, answer_ms
from media.messages import CallId, Speaker, Turn

pytestmark = pytest.mark.unit

CALL = CallId("c1")


def told(*news: object) -> Metrics:
    metrics = Metrics()
    for each in news:
        metrics.receive(each)  # type: ignore[arg-type]
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"cordboard_{name}", labels)


def said(source: str = "model", **fields: object) -> TurnEndedNews:
    turn = Turn(CALL, 1, Speaker.AGENT, "Yes.", 0, 10, source=source, **fields)  # type: ignore[arg-type]
    return TurnEndedNews(CALL, "s1", turn)


def heard(**detail: float) -> TurnEndedNews:
    turn = Turn(CALL, 1, Speaker.CALLER, "Hello?", 0, 10, source="speech", detail=detail)
    return TurnEndedNews(CALL, "s1", turn)


def test_calls_are_counted_by_how_they_ended() -> None:
    """Offered and ended calls are counters, the end with who, why and the SIP status."""
    metrics = told(
        CallOfferedNews(CALL, "s1", "a", "b"),
        CallEndedNews(CALL, "s1", "caller", 200, "hangup", "", 61_000, 4.2, None, 0.01, 3.0, 1.5),
        CallEndedNews(CALL, "s2", "system", 503, "full", "too much load", 0),
    )
    assert value(metrics, "calls_offered_total") == 1
    ended = {"ended_by": "caller", "reason": "hangup", "sip_status": "200"}
    assert value(metrics, "calls_ended_total", **ended) == 1
    refused = {"ended_by": "system", "reason": "full", "sip_status": "503"}
    assert value(metrics, "calls_ended_total", **refused) == 1
    assert value(metrics, "call_duration_seconds_count") == 1
    assert value(metrics, "call_duration_seconds_sum") == 61
    assert value(metrics, "call_mos_sum") == 4.2
    assert value(metrics, "call_loss_ratio_sum") == 0.01
    assert value(metrics, "call_jitter_seconds_sum") == 0.003
    assert value(metrics, "call_send_lateness_seconds_sum") == 0.0015


def test_response_times_are_seconds_by_source() -> None:
    """A model's answer and a reviewed one have their own histograms, with the parts."""
    metrics = told(
        said(response_ms=640, endpointing_ms=450, first_token_ms=500, first_audio_ms=630),
        said("fast_lane", response_ms=460, endpointing_ms=450),
    )
    assert value(metrics, "turn_response_seconds_sum", source="model") == 0.64
    assert value(metrics, "turn_response_seconds_bucket", source="model", le="0.7") == 1
    assert value(metrics, "turn_response_seconds_bucket", source="model", le="0.6") == 0
    assert value(metrics, "turn_response_seconds_sum", source="fast_lane") == 0.46
    assert value(metrics, "turn_endpointing_seconds_count", source="model") == 1
    assert value(metrics, "turn_first_token_seconds_sum", source="model") == 0.5
    assert value(metrics, "turn_first_audio_seconds_count", source="fast_lane") is None


def test_a_filler_is_no_answer() -> None:
    """The answer after a filler is timed from the question; the filler has its own source."""
    metrics = told(
        said("filler", response_ms=1_700, endpointing_ms=450),
        said("model", detail={"since_question_ms": 2_900.0}),
    )
    assert value(metrics, "turn_response_seconds_sum", source="filler") == 1.7
    assert value(metrics, "turn_response_seconds_sum", source="model") == 2.9
    assert value(metrics, "turn_endpointing_seconds_count", source="filler") is None


def test_what_answers_nothing_has_no_response_time() -> None:
    """A greeting counts as a turn only."""
    metrics = told(said("greeting"))
    assert value(metrics, "turns_total", speaker="agent", source="greeting") == 1
    assert value(metrics, "turn_response_seconds_count", source="greeting") is None
    assert answer_ms(Turn(CALL, 1, Speaker.AGENT, "Hello.", 0, 1, source="greeting")) is None


def test_cut_offs_waste_and_interruptions_add_up() -> None:
    """They are taken from the caller's and the agent's turns once each."""
    metrics = told(
        heard(cut_offs=1.0, wasted_provisional_ms=250.0),
        heard(cut_offs=0.0, wasted_provisional_ms=500.0),
        said(interrupted=True, barge_in_ms=180, detail={"wasted_provisional_ms": 250.0}),
    )
    assert value(metrics, "turn_cut_offs_total") == 1
    assert value(metrics, "turn_wasted_provisional_seconds_total") == 0.75
    assert value(metrics, "turns_interrupted_total") == 1
    assert value(metrics, "turn_barge_in_seconds_sum") == 0.18


def test_transfers_are_counted_by_queue_and_result() -> None:
    """Every transfer that ended counts once, its attempts as many times as there were."""
    metrics = told(TransferEndedNews(CALL, "support", "handed_over", "", 3))
    assert value(metrics, "transfers_total", queue="support", result="handed_over") == 1
    assert value(metrics, "transfer_attempts_total", queue="support") == 3
