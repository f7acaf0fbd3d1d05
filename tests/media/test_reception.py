"""Loss, order and jitter figures."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.reception import Arrival, Reception

pytestmark = pytest.mark.unit
MS = 1_000_000


def test_loss_is_expected_less_received() -> None:
    """Two of ten missing are two lost, and the report says 2/10 in 1/256."""
    reception = Reception(7)
    for sequence in range(100, 110):
        if sequence not in (103, 107):
            assert reception.receive(sequence) is Arrival.FRESH
    assert (reception.expected, reception.received, reception.lost) == (10, 8, 2)
    block = reception.report()
    assert (block.ssrc, block.fraction_lost, block.packets_lost) == (7, 51, 2)
    assert block.highest_sequence == 109
    assert reception.report().fraction_lost == 0


def test_late_packet_is_not_lost() -> None:
    """A reordered packet counts as received."""
    reception = Reception(1)
    for sequence in (1, 2, 4, 3):
        reception.receive(sequence)
    assert reception.lost == 0


def test_duplicate_is_counted_and_told() -> None:
    """The second copy is refused and does not hide a loss."""
    reception = Reception(1)
    arrivals = [reception.receive(each) for each in (1, 1, 3)]
    assert arrivals == [Arrival.FRESH, Arrival.DUPLICATE, Arrival.FRESH]
    assert (reception.duplicates, reception.lost) == (1, 1)


def test_far_jump_is_a_restart_and_no_loss() -> None:
    """A jump beyond the dropout limit begins anew (RFC 3550 A.1)."""
    reception = Reception(1)
    for sequence in (1, 2, 20_000, 20_001):
        reception.receive(sequence)
    assert (reception.expected, reception.lost) == (4, 0)


def test_jitter_of_a_steady_stream_is_zero_and_of_an_alternating_one_converges() -> None:
    """Packets alternately 0 and 8 ms late have a jitter of 8 ms (RFC 3550 A.8)."""
    steady, shaky = Reception(1), Reception(2)
    for n in range(400):
        steady.measure_jitter(160 * n, 20 * MS * n)
        shaky.measure_jitter(160 * n, 20 * MS * n + (n % 2) * 8 * MS)
    assert steady.jitter_ms == 0
    assert shaky.jitter_ms == pytest.approx(8, abs=0.1)
    assert shaky.jitter_max_ms >= shaky.jitter_ms


def test_a_lone_stray_is_no_restart() -> None:
    """One packet far off is passed over; the second in a row there is the restart (A.1)."""
    reception = Reception(1)
    arrivals = [reception.receive(each) for each in (1_000, 1_001, 20_000, 1_002, 500, 501)]
    assert arrivals == [
        *[Arrival.FRESH] * 2,
        Arrival.STRAY,
        Arrival.FRESH,
        Arrival.STRAY,
        Arrival.RESTART,
    ]
    assert reception.lost == 0


@given(st.sets(st.integers(1, 300), max_size=60), st.integers(0, 2**32))
def test_any_order_gives_the_same_count(missing: set[int], seed: int) -> None:
    """However the packets between the first and the last are shuffled nearby, losses agree."""
    order = [n for n in range(0, 302) if n not in missing]
    middle = order[1:-1]
    rng = random.Random(seed)
    middle.sort(key=lambda n: n + rng.uniform(0, 20))
    reception = Reception(1)
    for sequence in [order[0], *middle, order[-1]]:
        reception.receive(sequence)
    assert reception.lost == len(missing)
