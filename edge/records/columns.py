"""Turn what happened in a call into columns of its record."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from edge.call_events import Termination
from edge.call_parts import CallTimes
from edge.records.models import RecordState
from edge.records.writer import utc_text
from media.messages import CallId, StreamQuality, Turn

MS = 1_000_000

_QUALITY = (
    *("packets_received", "packets_sent", "packets_lost", "loss_ratio", "packets_late"),
    *(
        "packets_foreign",
        "packets_malformed",
        "packets_unauthentic",
        "srtp_suite",
        "jitter_ms",
        "jitter_max_ms",
        "concealed_ms",
    ),
    *("remote_loss_ratio", "round_trip_ms", "mos", "send_lateness_p99_ms", "recording"),
)


@dataclass(frozen=True, slots=True)
class Parties:
    """Who called whom, over what."""

    sip_call_id: str
    caller: str
    called: str
    source: str
    caller_name: str = ""
    trunk: str = "default"


@dataclass(frozen=True, slots=True)
class WallClock:
    """Translate monotonic times to UTC, by one reading of both clocks."""

    offset_ns: int
    """Wall clock less monotonic clock."""

    @classmethod
    def read(cls) -> WallClock:
        """Read both clocks now."""
        return cls(time.time_ns() - time.monotonic_ns())

    def text(self, monotonic_ns: int | None) -> str | None:
        """Return UTC as text, None for a time that never was."""
        return None if monotonic_ns is None else utc_text(monotonic_ns + self.offset_ns)


def new_call_id(wall_ns: int) -> CallId:
    """Return an id that sorts by time: ``20260131-120000-123-4f2a9c``."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
    return CallId(f"{stamp}-{rest // 1_000_000:03}-{secrets.token_hex(3)}")


def opening(
    call_id: CallId, parties: Parties, times: CallTimes, clock: WallClock, agent: str | None
) -> dict[str, Any]:
    """Return the columns of a call that has just been offered."""
    return {
        "call_id": call_id,
        "state": RecordState.OPEN,
        "direction": "inbound",
        "sip_call_id": parties.sip_call_id,
        "trunk": parties.trunk,
        "source": parties.source,
        "caller": parties.caller,
        "caller_name": parties.caller_name,
        "called": parties.called,
        "agent": agent,
        "offered_at": clock.text(times.offered_ns),
    }


def stages(call_id: CallId, times: CallTimes, clock: WallClock) -> dict[str, Any]:
    """Return the columns that say which stages a call has reached."""
    return {
        "call_id": call_id,
        "ringing_at": clock.text(times.ringing_ns),
        "answered_at": clock.text(times.confirmed_ns),
    }


def closing(
    call_id: CallId,
    times: CallTimes,
    clock: WallClock,
    termination: Termination,
    quality: StreamQuality | None,
) -> dict[str, Any]:
    """Return the columns that close a record."""
    columns = stages(call_id, times, clock)
    columns |= {
        "state": RecordState.CLOSED,
        "ended_at": clock.text(times.ended_ns),
        "duration_ms": duration_ms(times),
        "ended_by": str(termination.who),
        "sip_status": termination.sip_status,
        "reason": str(termination.reason),
        "cause": termination.cause,
    }
    if quality is not None:
        columns |= {name: getattr(quality, name) for name in _QUALITY}
    return columns


def duration_ms(times: CallTimes) -> int:
    """Return ACK to end, 0 for a call that was never answered."""
    if times.confirmed_ns is None or times.ended_ns is None:
        return 0
    return (times.ended_ns - times.confirmed_ns) // MS


def turn_columns(turn: Turn, confirmed_ns: int) -> dict[str, Any]:
    """Return the columns of one turn.

    Args:
        turn: as the agent process told it.
        confirmed_ns: time of the ACK, from which offsets count.
    """
    return {
        "call_id": turn.call_id,
        "number": turn.number,
        "speaker": str(turn.speaker),
        "text": turn.text,
        "offset_ms": (turn.started_ns - confirmed_ns) // MS,
        "duration_ms": (turn.ended_ns - turn.started_ns) // MS,
        "interrupted": turn.interrupted,
        "endpointing_ms": turn.endpointing_ms,
        "recognition_ms": turn.recognition_ms,
        "first_token_ms": turn.first_token_ms,
        "first_audio_ms": turn.first_audio_ms,
        "response_ms": turn.response_ms,
        "barge_in_ms": turn.barge_in_ms,
        "source": turn.source,
        "detail": json.dumps(turn.detail, separators=(",", ":")),
    }
