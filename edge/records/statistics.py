"""Sum up what the records say of turns: how fast, how often cut off, what was wasted."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.records.models import CallRow, TurnRow
from media.messages import Speaker

PARTS = ("response", "endpointing", "recognition", "first_token", "first_audio")
"""Each from the caller's last audible packet, in ms."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Nearest-rank percentiles of some times in ms."""

    count: int
    p50: float
    p95: float
    worst: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """What some calls were like."""

    calls: int
    answered: int
    minutes: float
    """Of answered calls."""
    endings: dict[str, int]
    """By reason."""
    caller_turns: int
    cut_offs: int
    """Turns taken for over although the caller went on within a second."""
    wasted_s: float
    """Work on answers that were thrown away."""
    interrupted: int
    barge_in: Spread | None
    by_source: dict[str, dict[str, Spread]] = field(default_factory=dict)
    """``model``, ``fast_lane`` ... to each of PARTS that was measured. Fillers stand alone: the
    answer after one is timed from the question."""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def summarize(calls: Sequence[CallRow], turns: Iterable[TurnRow]) -> Statistics:
    """Sum up calls with all their turns."""
    times: dict[str, dict[str, list[float]]] = {}
    barge_ins: list[float] = []
    caller_turns = cut_offs = interrupted = 0
    wasted_ms = 0.0
    for turn in turns:
        detail = json.loads(turn.detail)
        interrupted += turn.interrupted
        if turn.barge_in_ms is not None:
            barge_ins.append(turn.barge_in_ms)
        if turn.speaker == Speaker.CALLER:
            caller_turns += 1
            cut_offs += int(detail.get("cut_offs", 0))
            wasted_ms += detail.get("wasted_provisional_ms", 0.0)
            continue
        for part, value in _parts(turn, detail):
            times.setdefault(turn.source, {}).setdefault(part, []).append(value)
    answered = [each for each in calls if each.answered_at is not None]
    return Statistics(
        calls=len(calls),
        answered=len(answered),
        minutes=round(sum(each.duration_ms or 0 for each in answered) / 60_000, 2),
        endings=dict(Counter(each.reason or "in progress" for each in calls).most_common()),
        caller_turns=caller_turns,
        cut_offs=cut_offs,
        wasted_s=round(wasted_ms / 1_000, 3),
        interrupted=interrupted,
        barge_in=spread_of(barge_ins),
        by_source={
            source: {part: spread for part in PARTS if (spread := spread_of(parts.get(part, [])))}
            for source, parts in sorted(times.items())
        },
    )


def answer_ms(turn: TurnRow, detail: dict[str, float]) -> float | None:
    """Return how long a caller waited for an answer, a filler in between not counted as one."""
    if turn.source != "filler" and (since := detail.get("since_question_ms")):
        return since
    return turn.response_ms


def _parts(turn: TurnRow, detail: dict[str, float]) -> list[tuple[str, float]]:
    found: list[tuple[str, float | None]] = [("response", answer_ms(turn, detail))]
    if turn.source != "filler":
        found += [
            ("endpointing", turn.endpointing_ms),
            ("recognition", turn.recognition_ms),
            ("first_token", turn.first_token_ms),
            ("first_audio", turn.first_audio_ms),
        ]
    return [(part, value) for part, value in found if value is not None]


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the percentiles of some times, None where there are none."""
    if not values:
        return None
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(len(ordered), at(0.5), at(0.95), ordered[-1])
