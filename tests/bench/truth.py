"""Hold what a phone measured against what the service wrote down about the same call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.bench.caller import Caller, Measured
from tests.bench.script import Kind

SAME_BURST_MS = 200.0
"""A burst that begins so near to a turn's first packet is that turn."""
NOT_ANSWERS = ("prompt", "greeting")
"""Asking for words again, or whether anybody is there, answers nothing."""
EDGE_MS = 300.0
STAGES = ("recognition_ms", "begun_ms", "endpointing_ms", "first_token_ms", "first_audio_ms")
"""What the record has of the way to an answer, each from the caller's last audible packet."""


@dataclass(frozen=True)
class Cut:
    """A turn of the agent that was interrupted, as recorded and as the phone heard it."""

    text: str
    begin_ms: float
    end_ms: float


def judge(caller: Caller, record: dict[str, Any]) -> None:
    """Write the source, fillers and split turns of every step into its row.

    Args:
        caller: after its call.
        record: of that call, with its turns; their offsets count from the ACK, too.
    """
    bursts = caller.bursts_ms()
    agent = [each for each in record["turns"] if each["speaker"] == "agent"]
    callers = [each for each in record["turns"] if each["speaker"] == "caller"]
    for index, row in enumerate(caller.rows):
        following = [each.said_at_ms for each in caller.rows[index + 1 :] if each.said_at_ms]
        _note_words(row, callers)
        if row.kind not in (Kind.BACKCHANNEL, Kind.NOISE):
            _note_answer(row, agent, bursts, min(following, default=float("inf")))


def _note_words(row: Measured, turns: list[dict[str, Any]]) -> None:
    mine = [
        each
        for each in turns
        if each["offset_ms"] < row.ended_at_ms + EDGE_MS
        and each["offset_ms"] + each["duration_ms"] > row.said_at_ms - EDGE_MS
    ]
    row.heard = " | ".join(each["text"] for each in mine)
    row.split = len(mine) > 1


def _note_answer(
    row: Measured,
    agent: list[dict[str, Any]],
    bursts: list[tuple[float, float]],
    until_ms: float,
) -> None:
    """Find the turn that answered; a filler before it is noted and does not count."""
    for turn in agent:
        begins_ms = turn["offset_ms"]
        if not row.ended_at_ms - 20 <= begins_ms < until_ms or turn["source"] in NOT_ANSWERS:
            continue
        near = min(bursts, key=lambda each: abs(each[0] - begins_ms), default=None)
        heard_ms = begins_ms
        if near is not None and abs(near[0] - begins_ms) <= SAME_BURST_MS:
            heard_ms = near[0]
        waited_ms = round(heard_ms - row.ended_at_ms, 1)
        if turn["source"] == "filler":
            row.filler_ms = waited_ms
            continue
        row.source = turn["source"]
        row.response_ms = waited_ms
        detail = json.loads(turn["detail"])
        row.service_ms = detail.get("since_question_ms") or turn["response_ms"]
        row.stages = {
            name: float(ms)
            for name in STAGES
            if (ms := detail.get(name) if name in detail else turn.get(name)) is not None
        }
        row.answered = True
        return
    row.answered = False
    row.response_ms = None


def interrupted(record: dict[str, Any]) -> list[Cut]:
    """Return the turns of the agent that a caller cut short."""
    return [
        Cut(each["text"], each["offset_ms"], each["offset_ms"] + each["duration_ms"])
        for each in record["turns"]
        if each["speaker"] == "agent" and each["interrupted"]
    ]


def played_early(record: dict[str, Any]) -> int:
    """Return how many answers were played before the end of the turn was decided."""
    return sum(
        each["response_ms"] is not None
        and each["endpointing_ms"] is not None
        and each["response_ms"] < each["endpointing_ms"]
        for each in record["turns"]
    )
