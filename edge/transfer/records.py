"""Turn what happened in a transfer into rows of its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge.transfer.events import AttemptEnded, AttemptTimes, Outcome
from media.messages import CallId

MS = 1_000_000

_TIMINGS = (
    *("dialed", "ringing", "answered", "whisper_ended", "accepted"),
    *("connected", "ended"),
)


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What all attempts of a transfer share."""

    call_id: CallId
    queue: str
    decided_ns: int
    """When the AI, the caller or the plan decided that a human is wanted."""
    music_ns: int | None
    """When the caller began to hear music."""


def attempt_columns(context: AttemptContext, number: int, ended: AttemptEnded) -> dict[str, Any]:
    """Return the row of one attempt; every time counts from the decision.

    Args:
        context: of the transfer.
        number: of the attempt within the call, from 1.
        ended: what the transfer said at its end.
    """
    times = {
        f"{name}_ms": _since(context.decided_ns, getattr(ended.times, f"{name}_ns"))
        for name in _TIMINGS
    }
    return {
        "call_id": context.call_id,
        "number": number,
        "queue": context.queue,
        "member": ended.member,
        "outcome": str(ended.outcome),
        "sip_status": ended.sip_status,
        "music_ms": _since(context.decided_ns, context.music_ns),
        **times,
    }


def unserved(outcome: Outcome, now_ns: int, decided_ns: int) -> AttemptEnded:
    """Return what stands for a wait in which nobody was ever rung."""
    times = AttemptTimes(dialed_ns=decided_ns, ended_ns=now_ns)
    return AttemptEnded("", outcome, 0, times)


def _since(start_ns: int, at_ns: int | None) -> int | None:
    return None if at_ns is None else (at_ns - start_ns) // MS
