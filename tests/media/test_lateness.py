"""The lateness histogram."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.lateness import Lateness

pytestmark = pytest.mark.unit


def test_nothing_sent_is_zero() -> None:
    """No packet, no lateness."""
    assert Lateness().percentile_ms(99) == 0


@example([336_337])
@given(st.lists(st.integers(60_000, 2_000_000_000), min_size=1, max_size=300))
def test_percentile_is_at_most_a_tenth_too_high(late: list[int]) -> None:
    """The histogram's answer bounds the true one from above, closely."""
    lateness = Lateness()
    for each in late:
        lateness.receive(each)
    ordered = sorted(late)
    true = ordered[max(0, -(-len(late) * 99 // 100) - 1)] / 1e6
    assert true <= lateness.percentile_ms(99) <= true * 1.11
