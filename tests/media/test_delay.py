"""The estimate of a path's delay."""

from __future__ import annotations

import pytest

from media.delay import WINDOW_PACKETS, DelayEstimate

pytestmark = pytest.mark.unit
MS = 1_000_000


def test_steady_path_has_no_spread() -> None:
    """Packets on the beat: base is the transit, spread is nothing."""
    delay = DelayEstimate()
    for n in range(50):
        delay.receive(160 * n, (500 + 20 * n) * MS)
    assert (delay.base_ms, delay.spread_ms) == (500, 0)
    assert delay.arrival_ms(1_600) == 700


def test_spread_covers_98_percent_and_follows() -> None:
    """One wild packet in a hundred does not count; an old path is forgotten."""
    delay = DelayEstimate()
    for n in range(200):
        late = 300 if n == 100 else n % 11
        delay.receive(160 * n, (500 + 20 * n + late) * MS)
    assert delay.spread_ms == 10
    for n in range(200, 200 + WINDOW_PACKETS):
        delay.receive(160 * n, (900 + 20 * n) * MS)
    assert (delay.base_ms, delay.spread_ms) == (900, 0)


def test_little_is_known_from_a_few_packets() -> None:
    """Before ten packets the spread is a guess, and after a reset again."""
    delay = DelayEstimate()
    delay.receive(0, 5 * MS)
    assert delay.spread_ms == 10
    delay.reset()
    assert delay.base_ms == 0
