import pytest

from edge.refusal_limit import (
    MINUTE_NS,
    MOST_PER_SOURCE,
    MOST_SOURCES,
    RefusalLimit,
    Unrecorded,
)

pytestmark = pytest.mark.unit


def test_a_flood_of_one_source_is_recorded_up_to_the_limit() -> None:
    """Ten a minute have a record; the rest is told as one number when the minute ends."""
    limit = RefusalLimit()
    admitted = [limit.admits("10.0.0.1", now_ns) for now_ns in range(2_400)]
    assert sum(admitted) == MOST_PER_SOURCE
    assert limit.admits("10.0.0.2", 2_400)
    assert limit.end_minute(MINUTE_NS - 1) is None
    assert limit.end_minute(MINUTE_NS) == Unrecorded(2_400 - MOST_PER_SOURCE, 1)
    assert limit.admits("10.0.0.1", MINUTE_NS)
    assert limit.end_minute(2 * MINUTE_NS) is None


def test_forged_sources_are_no_way_around_it() -> None:
    """Beyond so many addresses in a minute none gets a record, and memory does not grow."""
    limit = RefusalLimit()
    admitted = [limit.admits(f"10.0.{n >> 8}.{n & 255}", 0) for n in range(5_000)]
    assert sum(admitted) == MOST_SOURCES
    told = limit.end_minute(MINUTE_NS)
    assert told == Unrecorded(5_000 - MOST_SOURCES, MOST_SOURCES)
