from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.hours import Hours
from media.config.calendar import parse_date_span, parse_time_range, parse_weekdays
from media.config.routing import HoursConfig

pytestmark = pytest.mark.unit

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours.compile(
    HoursConfig(
        time_zone="Europe/Berlin",
        open={"mon-thu": ("08:00-12:00", "13:00-18:00"), "fri": ("22:00-06:00",)},
        holidays=("12-25", "2026-12-28..2026-12-30"),
        special={"2026-12-29": ("10:00-11:00",)},
    )
)


def wall(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime.datetime:
    """Return a wall-clock time of a zone."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-23 07:59", False),
        ("2026-11-23 08:00", True),
        ("2026-11-23 11:59", True),
        ("2026-11-23 12:00", False),
        ("2026-11-23 13:00", True),
        ("2026-11-23 18:00", False),
        ("2026-11-27 21:59", False),
        ("2026-11-27 22:00", True),
        ("2026-11-28 05:59", True),
        ("2026-11-28 06:00", False),
        ("2026-11-29 10:00", False),
        ("2026-12-25 23:00", False),
        ("2026-12-28 09:00", False),
        ("2026-12-29 09:00", False),
        ("2026-12-29 10:30", True),
        ("2026-12-31 09:00", True),
    ],
)
def test_open_and_closed(at: str, expected: bool) -> None:
    """Weekdays, breaks, nights, holidays and special days are told apart to the minute."""
    assert OFFICE.is_open(wall(at)) is expected


def test_another_zone_is_converted() -> None:
    """An instant of another zone is compared in the hours' own zone."""
    assert OFFICE.is_open(wall("2026-11-23 07:30", ZoneInfo("UTC")))
    assert not OFFICE.is_open(wall("2026-11-23 17:30", ZoneInfo("UTC")))


NIGHT = Hours.compile(HoursConfig("Europe/Berlin", {"mon-sun": ("02:00-03:00",)}))


def test_the_hour_that_the_spring_skips() -> None:
    """On 2026-03-29 Berlin has no 02:00 to 03:00, so nothing opens."""
    begin = datetime.datetime(2026, 3, 29, 0, 0, tzinfo=datetime.UTC)
    minutes = [begin + datetime.timedelta(minutes=each) for each in range(180)]
    assert not any(NIGHT.is_open(each) for each in minutes)


def test_the_hour_that_the_autumn_repeats() -> None:
    """On 2026-10-25 Berlin has 02:00 to 03:00 twice, and both passes are open."""
    begin = datetime.datetime(2026, 10, 24, 23, 0, tzinfo=datetime.UTC)
    minutes = [begin + datetime.timedelta(minutes=each) for each in range(240)]
    assert sum(NIGHT.is_open(each) for each in minutes) == 120


def test_opening_follows_the_clock_change() -> None:
    """08:00 in Berlin is 07:00 UTC in winter and 06:00 UTC in summer."""
    day = Hours.compile(HoursConfig("Europe/Berlin", {"mon-sun": ("08:00-18:00",)}))
    for date, hour in (("2026-03-28", 7), ("2026-03-29", 6), ("2026-10-25", 7)):
        opening = datetime.datetime.fromisoformat(f"{date}T{hour:02}:00+00:00")
        assert day.is_open(opening)
        assert not day.is_open(opening - datetime.timedelta(minutes=1))


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(datetime.datetime(2026, 3, 20), datetime.datetime(2026, 11, 10)).map(
        lambda each: each.replace(tzinfo=datetime.UTC)
    ),
    st.sampled_from([OFFICE, NIGHT]),
)
def test_next_change_is_the_first_change(at: datetime.datetime, hours: Hours) -> None:
    """Up to the next change nothing changes, and at it something does."""
    change = hours.next_change(at)
    assert change is not None
    assert hours.is_open(change) != hours.is_open(at)
    step = max((change - at) / 97, datetime.timedelta(minutes=1))
    probe = at
    while probe < change:
        assert hours.is_open(probe) == hours.is_open(at)
        probe += step
    assert hours.is_open(change - datetime.timedelta(microseconds=1)) == hours.is_open(at)


def test_hours_that_never_change_say_so() -> None:
    """A place that is always open has no next change."""
    always = Hours.compile(HoursConfig("UTC", {"mon-sun": ("00:00-24:00",)}))
    assert always.is_open(wall("2026-11-23 23:59:59"))
    assert always.next_change(wall("2026-11-23 10:00")) is None


@pytest.mark.parametrize(
    "text", ["8-9", "08:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "24:00-25:00", ""]
)
def test_wrong_times_are_refused(text: str) -> None:
    """Texts that are no time range are refused in words."""
    with pytest.raises(ValueError, match="expected|empty"):
        parse_time_range(text)


def test_weekdays_wrap_around_the_week() -> None:
    """sat-mon is three days."""
    assert parse_weekdays("sat-mon") == (5, 6, 0)
    with pytest.raises(ValueError, match="not a weekday"):
        parse_weekdays("mon-fry")


def test_yearly_spans_wrap_around_the_year() -> None:
    """12-24..01-02 holds New Year's Day and not the first of February."""
    span = parse_date_span("12-24..01-02")
    assert span.contains(datetime.date(2027, 1, 1))
    assert span.contains(datetime.date(2026, 12, 24))
    assert not span.contains(datetime.date(2027, 2, 1))
    for wrong in ("2026-12-25..2026-12-24", "12-25..2026-12-26", "2026-02-30", "Christmas"):
        with pytest.raises(ValueError, match="2026|Christmas"):
            parse_date_span(wrong)
