"""Say what a call can ask of the shell around it."""

from __future__ import annotations

from dataclasses import dataclass

from edge.call_events import CALLER_LEG, EndReason, Termination
from media.messages import StreamParameters


@dataclass(frozen=True, slots=True)
class AllocateLegStream:
    """Ask media for a port; answer with StreamReady or StreamRefused."""

    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class Ring:
    """Send 180."""

    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class PrepareConversation:
    """Start the conversation; answer with ConversationReady or ConversationRefused."""

    stream: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Send 200 with media's address."""

    address: str
    port: int
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class Configure:
    """Give media what was negotiated; answer only failure, with MediaFailed."""

    stream: int
    parameters: StreamParameters
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class BeginConversation:
    """The caller hears us from now on."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class TellHeld:
    """The caller put us on hold, or took us off."""

    held: bool


@dataclass(frozen=True, slots=True)
class Apologize:
    """Play the apology; answer with ApologyFinished, or MediaFailed."""

    stream: int


@dataclass(frozen=True, slots=True)
class BeginTransfer:
    """Find a human; answer with TransferOver, or HandedOver."""

    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class AbandonTransfer:
    """The caller is gone: release every phone, then answer with TransferOver or HandedOver."""


@dataclass(frozen=True, slots=True)
class ReturnToConversation:
    """Give the caller back to the AI; answer with ConversationResumed or ConversationBroken."""

    stream: int
    reason: str
    anew: bool
    """The conversation was lost: start another one first."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the INVITE finally; ``retry_after`` asks for that header (RFC 3261 20.33)."""

    sip_status: int
    retry_after: bool = False
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class HangUp:
    """End an answered leg with BYE."""

    reason_header: str
    """Value for ``Reason`` (RFC 3326)."""
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class StopConversation:
    """End the conversation; answer with ConversationEnded."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class CloseLegStream:
    """Close a leg's stream; answer with StreamClosed."""

    stream: int
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class CallOver:
    """Nothing of the call is left; the record can be closed."""

    termination: Termination


Action = (
    AllocateLegStream
    | Ring
    | PrepareConversation
    | Answer
    | Configure
    | BeginConversation
    | TellHeld
    | Apologize
    | BeginTransfer
    | AbandonTransfer
    | ReturnToConversation
    | Reject
    | HangUp
    | StopConversation
    | CloseLegStream
    | CallOver
)
