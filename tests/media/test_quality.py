"""The E-model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.quality import mos, rating

pytestmark = pytest.mark.unit


def test_clean_call_is_4_41() -> None:
    """G.711 without loss or delay has R 93.2, which is MOS 4.41 (G.107 Annex B)."""
    assert rating(0) == pytest.approx(93.2)
    assert mos(rating(0)) == pytest.approx(4.41, abs=0.01)


def test_five_percent_loss_with_concealment() -> None:
    """5 % random loss costs 95 * 5 / (5 + 25.1) points (G.107 7.5, G.113)."""
    assert rating(0.05) == pytest.approx(93.2 - 95 * 5 / 30.1)


def test_delay_of_400_ms_costs_what_the_recommendation_says() -> None:
    """Idd at 400 ms is 25 * ((1+64)^(1/6) - 3 (1+(2/3)^6)^(1/6) + 2)."""
    expected = 25 * (65 ** (1 / 6) - 3 * (1 + (2 / 3) ** 6) ** (1 / 6) + 2)
    assert rating(0, 400) == pytest.approx(93.2 - expected)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2_000))
def test_more_loss_is_never_better(one: float, two: float, delay_ms: float) -> None:
    """The score falls with loss and stays between 1 and 4.5."""
    low, high = sorted((one, two))
    good, bad = mos(rating(low, delay_ms)), mos(rating(high, delay_ms))
    assert 1 <= bad <= good + 0.01
    assert good <= 4.5
