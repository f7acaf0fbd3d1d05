"""Say what the control process and its clients (command line, test phone, console) tell each other.

A client connects to ``edge.sock``. ``StatusRequest`` is answered with ``Status``. ``Subscribe`` is
answered with ``Done``; from then on the news of every call come as they happen, in order, until
the client goes. News are dropped for nobody: a client that does not read is cut off after 2 s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from media.messages import CallId, Message, Turn


@dataclass(frozen=True, slots=True)
class StatusRequest(Message):
    """Ask how the switchboard is. Reply: Status."""


@dataclass(frozen=True, slots=True)
class ProcessStatus(Message):
    """One process as the control process sees it."""

    role: str
    up: bool
    pid: int
    """0 where it is not up."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStatus(Message):
    """One UA worker."""

    number: int
    state: str
    """``waiting``, ``starting`` or ``ready``."""
    pid: int
    slots: int
    legs: int
    """Legs that hold a slot now."""
    callers: int
    """Callers that it takes at once."""
    starts: int
    """Lives so far; 1 means that it never died."""
    udp_port: int
    last_reason: str = ""
    """Why the life before ended."""
    drained: bool = False
    """Keeps its calls and takes no more."""


@dataclass(frozen=True, slots=True)
class CallStatus(Message):
    """One call in progress."""

    call_id: CallId
    state: str
    caller: str
    called: str
    agent: str
    duration_s: int
    """Since the INVITE."""


@dataclass(frozen=True, slots=True)
class Status(Message):
    """Reply to StatusRequest."""

    ready: bool
    """Whether a call that came now would be answered."""
    reason: str
    """Why not, empty where it would."""
    limit: int
    """Callers at once."""
    uptime_s: int
    processes: tuple[ProcessStatus, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    calls: tuple[CallStatus, ...] = ()
    engines: dict[str, str] = field(default_factory=dict)
    records_failing: bool = False
    ladder: str = "normal"
    """What the agent process has given up for load, ``normal`` when nothing."""


@dataclass(frozen=True, slots=True)
class Subscribe(Message):
    """Ask for the news of all calls. Reply: Done."""


@dataclass(frozen=True, slots=True)
class CallOfferedNews(Message):
    """An INVITE was taken, or refused (then the end follows at once)."""

    call_id: CallId
    sip_call_id: str
    caller: str
    called: str


@dataclass(frozen=True, slots=True)
class CallAnsweredNews(Message):
    """The ACK came; the agent greets."""

    call_id: CallId
    sip_call_id: str
    agent: str
    answered_ns: int
    """Monotonic time of the ACK."""


@dataclass(frozen=True, slots=True)
class TurnEndedNews(Message):
    """Something was said."""

    call_id: CallId
    sip_call_id: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class TransferNews(Message):
    """A transfer has begun, caller and human hear each other, or a second person is there."""

    call_id: CallId
    queue: str
    what: str
    """``started`` or ``connected``; of a second person ``calling``, ``consulting``, ``three_way``
    or ``over``."""
    detail: str
    """The reason of the transfer, or the member."""


@dataclass(frozen=True, slots=True)
class TransferEndedNews(Message):
    """A transfer is over; its attempts are in the record."""

    call_id: CallId
    queue: str
    result: str
    """``returned``, ``handed_over``, ``human_hangup``, ``caller_left``, ``voicemail``,
    ``callback`` or ``no_human``."""
    reason: str
    """What the AI goes on with, where it does."""
    attempts: int


@dataclass(frozen=True, slots=True)
class CallEndedNews(Message):
    """A call is over and its record closed."""

    call_id: CallId
    sip_call_id: str
    ended_by: str
    sip_status: int
    reason: str
    cause: str
    duration_ms: int
    mos: float | None = None
    recording: str | None = None
    loss_ratio: float | None = None
    jitter_ms: float | None = None
    send_lateness_p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class DrainWorker(Message):
    """Take no more callers on a UA worker, or take them again. Reply: Done or Failed (404)."""

    number: int
    drained: bool


@dataclass(frozen=True, slots=True)
class HangUpCall(Message):
    """End a call on an operator's behalf. Reply: Done or Failed (481)."""

    call_id: CallId
