"""Parse the texts of opening hours: times of day, weekdays and dates."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Annotated, Any

from media.config.checks import Check

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of ``datetime.date.weekday()``."""
MINUTES_PER_DAY = 1_440

_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_DATE = re.compile(r"(?:([0-9]{4})-)?([0-9]{1,2})-([0-9]{1,2})")
_A_LEAP_YEAR = 2024


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Minutes of a day, [start, end); end above 1440 reaches into the next day."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class DateSpan:
    """Days from first to last; year None means every year."""

    first: tuple[int | None, int, int]
    last: tuple[int | None, int, int]

    def contains(self, day: datetime.date) -> bool:
        """Say whether a day is in it."""
        if self.first[0] is None:
            low, high, at = self.first[1:], self.last[1:], (day.month, day.day)
            return low <= at <= high if low <= high else at >= low or at <= high
        first = datetime.date(self.first[0], *self.first[1:])
        last = datetime.date(self.last[0] or self.first[0], *self.last[1:])
        return first <= day <= last


def parse_time_range(text: str) -> TimeRange:
    """Parse "08:00-18:00"; "22:00-06:00" goes past midnight.

    Raises:
        ValueError: with what is wrong.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'"{text}" is not a time range; expected for example "08:00-18:00"')
    hours = [int(found[1]), int(found[3])]
    minutes = [int(found[2]), int(found[4])]
    start, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or start >= MINUTES_PER_DAY or end > MINUTES_PER_DAY:
        raise ValueError(f'"{text}" has no such time; expected 00:00 to 24:00')
    if start == end:
        raise ValueError(f'"{text}" is empty; the whole day is "00:00-24:00"')
    return TimeRange(start, end if end > start else end + MINUTES_PER_DAY)


def parse_weekdays(text: str) -> tuple[int, ...]:
    """Parse "mon", "mon-fri" or "sat-mon" into weekday numbers, Monday 0.

    Raises:
        ValueError: with what is wrong.
    """
    ends = [each.strip().lower() for each in text.split("-")]
    if len(ends) > 2 or any(each not in WEEKDAYS for each in ends):
        raise ValueError(f'"{text}" is not a weekday; expected {", ".join(WEEKDAYS)} or mon-fri')
    first, last = WEEKDAYS.index(ends[0]), WEEKDAYS.index(ends[-1])
    count = (last - first) % 7 + 1
    return tuple((first + each) % 7 for each in range(count))


def parse_date_span(text: str) -> DateSpan:
    """Parse "2026-12-25", "12-25" or "2026-12-24..2027-01-01".

    Raises:
        ValueError: with what is wrong.
    """
    ends = [_parse_date(each.strip(), text) for each in text.split("..")]
    if len(ends) > 2:
        raise ValueError(f'"{text}" has more than one ".."; expected 2026-12-24..2027-01-01')
    first, last = ends[0], ends[-1]
    if (first[0] is None) != (last[0] is None):
        raise ValueError(f'"{text}" gives a year at one end only; expected at both or at neither')
    if first[0] is not None and last < first:
        raise ValueError(f'"{text}" ends before it begins')
    return DateSpan(first, last)


def _parse_date(text: str, whole: str) -> tuple[int | None, int, int]:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f'"{whole}" is not a date; expected 2026-12-25 or 12-25 for every year')
    year = int(found[1]) if found[1] else None
    try:
        datetime.date(year or _A_LEAP_YEAR, int(found[2]), int(found[3]))
    except ValueError:
        raise ValueError(f'"{text}" is not in the calendar') from None
    return year, int(found[2]), int(found[3])


@dataclass(frozen=True, slots=True)
class IsTimeRange(Check):
    """Text that parse_time_range takes."""

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with the text."""
        return _problem(parse_time_range, value)


@dataclass(frozen=True, slots=True)
class IsDate(Check):
    """Text that parse_date_span takes."""

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with the text."""
        return _problem(parse_date_span, value)


@dataclass(frozen=True, slots=True)
class IsWeekdays(Check):
    """Text that parse_weekdays takes."""

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with the text."""
        return _problem(parse_weekdays, value)

    def choices(self) -> tuple[str, ...]:
        """Return the weekdays and the usual spans of them."""
        return (*WEEKDAYS, "mon-fri", "sat-sun", "mon-sun")


def _problem(parse: Any, value: Any) -> str | None:
    try:
        parse(value)
    except ValueError as error:
        return str(error)
    return None


TimeRangeText = Annotated[str, IsTimeRange()]
DateText = Annotated[str, IsDate()]
