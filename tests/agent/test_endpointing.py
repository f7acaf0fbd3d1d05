from __future__ import annotations

import pytest

from agent.endpointing import (
    PRESETS,
    Completeness,
    Expectation,
    expected_answer,
    judge_words,
    required_silence_ms,
    resolve_timing,
)
from media.config.model import TurnConfig

pytestmark = pytest.mark.unit
BALANCED = PRESETS["balanced"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("What is the warranty?", Completeness.COMPLETE),
        ("How long does the battery last", Completeness.COMPLETE),
        ("My doorbell does not work.", Completeness.COMPLETE),
        ("Yes.", Completeness.COMPLETE),
        ("no thanks", Completeness.COMPLETE),
        ("My doorbell.", Completeness.UNSURE),
        ("How long?", Completeness.UNSURE),
        ("", Completeness.UNSURE),
        ("I would like to know if the", Completeness.INCOMPLETE),
        ("It works but", Completeness.INCOMPLETE),
        ("My camera is, um", Completeness.INCOMPLETE),
        ("The battery...", Completeness.INCOMPLETE),
        ("because of", Completeness.INCOMPLETE),
    ],
)
def test_words_say_whether_they_are_finished(text: str, verdict: Completeness) -> None:
    """Endings that go on, whole sentences and short answers are told apart."""
    assert judge_words(text) is verdict


@pytest.mark.parametrize("preset", PRESETS.values())
def test_more_evidence_never_asks_for_more_silence(preset: object) -> None:
    """The silence falls with the probability and stays between the two limits."""
    timing = next(each for each in PRESETS.values() if each is preset)
    for text in ("What is the warranty?", "My doorbell.", "and the"):
        waits = [required_silence_ms(timing, text, step / 10) for step in range(11)]
        assert waits == sorted(waits, reverse=True)
        assert timing.complete_ms <= waits[-1] <= waits[0] <= timing.incomplete_ms


def test_the_balanced_preset_asks_for_the_silences_it_promises() -> None:
    """About 450 ms when sure, 750 when unsure, at least 1,000 when unfinished."""
    assert required_silence_ms(BALANCED, "What is the warranty?", 1.0) == 450
    assert 650 <= required_silence_ms(BALANCED, "My doorbell.", 0.5) <= 850
    assert required_silence_ms(BALANCED, "I want to ask about the", 0.9) >= 950


def test_yes_alone_does_not_wait_for_the_turn_model() -> None:
    """A one-word answer is over after the shortest silence, whatever the voice sounds like."""
    assert required_silence_ms(BALANCED, "Yes.", 0.1) == BALANCED.complete_ms


@pytest.mark.parametrize("text", ["four seven one", "4 7 1 2", "A B C"])
def test_digits_get_patience(text: str) -> None:
    """Digits and letters wait, asked for or not."""
    assert required_silence_ms(BALANCED, text, 1.0) == BALANCED.digits_ms


def test_what_was_asked_decides_the_patience() -> None:
    """A number that was asked for is waited for even when one word was said."""
    assert required_silence_ms(BALANCED, "it is", 1.0, Expectation.DIGITS) == BALANCED.digits_ms


@pytest.mark.parametrize(
    ("said", "expectation"),
    [
        ("What is your serial number?", Expectation.DIGITS),
        ("Please spell your name.", Expectation.SPELLING),
        ("All right. Is the light red?", Expectation.YES_NO),
        ("How can I help you?", Expectation.OPEN),
        ("The warranty is two years.", Expectation.OPEN),
        ("", Expectation.OPEN),
    ],
)
def test_the_agents_words_say_what_is_expected(said: str, expectation: Expectation) -> None:
    """The last sentence decides."""
    assert expected_answer(said) is expectation


def test_a_personas_own_value_beats_its_preset() -> None:
    """Only what is given is replaced."""
    timing = resolve_timing(TurnConfig(preset="patient", complete_ms=500))
    assert timing.complete_ms == 500
    assert timing.incomplete_ms == PRESETS["patient"].incomplete_ms
