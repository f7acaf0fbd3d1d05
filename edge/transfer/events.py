"""What can happen in a transfer, what it wants done, and how one attempt can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge.queues.events import GaveUp


class TransferState(StrEnum):
    """Where a transfer is; the table in :mod:`edge.transfer.transfer` says how it moves."""

    WAITING = "waiting"
    RINGING = "ringing"
    WHISPERING = "whispering"
    JOINING = "joining"
    PARTING = "parting"
    REFERRING = "referring"
    CONNECTED = "connected"
    OVER = "over"


class Outcome(StrEnum):
    """How one attempt to reach one person ended; the record keeps exactly one per attempt."""

    CONNECTED = "connected"
    DECLINED = "declined"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    HUNG_UP_IN_WHISPER = "agent_hung_up_in_whisper"
    VOICEMAIL = "voicemail"
    CALLER_LEFT = "caller_left"
    REFUSED_BY_CARRIER = "refused_by_carrier"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


class AfterHangup(StrEnum):
    """What follows when the human hangs up."""

    END = "end"
    BACK_TO_AGENT = "agent"


class Accept(StrEnum):
    """What counts as taking the call."""

    KEY = "key"
    PICK_UP = "pick_up"


class Connect(StrEnum):
    """How caller and human are connected."""

    BRIDGE = "bridge"
    """Media joins the two legs and supervises them."""
    REFER = "refer"
    """REFER with Replaces to the caller's trunk; no RTP passes us afterwards."""
    BLIND_REFER = "blind_refer"
    """REFER to the person's address without ringing it first: the trunk calls it, not we."""


@dataclass(frozen=True, slots=True)
class TransferRules:
    """What the queue and the trunk want, as the transfer needs it."""

    accept: Accept = Accept.KEY
    accept_key: str = "1"
    decline_key: str = "2"
    repeat_key: str = "3"
    accept_timeout_ms: int = 15_000
    """From the end of the whisper (or of its repetition) to the key."""
    whisper_timeout_ms: int = 20_000
    """A whisper that has not ended by then counts as ended."""
    connect: Connect = Connect.BRIDGE
    after_hangup: AfterHangup = AfterHangup.END
    refer_first_news_ms: int = 10_000
    """REFER to its first response or NOTIFY; then the bridge takes over."""
    refer_ms: int = 40_000
    """REFER to its final NOTIFY."""
    refer_grace_ms: int = 500
    """The caller's dialog ended while referring: how long the phone's has to follow."""

    @property
    def blind(self) -> bool:
        """Whether the trunk is asked to call the phone, which we never ring."""
        return self.connect is Connect.BLIND_REFER


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class RingWanted:
    """The floor offers the caller to a member."""

    member: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class RingUnwanted:
    """The floor takes the offer back."""

    member: str
    answered_elsewhere: bool


@dataclass(frozen=True, slots=True)
class QueueGaveUp:
    """The queue sends the caller back."""

    reason: GaveUp


@dataclass(frozen=True, slots=True)
class PhoneRings:
    """180 or 183 came."""

    member: str


@dataclass(frozen=True, slots=True)
class PhoneAnswered:
    """200 came and audio is agreed."""

    member: str


@dataclass(frozen=True, slots=True)
class PhoneGone:
    """The phone's dialog is over, whoever ended it."""

    member: str
    sip_status: int
    """Final status of the INVITE before the answer; 200 after BYE; 500 where a worker died."""


@dataclass(frozen=True, slots=True)
class PhoneKey:
    """The member pressed a key."""

    member: str
    digit: str


@dataclass(frozen=True, slots=True)
class WhisperEnded:
    """The whisper's last word was played."""

    member: str


@dataclass(frozen=True, slots=True)
class VoicemailHeard:
    """A machine answered."""

    member: str


@dataclass(frozen=True, slots=True)
class VoicemailSuspected:
    """Whoever answered talks like a machine: unless a key is pressed, it was one."""

    member: str


@dataclass(frozen=True, slots=True)
class LegsJoined:
    """Media has joined the two legs."""


@dataclass(frozen=True, slots=True)
class JoinFailed:
    """Media could not join the legs."""

    reason: str


@dataclass(frozen=True, slots=True)
class LegsSplit:
    """Media has undone the join, or could not be asked."""

    heard: bool
    """Whether the caller had been sent anything of the person's voice."""


@dataclass(frozen=True, slots=True)
class ReferNews:
    """A response to REFER, or a NOTIFY about it."""

    sip_status: int
    final: bool


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller's leg is over."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody on our side ended the transfer: an operator, the service stopping."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """``next_deadline_ns`` may have come."""


TransferEvent = (
    RingWanted
    | RingUnwanted
    | QueueGaveUp
    | PhoneRings
    | PhoneAnswered
    | PhoneGone
    | PhoneKey
    | WhisperEnded
    | VoicemailHeard
    | VoicemailSuspected
    | LegsJoined
    | JoinFailed
    | LegsSplit
    | ReferNews
    | CallerGone
    | Cancelled
    | TimePassed
)


# ---------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class PlayMusic:
    """Let the caller hear hold music from now on."""


@dataclass(frozen=True, slots=True)
class DialPhone:
    """Place the member's leg."""

    member: str


@dataclass(frozen=True, slots=True)
class ReleasePhone:
    """End the member's leg: CANCEL while it rings, BYE afterwards."""

    member: str
    answered_elsewhere: bool = False
    """Say so in ``Reason`` (RFC 3326, SIP cause 200), so the phone shows no missed call."""


@dataclass(frozen=True, slots=True)
class Whisper:
    """Play the summary to the member (again)."""

    member: str


@dataclass(frozen=True, slots=True)
class JoinLegs:
    """Stop the music, join caller and member."""

    member: str


@dataclass(frozen=True, slots=True)
class SplitLegs:
    """Undo what JoinLegs began, and say whether it was heard."""


@dataclass(frozen=True, slots=True)
class SendRefer:
    """Send REFER on the caller's leg, with Replaces of the member's dialog unless it is blind."""

    member: str
    blind: bool = False


@dataclass(frozen=True, slots=True)
class ReferRefused:
    """Remember that this trunk does not take REFER."""

    sip_status: int


@dataclass(frozen=True, slots=True)
class ReleaseCaller:
    """The REFER succeeded: end our side of the caller's leg with BYE."""


@dataclass(frozen=True, slots=True)
class TellFloor:
    """Pass an event to the floor; ``event`` is one of :mod:`edge.queues.events`."""

    event: object


@dataclass(frozen=True, slots=True)
class BackToAgent:
    """The AI goes on with the caller; ``reason`` is something it can speak about."""

    reason: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """Human and caller are done with each other."""


@dataclass(frozen=True, slots=True)
class AttemptTimes:
    """When things happened in one attempt, monotonic ns; None where they did not."""

    dialed_ns: int
    ringing_ns: int | None = None
    answered_ns: int | None = None
    whisper_ended_ns: int | None = None
    accepted_ns: int | None = None
    connected_ns: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """One attempt has its outcome: write it to the record."""

    member: str
    outcome: Outcome
    sip_status: int
    times: AttemptTimes


TransferAction = (
    PlayMusic
    | DialPhone
    | ReleasePhone
    | Whisper
    | JoinLegs
    | SplitLegs
    | SendRefer
    | ReferRefused
    | ReleaseCaller
    | TellFloor
    | BackToAgent
    | EndCall
    | AttemptEnded
)
