from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.commands.calls_stats import parse_since
from edge.records.models import CallRow, TurnRow
from edge.records.statistics import summarize
from edge.records.writer import RecordWriter
from media import ConfigError
from media.cli import main

pytestmark = pytest.mark.unit

NOW_NS = 1_769_860_800_000_000_000
YAML = """home: .
dialplan:
  - agent: support
agents:
  support:
    greeting: Hello.
    instructions: Be brief.
"""


def call(call_id: str = "c1", reason: str = "caller_hangup", answered: bool = True) -> CallRow:
    at = "2026-01-31T12:00:00.000Z"
    return CallRow(
        call_id=call_id,
        offered_at=at,
        answered_at=at if answered else None,
        duration_ms=90_000 if answered else 0,
        reason=reason,
    )


def agent(source: str = "model", response_ms: int | None = None, **more: float) -> TurnRow:
    parts = {key: more.pop(key) for key in list(more) if key.endswith("_ms") and key in PARTS}
    return TurnRow(
        speaker="agent",
        source=source,
        response_ms=response_ms,
        interrupted=bool(more.pop("interrupted", 0)),
        barge_in_ms=more.pop("barge_in", None),
        detail=json.dumps(more),
        **parts,
    )


PARTS = ("endpointing_ms", "recognition_ms", "first_token_ms", "first_audio_ms")


def caller(**detail: float) -> TurnRow:
    return TurnRow(speaker="caller", source="speech", interrupted=False, detail=json.dumps(detail))


def test_response_times_are_split_by_source() -> None:
    """Each source has its own percentiles (nearest rank) of each part."""
    turns = [agent(response_ms=each, endpointing_ms=400) for each in range(100, 2_100, 100)]
    turns += [agent("fast_lane", 450)]
    by_source = summarize([call()], turns).by_source
    model = by_source["model"]["response"]
    assert (model.count, model.p50, model.p95, model.worst) == (20, 1_000, 1_900, 2_000)
    assert by_source["model"]["endpointing"].p95 == 400
    assert "first_token" not in by_source["model"]
    assert by_source["fast_lane"]["response"].p50 == 450


def test_a_filler_is_not_an_answer() -> None:
    """The answer after a filler counts from the question and the filler stands alone."""
    turns = [agent("filler", 1_700), agent("model", None, since_question_ms=2_900)]
    by_source = summarize([call()], turns).by_source
    assert by_source["filler"]["response"].p50 == 1_700
    assert by_source["model"]["response"].p50 == 2_900


def test_what_answers_nothing_is_left_out() -> None:
    """Greetings have no response time and no line."""
    assert summarize([call()], [agent("greeting")]).by_source == {}


def test_cut_offs_waste_and_endings_add_up() -> None:
    """Caller turns say what was cut off and wasted; calls say how they ended."""
    turns = [
        caller(cut_offs=1, wasted_provisional_ms=250),
        caller(),
        agent(response_ms=500, wasted_provisional_ms=250, interrupted=1, barge_in=120),
    ]
    found = summarize([call(), call("c2"), call("c3", "full", answered=False)], turns)
    assert (found.calls, found.answered, found.minutes) == (3, 2, 3.0)
    assert found.endings == {"caller_hangup": 2, "full": 1}
    assert (found.caller_turns, found.cut_offs, found.wasted_s) == (2, 1, 0.25)
    assert found.interrupted == 1
    assert found.barge_in is not None
    assert found.barge_in.p50 == 120


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", "2026-01-31T11:30:00.000Z"),
        ("2h", "2026-01-31T10:00:00.000Z"),
        ("7d", "2026-01-24T12:00:00.000Z"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31 12:00", "2026-01-31T12:00"),
    ],
)
def test_since_is_an_age_or_a_time(text: str, meant: str) -> None:
    """Ages count back from now; times are UTC as the records write them."""
    assert parse_since(text, NOW_NS) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "2w", "12:00", "-3h"])
def test_no_time_is_refused(text: str) -> None:
    """Anything else is one readable error."""
    with pytest.raises(ConfigError, match="--since"):
        parse_since(text, NOW_NS)


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A configuration whose database holds an old and a new call."""
    path = tmp_path / "cordboard.yaml"
    path.write_text(YAML)
    writer = RecordWriter(f"sqlite:///{tmp_path}/var/calls.db", tmp_path / "spool")
    writer.start()
    for call_id, at in (("old", "2020-01-01T00:00:00.000Z"), ("new", "2099-01-01T00:00:00.000Z")):
        columns = {
            **dict.fromkeys(("sip_call_id", "trunk", "source", "caller", "caller_name"), "x"),
            "called": "y",
            "direction": "inbound",
            "state": "closed",
            "call_id": call_id,
            "offered_at": at,
            "answered_at": at,
            "duration_ms": 60_000,
            "reason": "caller_hangup",
        }
        turn = {
            "call_id": call_id,
            "number": 1,
            "speaker": "agent",
            "text": "Yes.",
            "offset_ms": 5,
            "duration_ms": 5,
            "interrupted": False,
            "response_ms": 640 if call_id == "new" else 9_000,
            "source": "model",
            "detail": "{}",
        }
        writer.put(columns, (turn,))
    writer.stop()
    return str(path)


def test_stats_read_the_database(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command sums up the calls since a time, for people and for programs."""
    assert main(["calls", "stats", "--config", recorded]) == 0
    shown = capsys.readouterr().out
    assert "calls       2, answered 2, 2.0 minutes" in shown
    assert "model" in shown and "640 / 9000" in shown
    assert main(["calls", "stats", "--since", "2h", "--json", "--config", recorded]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["calls"] == 1
    assert found["by_source"]["model"]["response"]["worst"] == 640
    assert main(["calls", "stats", "--since", "2100-01", "--config", recorded]) == 0
    assert capsys.readouterr().out.strip() == "no calls since 2100-01"
