from __future__ import annotations

import pytest

from agent.engines.speech_text_numbers import cardinal, clock, decimal, digits, ordinal, year

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (1_299, "one thousand two hundred ninety-nine"),
        (2_000_001, "two million one"),
        (-5, "minus five"),
        (10**16, "one" + " zero" * 16),
    ],
)
def test_cardinal(number: int, said: str) -> None:
    """Whole numbers are said in words; those beyond all names digit by digit."""
    assert cardinal(number) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "first"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty-first"),
        (105, "one hundred fifth"),
    ],
)
def test_ordinal(number: int, said: str) -> None:
    """Ranks take their ending on the last word."""
    assert ordinal(number) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1999, "nineteen ninety-nine"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (2005, "two thousand five"),
        (2026, "twenty twenty-six"),
        (900, "nine hundred"),
    ],
)
def test_year(number: int, said: str) -> None:
    """Years are said in pairs, but for the first of this century."""
    assert year(number) == said


def test_written_numbers() -> None:
    """Commas are dropped, fractions and codes are said digit by digit."""
    assert decimal("1,299.50") == "one thousand two hundred ninety-nine point five zero"
    assert decimal(".5") == "zero point five"
    assert decimal("007") == "zero zero seven"
    assert digits("4-0a2") == "four zero two"


def test_clock() -> None:
    """Full hours, single minutes and both clocks."""
    assert clock(9, 0, "a") == "nine ay M"
    assert clock(9, 5, "") == "nine oh five"
    assert clock(15, 0, "") == "fifteen hundred"
