"""What a phone call was like: figures, JSON, and the line a person reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.phone.hearing import MS, Burst
from edge.phone.script import Item, ItemKind
from edge.phone.stopwatch import Spoken, measure


@dataclass(frozen=True, slots=True)
class UtteranceReport:
    """One thing the phone said and what came back; times in ms since the answer (ACK)."""

    number: int
    kind: str
    text: str
    began_ms: float
    ended_ms: float
    answered: bool
    response_ms: float | None
    """Last audible packet sent to first audible packet of the answer."""
    answer_began_ms: float | None
    answer_ended_ms: float | None
    barge_in_ms: float | None
    """First audible packet of the interruption to the last one of the interrupted speech."""
    cut_off: bool
    """The far end spoke before the utterance was over."""


@dataclass(slots=True)
class CallReport:
    """One call."""

    uri: str
    codec: str
    answered: bool = False
    sip_status: int = 0
    reason: str = ""
    retry_after_s: int | None = None
    ended_by: str = ""
    """``phone`` or ``far_end``."""
    invite_to_ringing_ms: float | None = None
    invite_to_ok_ms: float | None = None
    ack_to_greeting_ms: float | None = None
    """ACK to the first audible packet of the greeting, None where none was heard."""
    duration_ms: float = 0.0
    utterances: list[UtteranceReport] = field(default_factory=list)
    unsaid: int = 0
    """Items that were never spoken because the call ended first."""
    far_end_speech_ms: list[tuple[float, float]] = field(default_factory=list)
    """Every burst of the far end, ms since the ACK."""
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    send_lateness_max_ms: float = 0.0
    recording: str | None = None
    call_id: str | None = None
    """The service's id of the call, where it told."""
    turns: list[dict[str, Any]] = field(default_factory=list)
    """The service's own account of the call, where it could be asked."""

    @property
    def complete(self) -> bool:
        """True when the call was answered and every utterance got an answer."""
        return self.answered and not self.unsaid and all(each.answered for each in self.utterances)

    def to_json(self) -> str:
        """Serialize as one JSON document."""
        return json.dumps({**asdict(self), "complete": self.complete}, indent=2, ensure_ascii=False)


def utterance_reports(
    items: list[Item], spoken: dict[int, Spoken], bursts: tuple[Burst, ...], answered_ns: int
) -> list[UtteranceReport]:
    """Measure every utterance of a call.

    Args:
        items: the script.
        spoken: by item index.
        bursts: of the far end.
        answered_ns: when the ACK left.
    """
    reports = []
    for index in sorted(spoken):
        until_ns = spoken[index + 1].first_ns if index + 1 in spoken else None
        one = spoken[index]
        answer = measure(one, bursts, until_ns)
        reports.append(
            UtteranceReport(
                number=index + 1,
                kind=str(items[index].kind),
                text=items[index].text,
                began_ms=(one.first_ns - answered_ns) / MS,
                ended_ms=(one.last_ns - answered_ns) / MS,
                answered=answer.began_ns is not None or items[index].kind is ItemKind.DTMF,
                response_ms=answer.response_ms,
                answer_began_ms=_since(answer.began_ns, answered_ns),
                answer_ended_ms=_since(answer.ended_ns, answered_ns),
                barge_in_ms=answer.barge_in_ms,
                cut_off=answer.cut_off,
            )
        )
    return reports


def summary_lines(report: CallReport) -> list[str]:
    """Return what a person wants to know at the end."""
    if not report.answered:
        wait = f", Retry-After {report.retry_after_s} s" if report.retry_after_s else ""
        status = f"{report.sip_status} {report.reason}".strip()
        return [f"not answered: {status}{wait}"]
    responses = sorted(each.response_ms for each in report.utterances if each.response_ms)
    barge_ins = sorted(each.barge_in_ms for each in report.utterances if each.barge_in_ms)
    lines = [
        f"call of {report.duration_ms / 1_000:.1f} s, ended by "
        f"{'us' if report.ended_by == 'phone' else 'the far end'}; "
        f"{report.packets_received} packets received, {report.packets_lost} lost"
    ]
    if responses:
        lines.append(
            f"response time: median {_median(responses):.0f} ms, worst {responses[-1]:.0f} ms "
            f"({len(responses)} answers)"
        )
    if barge_ins:
        lines.append(f"interruption to silence: median {_median(barge_ins):.0f} ms")
    missing = [each.number for each in report.utterances if not each.answered]
    if missing:
        lines.append(f"no answer to utterance {', '.join(map(str, missing))}")
    if report.unsaid:
        lines.append(f"{report.unsaid} item(s) not said: the call ended first")
    if report.recording:
        lines.append(f"recording: {report.recording}")
    return lines


def _since(at_ns: int | None, from_ns: int) -> float | None:
    return None if at_ns is None else (at_ns - from_ns) / MS


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
