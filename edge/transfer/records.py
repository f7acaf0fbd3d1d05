"""Turn what happened in a transfer into rows of its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge.transfer.audio import TransferAudio
from edge.transfer.briefing import Briefing
from edge.transfer.events import AttemptEnded, AttemptTimes, Outcome
from edge.transfer.order import Order
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
    """When the first packet of the music left for the caller."""
    summary_ns: int | None = None
    """When the summary of the conversation was there."""
    caller_hears_ns: int | None = None
    """When the first packet with the person's voice left for the caller."""
    person_hears_ns: int | None = None
    """When the first packet with the caller's voice left for the person."""


def attempt_context(
    order: Order, queue: str, audio: TransferAudio, briefing: Briefing
) -> AttemptContext:
    """Return what is known of a transfer by now."""
    return AttemptContext(
        order.call_id,
        queue,
        order.decided_ns,
        audio.music_ns,
        briefing.summary_ns,
        audio.caller_hears_ns,
        audio.person_hears_ns,
    )


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
    met = ended.times.connected_ns is not None
    return {
        "call_id": context.call_id,
        "number": number,
        "queue": context.queue,
        "member": ended.member,
        "outcome": str(ended.outcome),
        "sip_status": ended.sip_status,
        "music_ms": _since(context.decided_ns, context.music_ns),
        **times,
        "summary_ms": _since(context.decided_ns, context.summary_ns),
        "caller_hears_ms": _since(context.decided_ns, context.caller_hears_ns) if met else None,
        "person_hears_ms": _since(context.decided_ns, context.person_hears_ns) if met else None,
    }


def unserved(outcome: Outcome, now_ns: int, decided_ns: int) -> AttemptEnded:
    """Return what stands for a wait in which nobody was ever rung."""
    times = AttemptTimes(dialed_ns=decided_ns, ended_ns=now_ns)
    return AttemptEnded("", outcome, 0, times)


def _since(start_ns: int, at_ns: int | None) -> int | None:
    return None if at_ns is None else (at_ns - start_ns) // MS
