"""Say what the dial plan and the opening hours may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from media.config.calendar import DateText, IsDate, IsWeekdays, TimeRangeText
from media.config.checks import HEADER_NAME, Between, EachKey, OnePlain, PathText, TimeZone
from media.config.pattern import PatternText


@dataclass(frozen=True, slots=True)
class HoursConfig:
    """Opening hours."""

    time_zone: Annotated[str, TimeZone()]
    """IANA name, as Europe/Berlin; the clock change is followed."""
    open: Annotated[
        dict[str, Annotated[tuple[TimeRangeText, ...], OnePlain()]], EachKey(IsWeekdays())
    ]
    """Weekdays (mon, sat, mon-fri) to times ("08:00-18:00", several in a list). A time that ends
    before it begins goes past midnight and belongs to the day it begins on."""
    holidays: Annotated[tuple[DateText, ...], OnePlain()] = ()
    """Closed days: 2026-12-24, 12-25 (every year), 2026-12-24..2027-01-01."""
    special: Annotated[
        dict[str, Annotated[tuple[TimeRangeText, ...], OnePlain()]], EachKey(IsDate())
    ] = field(default_factory=dict)
    """Dates with hours of their own; stronger than weekdays and holidays."""


@dataclass(frozen=True, slots=True)
class MatchConfig:
    """What a call must be like; everything given must hold, nothing given takes every call."""

    called: Annotated[tuple[PatternText, ...], OnePlain()] = ()
    """Number dialled: "+493012345" exactly, "+4930*" by prefix, "+49301000..+49301099" a range,
    "+4930{extension:3}" a pattern with a capture; ? is one digit, [2-5] one of some."""
    caller: Annotated[tuple[PatternText, ...], OnePlain()] = ()
    """Number of the caller, written like ``called``."""
    trunk: Annotated[tuple[str, ...], OnePlain()] = ()
    """Names under ``trunks``."""
    headers: Annotated[dict[str, str], EachKey(HEADER_NAME)] = field(default_factory=dict)
    """Header name to value; * stands for any text; case does not matter."""
    hours: str | None = None
    """Name under ``hours`` that must be open."""
    outside: str | None = None
    """Name under ``hours`` that must be closed."""
    load_at_least: Annotated[int, Between(0, 100, "percent")] | None = None
    """Calls in progress, percent of the limit."""
    load_below: Annotated[int, Between(1, 101, "percent")] | None = None
    """Calls in progress, percent of the limit."""


@dataclass(frozen=True, slots=True)
class ActionConfig:
    """What happens to a call: exactly one of agent, queue, number, announce, reject and rule."""

    agent: str | None = None
    """Name under ``agents`` that answers."""
    variables: dict[str, str] = field(default_factory=dict)
    """Given to the agent; {capture}, {called}, {caller} and {trunk} are filled in."""
    queue: str | None = None
    """Name under ``queues`` whose people answer."""
    number: str | None = None
    """Number that is called, {captures} filled in: over ``trunk``, or by this plan without one."""
    trunk: str | None = None
    """Name under ``trunks`` that ``number`` goes out over."""
    announce: PathText | None = None
    """WAV file that is played before the call ends."""
    reject: Annotated[int, Between(400, 699)] | None = None
    """Final SIP status, as 404 or 603."""
    reason: str | None = None
    """Text of the Reason header that goes with ``reject``."""
    rule: str | None = None
    """Name of another rule, whose action is taken."""
    on_failure: ActionConfig | None = None
    """Taken when the action fails: the agent is down, nobody answers, the trunk is full."""


@dataclass(frozen=True, slots=True)
class RuleConfig(ActionConfig):
    """One dial rule; the first that matches is taken."""

    name: str | None = None
    """Shown by explain and in call records; other rules refer to it."""
    match: MatchConfig = field(default_factory=MatchConfig)
    """Left out, the rule takes every call."""
