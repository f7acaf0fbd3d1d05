"""Say what clients may ask about queues and people, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from media.messages import CallId, Message


@dataclass(frozen=True, slots=True)
class QueueStatusRequest(Message):
    """Ask how the queues are. Reply: QueueStatus."""


@dataclass(frozen=True, slots=True)
class WaitingView(Message):
    """One caller who waits."""

    call_id: CallId
    position: int
    """From 1."""
    waited_s: int
    ringing: tuple[str, ...] = ()
    """People whose phones ring for them."""
    expected_wait_s: int | None = None
    caller: str = ""
    """Number or user part."""


@dataclass(frozen=True, slots=True)
class QueueView(Message):
    """One queue."""

    name: str
    open: bool
    strategy: str
    people: tuple[str, ...]
    waiting: tuple[WaitingView, ...]
    offered: int
    answered: int
    abandoned: int
    sent_back: int
    service_level: float | None
    """Share of callers answered in time, 0 to 1."""
    service_level_s: float
    mean_wait_s: float | None


@dataclass(frozen=True, slots=True)
class PersonView(Message):
    """One person."""

    name: str
    phone: str
    state: str
    """``off_duty``, ``paused``, ``idle``, ``resting``, ``ringing``, ``busy`` or ``wrap_up``."""
    state_s: int
    """For how long."""
    calls_taken: int
    left_s: int | None = None
    """Of a wrap-up or a rest."""
    queue: str = ""
    """Whose caller was taken last."""
    call_id: str = ""
    after: str = ""
    """``off_duty`` or ``paused`` where that follows the call or the wrap-up."""
    wrap_up_s: int | None = None
    """Of the talk under way, or as it was set for the next one."""


@dataclass(frozen=True, slots=True)
class QueueStatus(Message):
    """Reply to QueueStatusRequest."""

    queues: tuple[QueueView, ...]
    people: tuple[PersonView, ...]


class Duty(StrEnum):
    """What a person may change."""

    JOIN = "join"
    LEAVE = "leave"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    WRAP_UP = "wrap-up"


class TalkChange(StrEnum):
    """What a person in a talk, or an operator, may want of it."""

    CONSULT = "consult"
    """A second person, the caller waits."""
    THREE_WAY = "three-way"
    """A second person, all three hear each other."""
    COMPLETE = "complete"
    """Leave caller and second person alone."""
    CANCEL = "cancel"
    """Release the second person, go on with the caller."""


@dataclass(frozen=True, slots=True)
class ChangeTalk(Message):
    """Change who takes part in a talk. Reply: Done or Failed (404, 409)."""

    call_id: CallId
    change: TalkChange
    person: str = ""
    """Who is wanted as second person; anybody of the queue where empty."""


@dataclass(frozen=True, slots=True)
class ChangeDuty(Message):
    """Change what a person does. Reply: PersonView or Failed (404)."""

    person: str
    duty: Duty
    seconds: int = 0
    """Of a wrap-up, or of the one after the next call; 0 ends it."""
