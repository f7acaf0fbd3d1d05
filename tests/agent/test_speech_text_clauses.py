from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.speech_text_clauses import ClauseSplitter

pytestmark = pytest.mark.unit


def split(text: str, size: int = 3) -> list[str]:
    """Feed a text in small pieces."""
    splitter = ClauseSplitter()
    found = []
    for at in range(0, len(text), size):
        found += splitter.receive(text[at : at + size])
    return found + splitter.flush()


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        (
            "The battery lasts six months, and it charges in four hours. Anything else?",
            ["The battery lasts six months,", "and it charges in four hours.", "Anything else?"],
        ),
        (
            "Hold the button on the back and wait until it blinks. Done.",
            ["Hold the button on the back", "and wait until it blinks.", "Done."],
        ),
        ("Sure, it is two years.", ["Sure, it is two years."]),
        ("Use the 2.4 GHz band. Not 5.", ["Use the 2.4 GHz band.", "Not 5."]),
        (
            "Write to help.desk@example.com or see www.orion.example today.",
            ["Write to help.desk@example.com", "or see www.orion.example today."],
        ),
        (
            "Ask Dr. Smith, e.g. at 9 a.m. on Monday.",
            ["Ask Dr. Smith,", "e.g. at 9 a.m. on Monday."],
        ),
        ("It costs $1,299.99 now.", ["It costs $1,299.99 now."]),
        ("No. It is not.", ["No.", "It is not."]),
        ("1. Open the app. 2. Tap reset.", ["1. Open the app.", "2. Tap reset."]),
        (
            "The kit (cable, plug, and screws) is free. Yes.",
            ["The kit (cable, plug, and screws) is free.", "Yes."],
        ),
        ("One\nTwo", ["One", "Two"]),
        ("   ", []),
    ],
)
def test_cuts(text: str, clauses: list[str]) -> None:
    """Clauses end where a speaker would breathe, and nowhere else."""
    assert split(text) == clauses


def test_the_first_clause_comes_early() -> None:
    """A first clause is out before its sentence has ended."""
    splitter = ClauseSplitter()
    assert splitter.receive("The warranty covers two years, but") == [
        "The warranty covers two years,"
    ]


def test_later_clauses_are_longer() -> None:
    """After the first clause a comma no longer cuts a short sentence."""
    splitter = ClauseSplitter()
    assert splitter.receive("That is fine. Then, if you like, call us. ") == [
        "That is fine.",
        "Then, if you like, call us.",
    ]


@given(st.text(alphabet="ab .,!?;()1\n-", max_size=120), st.integers(1, 7))
def test_nothing_is_lost(text: str, size: int) -> None:
    """Clauses hold all characters in order, and do not depend on how the text is cut."""
    found = split(text, size)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(each == each.strip() and each for each in found)


def test_the_first_clause_ends_before_a_phrase_that_can_wait() -> None:
    """Four words are enough to begin with; later clauses are not cut there."""
    splitter = ClauseSplitter()
    text = "You can return it within 30 days in the original box for a full refund. "
    assert splitter.receive(text) == [
        "You can return it",
        "within 30 days in the original box for a full refund.",
    ]
    assert ClauseSplitter().receive("We work with Alexa and ") == []
