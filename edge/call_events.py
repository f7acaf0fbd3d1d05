"""Say what can happen to a call, and how it can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from media.messages import StreamParameters, StreamQuality

CALLER_LEG = "caller"
"""Name of the inbound leg; later legs are ``agent-1``, ``agent-2`` ..."""


class CallState(StrEnum):
    """Where a call is; the table in :mod:`edge.call` says how it moves."""

    NEW = "new"
    OFFERED = "offered"
    PREPARING = "preparing"
    ANSWERING = "answering"
    TALKING = "talking"
    APOLOGIZING = "apologizing"
    ENDING = "ending"
    ENDED = "ended"


class Party(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    AGENT = "agent"
    OPERATOR = "operator"
    HUMAN = "human"
    """A person whom the caller was put through to."""
    CALLED = "called"
    """The far end of a number that we called."""
    SYSTEM = "system"


class EndReason(StrEnum):
    """Why a call ended; the record's ``reason``."""

    CALLER_HANGUP = "caller_hangup"
    CALLER_CANCELLED = "caller_cancelled"
    AGENT_GOODBYE = "agent_goodbye"
    AGENT_HANGUP = "agent_hangup"
    NO_INPUT = "no_input"
    HUMAN_HANGUP = "human_hangup"
    TRANSFERRED = "transferred"
    """Carrier and phone talk to each other; we are out of it."""
    VOICEMAIL = "voicemail"
    """The caller left a message."""
    CALLBACK = "callback"
    """The caller will be called back."""
    NO_HUMAN = "no_human"
    """Nobody could take the call, and the queue ends it then."""
    ANNOUNCED = "announced"
    """The plan's announcement was played to its end."""
    CALLED_HANGUP = "called_hangup"
    REJECTED = "rejected"
    """By the dial plan."""
    NOT_REACHED = "not_reached"
    """Nobody answered the number that the plan, or an operator, called."""
    MAX_DURATION = "max_duration"
    OPERATOR = "operator"
    SHUTDOWN = "shutdown"
    FULL = "full"
    NOT_READY = "not_ready"
    UNACCEPTABLE = "unacceptable"
    """No codec or no audio that we can speak (488)."""
    REFUSED = "refused"
    """Any other refusal by the UA worker."""
    ANSWER_TIMEOUT = "answer_timeout"
    NO_ACK = "no_ack"
    SIP_FAILURE = "sip_failure"
    """The dialog broke without the caller's doing: session timer, transport."""
    NEGOTIATION_FAILED = "negotiation_failed"
    MEDIA_FAILED = "media_failed"
    CONVERSATION_FAILED = "conversation_failed"
    RTP_TIMEOUT = "rtp_timeout"
    AGENT_LOST = "agent_lost"
    MEDIA_LOST = "media_lost"
    WORKER_LOST = "worker_lost"
    CONTROL_LOST = "control_lost"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Termination:
    """How a call ended; every call has exactly one."""

    who: Party
    sip_status: int
    """Final status of the INVITE, or 200 where an answered call ended with BYE."""
    reason: EndReason
    cause: str = ""
    """Detail for people: the received ``Reason`` header (RFC 3326) or what went wrong here."""


@dataclass(frozen=True, slots=True)
class InviteArrived:
    """An INVITE was taken; ``refusal`` says why it cannot be served, where it cannot."""

    refusal: Termination | None = None


@dataclass(frozen=True, slots=True)
class StreamReady:
    """Media opened a port for a leg."""

    stream: int
    address: str
    port: int
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """Media has no port for a leg."""

    reason: str
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class ConversationReady:
    """A greeting could start at once."""


@dataclass(frozen=True, slots=True)
class ConversationRefused:
    """What the plan names cannot take this call."""

    reason: str
    sip_status: int = 480
    end_reason: EndReason = EndReason.CONVERSATION_FAILED


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK came."""

    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class Negotiated:
    """An offer/answer round is complete."""

    parameters: StreamParameters
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class NegotiationFailed:
    """An offer/answer round ended in something that media cannot speak."""

    reason: str
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """Media did not configure a stream or play on it; the stream may still be open."""

    reason: str
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A leg's dialog is over."""

    by_caller: bool
    sip_status: int
    reason: str = ""
    cause: str = ""
    """Received ``Reason`` header."""
    leg: str = CALLER_LEG
    refused: bool = False
    """We called, and the far end never answered."""


@dataclass(frozen=True, slots=True)
class HangUpAsked:
    """Somebody on our side wants the call to end."""

    who: Party
    reason: EndReason
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ConversationBroken:
    """The agent process says that the conversation cannot go on."""

    reason: str


@dataclass(frozen=True, slots=True)
class AgentLost:
    """The agent process is gone."""

    cause: str = ""


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The media process is gone, and every stream with it."""

    cause: str = ""


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """The UA worker that held the leg is gone, and the dialog with it."""

    cause: str = ""
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class RtpSilent:
    """The caller's packets stopped coming."""

    silent_ms: int
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class ApologyFinished:
    """The apology's last sample left."""


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The AI, the caller by a key, or the dial plan wants a human."""

    queue: str
    reason: str
    anew: bool = False
    """There is no conversation yet that the caller could return to."""


@dataclass(frozen=True, slots=True)
class TransferOver:
    """The transfer is over; ``reason`` is what the AI goes on with, None where it does not."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Carrier and phone talk to each other: our leg is of no use any more."""


@dataclass(frozen=True, slots=True)
class ConversationResumed:
    """The AI has the caller again."""


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """Media closed a leg's stream; no quality where media could not tell it."""

    quality: StreamQuality | None
    leg: str = CALLER_LEG


@dataclass(frozen=True, slots=True)
class ConversationEnded:
    """The agent process has sent its last Turn, or will never send it."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """Our own code failed while serving this call."""

    cause: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """``next_deadline_ns`` may have come."""


Event = (
    InviteArrived
    | StreamReady
    | StreamRefused
    | ConversationReady
    | ConversationRefused
    | Confirmed
    | Negotiated
    | NegotiationFailed
    | MediaFailed
    | Disconnected
    | HangUpAsked
    | ConversationBroken
    | AgentLost
    | MediaLost
    | WorkerLost
    | RtpSilent
    | ApologyFinished
    | TransferAsked
    | TransferOver
    | HandedOver
    | ConversationResumed
    | StreamClosed
    | ConversationEnded
    | Crashed
    | TimePassed
)
