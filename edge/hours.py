"""Say whether a place is open at an instant, and when that next changes.

Times of day are wall-clock times of the hours' own zone. On the night the clock goes forward a
range that begins in the missing hour is open from the first minute after it; on the night it goes
back both passes of the repeated hour count.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from media.config.calendar import (
    MINUTES_PER_DAY,
    DateSpan,
    TimeRange,
    parse_date_span,
    parse_time_range,
    parse_weekdays,
)
from media.config.routing import HoursConfig

_FARTHEST_CHANGE_DAYS = 400


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours ready to be asked."""

    zone: ZoneInfo
    weekly: tuple[tuple[TimeRange, ...], ...]
    """Seven entries, Monday first."""
    holidays: tuple[DateSpan, ...]
    special: tuple[tuple[DateSpan, tuple[TimeRange, ...]], ...]

    @classmethod
    def compile(cls, config: HoursConfig) -> Hours:
        """Parse the texts of one ``hours`` entry, which the reader has checked."""
        weekly: list[list[TimeRange]] = [[] for _ in range(7)]
        for days, texts in config.open.items():
            for day in parse_weekdays(days):
                weekly[day] += [parse_time_range(each) for each in texts]
        return cls(
            ZoneInfo(config.time_zone),
            tuple(tuple(each) for each in weekly),
            tuple(parse_date_span(each) for each in config.holidays),
            tuple(
                (parse_date_span(days), tuple(parse_time_range(each) for each in texts))
                for days, texts in config.special.items()
            ),
        )

    def ranges_of(self, day: datetime.date) -> tuple[TimeRange, ...]:
        """Return the ranges that begin on a day: special, else none on holidays, else weekly."""
        for span, ranges in self.special:
            if span.contains(day):
                return ranges
        if any(each.contains(day) for each in self.holidays):
            return ()
        return self.weekly[day.weekday()]

    def is_open(self, at: datetime.datetime) -> bool:
        """Say whether it is open.

        Args:
            at: an instant with its zone; a naive one is read as wall-clock time of the hours' zone.
        """
        wall = at if at.tzinfo is None else at.astimezone(self.zone)
        minute = wall.hour * 60 + wall.minute
        day = wall.date()
        if _holds(self.ranges_of(day), minute):
            return True
        if day == datetime.date.min:
            return False
        # a range that goes past midnight belongs to the day it begins on
        return _holds(self.ranges_of(day - datetime.timedelta(days=1)), minute + MINUTES_PER_DAY)

    def next_change(self, at: datetime.datetime) -> datetime.datetime | None:
        """Return the first instant after ``at`` at which open and closed swap, None if never.

        Args:
            at: an instant with its zone.
        """
        now_open = self.is_open(at)
        for instant in self._boundaries(at):
            if instant > at and self.is_open(instant) != now_open:
                return instant
        return None

    def _boundaries(self, at: datetime.datetime) -> Iterable[datetime.datetime]:
        """Yield, in order and in UTC, every instant at which something could change."""
        first = at.astimezone(self.zone).date() - datetime.timedelta(days=1)
        for offset in range(_FARTHEST_CHANGE_DAYS):
            day = first + datetime.timedelta(days=offset)
            yield from sorted(self._boundaries_of(day))

    def _boundaries_of(self, day: datetime.date) -> set[datetime.datetime]:
        midnight = datetime.datetime.combine(day, datetime.time(), self.zone)
        minutes = {0}
        yesterday = day - datetime.timedelta(days=1)
        for each in self.ranges_of(day):
            minutes |= {each.start_minute, min(each.end_minute, MINUTES_PER_DAY)}
        for each in self.ranges_of(yesterday):
            minutes.add(max(0, each.end_minute - MINUTES_PER_DAY))
        found = set()
        for minute in minutes:
            wall = midnight + datetime.timedelta(minutes=minute)  # wall-clock arithmetic
            found |= {wall.replace(fold=fold).astimezone(datetime.UTC) for fold in (0, 1)}
        for minute in range(0, MINUTES_PER_DAY, 30):  # clock changes fall on half hours
            wall = midnight + datetime.timedelta(minutes=minute)
            if wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset():
                found |= {wall.replace(fold=fold).astimezone(datetime.UTC) for fold in (0, 1)}
        return found


def _holds(ranges: tuple[TimeRange, ...], minute: int) -> bool:
    return any(each.start_minute <= minute < each.end_minute for each in ranges)
