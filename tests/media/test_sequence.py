"""Wrapping counters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.sequence import Unwrapper

pytestmark = pytest.mark.unit


@given(
    st.integers(0, 65_535),
    st.lists(st.integers(-30_000, 30_000), max_size=60),
)
def test_unwrapping_follows_the_true_counter(start: int, steps: list[int]) -> None:
    """Whatever order counters come in, within half the range they unwrap to the truth."""
    unwrapper = Unwrapper(16)
    assert unwrapper.receive(start) == start
    highest = start
    for step in steps:
        true = highest + step
        assert unwrapper.receive(true % 65_536) == true
        highest = max(highest, true)


def test_timestamp_wraps_at_32_bits() -> None:
    """A timestamp goes on past 2**32, and a reordered one comes out below."""
    unwrapper = Unwrapper(32)
    assert unwrapper.receive(0xFFFFFF60) == 0xFFFFFF60
    assert unwrapper.receive(0) == 0x100000000
    assert unwrapper.receive(0xFFFFFF60) == 0xFFFFFF60


def test_reset_forgets() -> None:
    """After a reset the next value is taken as it is."""
    unwrapper = Unwrapper(16)
    unwrapper.receive(65_535)
    unwrapper.receive(0)
    unwrapper.reset()
    assert unwrapper.receive(5) == 5
