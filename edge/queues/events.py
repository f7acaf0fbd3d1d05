"""What happens on the floor of people and callers, and what the floor wants done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Activity(StrEnum):
    """What a member is doing, apart from being logged in or paused."""

    IDLE = "idle"
    RINGING = "ringing"
    BUSY = "busy"
    WRAP_UP = "wrap_up"


class OfferResult(StrEnum):
    """How one offer to one member ended without a connection."""

    DECLINED = "declined"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    HUNG_UP = "hung_up"
    """Picked up, then hung up in the whisper."""


class GaveUp(StrEnum):
    """Why a caller leaves the queue unserved; the AI can speak about each."""

    FULL = "full"
    CLOSED = "closed"
    NOBODY_HERE = "nobody_here"
    NO_ANSWER = "no_answer"
    MAX_WAIT = "max_wait"


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class CallerJoined:
    """A caller wants somebody from a queue."""

    ticket: str
    queue: str
    priority: int = 0
    """Higher is served first."""
    skills: frozenset[str] = frozenset()
    """All of them are needed."""
    open: bool = True
    """Whether the queue's hours say it is open."""
    only: str = ""
    """The one member who is wanted; empty for anybody."""


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller hung up, or was taken out of the queue."""

    ticket: str


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """A member accepted the caller: the two talk from now on."""

    ticket: str
    member: str


@dataclass(frozen=True, slots=True)
class OfferPickedUp:
    """A member picked up and hears the whisper: the other phones stop ringing."""

    ticket: str
    member: str


@dataclass(frozen=True, slots=True)
class OfferEnded:
    """A member's offer ended without a connection."""

    ticket: str
    member: str
    result: OfferResult


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """A member's conversation with a caller is over: wrap-up begins."""

    member: str


@dataclass(frozen=True, slots=True)
class MemberLoggedIn:
    """A member joins the floor."""

    member: str
    online: bool


@dataclass(frozen=True, slots=True)
class MemberPaused:
    """A member pauses or comes back."""

    member: str
    paused: bool


@dataclass(frozen=True, slots=True)
class WrapUpSet:
    """A member prolongs or ends its wrap-up; 0 ends it now.

    Of a member that neither talks nor wraps up the next talk's is set; 0 takes that back.
    """

    member: str
    seconds: int


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The floor's ``next_deadline_ns`` has come."""


FloorEvent = (
    CallerJoined
    | CallerLeft
    | OfferPickedUp
    | OfferAccepted
    | OfferEnded
    | TalkEnded
    | MemberLoggedIn
    | MemberPaused
    | WrapUpSet
    | DeadlinePassed
)


# ---------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring this member for this caller; end it after ``timeout_ms`` with NO_ANSWER."""

    ticket: str
    member: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class StopRinging:
    """Cancel the offer: the caller is gone, or another member has them."""

    ticket: str
    member: str
    answered_elsewhere: bool


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the caller where they stand."""

    ticket: str
    position: int
    """From 1."""
    expected_wait_s: int | None
    """None while nothing is known."""


@dataclass(frozen=True, slots=True)
class SendBack:
    """The queue cannot serve this caller; its configured fallback follows."""

    ticket: str
    reason: GaveUp


FloorAction = Ring | StopRinging | Announce | SendBack
