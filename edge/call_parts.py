"""Say what a call remembers: its legs, its times, and how long each stage may take."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.call_events import EndReason
from media import LocalError
from media.messages import StreamParameters, StreamQuality

Q850 = {
    EndReason.AGENT_GOODBYE: 16,
    EndReason.AGENT_HANGUP: 16,
    EndReason.NO_INPUT: 16,
    EndReason.OPERATOR: 16,
    EndReason.HUMAN_HANGUP: 16,
    EndReason.TRANSFERRED: 16,
    EndReason.VOICEMAIL: 16,
    EndReason.CALLBACK: 16,
    EndReason.ANNOUNCED: 16,
    EndReason.CALLED_HANGUP: 16,
    EndReason.NO_HUMAN: 19,
    EndReason.MAX_DURATION: 102,
    EndReason.RTP_TIMEOUT: 102,
    EndReason.NO_ACK: 102,
}
"""Q.850 causes: 16 normal clearing, 19 no answer, 102 recovery on timer expiry; else 41."""


class IllegalEventError(LocalError):
    """An event that cannot happen in this state: a fault of the shell."""


@dataclass(slots=True)
class CallTimes:
    """When the stages of a call were reached, monotonic ns, None while they were not."""

    offered_ns: int | None = None
    ringing_ns: int | None = None
    answered_ns: int | None = None
    """200 was sent."""
    confirmed_ns: int | None = None
    """ACK came."""
    ended_ns: int | None = None
    """The decision or the news that the call is over."""


@dataclass(slots=True)
class Leg:
    """What the call knows of one of its dialogs."""

    name: str
    stream: int | None = None
    stream_asked: bool = False
    stream_gone: bool = True
    """No stream of this leg is open at media (never asked for, or closed)."""
    dialog_gone: bool = False
    confirmed: bool = False
    parameters: StreamParameters | None = None
    quality: StreamQuality | None = None
    rounds: int = 0
    """Offer/answer rounds completed."""
    held: bool = False


@dataclass(frozen=True, slots=True)
class CallTimers:
    """How long a call may stay where it is."""

    answer_timeout_ms: int = 10_000
    max_call_ms: int = 3_600_000
    no_ack_ms: int = 34_000
    """A little over 64*T1, for which the 200 is repeated (RFC 3261 section 13.3.1.4)."""
    apology_ms: int = 12_000
    ending_ms: int = 4_000
    """Wait for the other processes' last words; more than the 2 s after which a link is down."""
    retry_reasons: frozenset[EndReason] = field(
        default_factory=lambda: frozenset(
            {
                EndReason.FULL,
                EndReason.NOT_READY,
                EndReason.MEDIA_FAILED,
                EndReason.AGENT_LOST,
                EndReason.MEDIA_LOST,
                EndReason.SHUTDOWN,
                EndReason.CONVERSATION_FAILED,
            }
        )
    )
    """Refusals of these kinds carry Retry-After with their 503."""
