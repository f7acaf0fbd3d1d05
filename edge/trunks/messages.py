"""Say what clients can ask about trunks, and how they have calls placed."""

from __future__ import annotations

from dataclasses import dataclass, field

from media.messages import CallId, Message


@dataclass(frozen=True, slots=True)
class TrunksRequest(Message):
    """Ask how the trunks are. Reply: Trunks."""


@dataclass(frozen=True, slots=True)
class ServerStatus(Message):
    """One server of a trunk."""

    name: str
    """As configured."""
    server: str
    """Transport, address and port."""
    state: str
    """``unknown``, ``up`` or ``down``."""
    round_trip_ms: int | None = None
    registration: str = ""
    """Empty where we do not register; ``registered``, ``asked`` or ``waiting``."""
    registered_for_s: int = 0
    """How long the registration is still good."""
    next_attempt_s: int | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class TrunkStatus(Message):
    """One trunk."""

    name: str
    description: str
    calls: int
    limit: int | None
    servers: tuple[ServerStatus, ...] = ()
    unresolved: tuple[str, ...] = ()
    """Names without an address."""


@dataclass(frozen=True, slots=True)
class Trunks(Message):
    """Reply to TrunksRequest."""

    trunks: tuple[TrunkStatus, ...]
    unknown_source: str
    """What a caller from no trunk gets."""


@dataclass(frozen=True, slots=True)
class PlaceCall(Message):
    """Have a persona call somebody. Reply: CallPlaced, or Failed where it cannot begin."""

    agent: str
    to: str
    """E.164, or as the trunk writes numbers."""
    caller: str = ""
    """Number to show, where the trunk shows callers."""
    trunk: str = ""
    """Empty takes the only trunk that has servers."""
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallPlaced(Message):
    """Reply to PlaceCall; what becomes of it is told to subscribers as of any call."""

    call_id: CallId
    trunk: str


@dataclass(frozen=True, slots=True)
class ProbeTrunk(Message):
    """Ask the servers of a trunk what they can do. Reply: TrunkProbed, or Failed."""

    trunk: str
    call: str = ""
    """Number that is called besides; empty calls nobody."""
    ring_s: float = 20.0
    """How long it may ring before the call is taken back."""


@dataclass(frozen=True, slots=True)
class ServerProbed(Message):
    """What one server said to OPTIONS."""

    server: str
    sip_status: int
    """0: nothing came."""
    round_trip_ms: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True)
class CallProbed(Message):
    """What a call of one number showed."""

    server: str
    number: str
    sip_status: int
    """Final; 200 where it was answered, 487 where it was taken back, 408 where nothing came."""
    reason: str = ""
    provisional: tuple[str, ...] = ()
    """As ``183 Session Progress``, each once."""
    ringing_ms: int | None = None
    """To the first of them."""
    answered_ms: int | None = None
    early_media: bool = False
    """A provisional answer had SDP."""
    reliable: bool = False
    """A provisional answer asked for PRACK."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the 200, and of provisional answers where it has none."""
    body: str = ""
    """The far end's SDP."""


@dataclass(frozen=True, slots=True)
class TrunkProbed(Message):
    """Reply to ProbeTrunk."""

    trunk: str
    servers: tuple[ServerProbed, ...]
    calls: tuple[CallProbed, ...] = ()
    """At most one."""
