from __future__ import annotations

import pytest

from edge.phone.hearing import MS, Burst
from edge.phone.stopwatch import Spoken, measure

pytestmark = pytest.mark.unit


def _burst(first_ms: int, last_ms: int) -> Burst:
    return Burst(first_ms * MS, last_ms * MS)


def _spoken(first_ms: int, last_ms: int, interrupts: bool = False) -> Spoken:
    return Spoken(first_ms * MS, last_ms * MS, interrupts)


def test_response_is_from_our_last_packet_to_the_first_of_the_answer() -> None:
    """The greeting before the utterance is not its answer."""
    answer = measure(_spoken(3_000, 4_000), [_burst(200, 1_500), _burst(4_700, 6_000)])
    assert answer.response_ms == 700
    assert (answer.began_ns, answer.ended_ns) == (4_700 * MS, 6_000 * MS)
    assert answer.barge_in_ms is None
    assert not answer.cut_off


def test_no_answer_is_none() -> None:
    """Silence is no answer, and nothing is made up for it."""
    answer = measure(_spoken(3_000, 4_000), [_burst(200, 1_500)])
    assert (answer.response_ms, answer.began_ns, answer.ended_ns) == (None, None, None)


def test_speech_after_the_next_utterance_began_is_not_this_ones_answer() -> None:
    """until_ns separates utterances."""
    answer = measure(_spoken(3_000, 4_000), [_burst(9_000, 9_500)], until_ns=8_000 * MS)
    assert answer.response_ms is None


def test_an_answer_lasts_over_its_inner_pauses() -> None:
    """Two bursts before the next utterance are one answer."""
    answer = measure(
        _spoken(0, 1_000), [_burst(1_500, 2_000), _burst(2_600, 3_000)], until_ns=5_000 * MS
    )
    assert answer.ended_ns == 3_000 * MS


def test_an_interruption_measures_how_long_the_far_end_talked_on() -> None:
    """Barge-in is the interrupted burst's last packet; the answer is the burst after it."""
    answer = measure(_spoken(2_000, 3_000, True), [_burst(500, 2_180), _burst(3_600, 5_000)])
    assert answer.barge_in_ms == 180
    assert answer.response_ms == 600
    assert not answer.cut_off


def test_an_interruption_into_a_pause_between_sentences_counts_the_sentence_that_followed() -> None:
    """The far end that starts its next sentence 100 ms later was interrupted all the same."""
    answer = measure(
        _spoken(2_000, 3_000, True),
        [_burst(500, 1_900), _burst(2_100, 2_250), _burst(3_500, 4_000)],
    )
    assert answer.barge_in_ms == 250
    assert not answer.cut_off


def test_an_interruption_of_nobody_has_no_barge_in() -> None:
    """When the far end had finished there is nothing to measure."""
    answer = measure(_spoken(5_000, 6_000, True), [_burst(500, 1_900), _burst(6_500, 7_000)])
    assert answer.barge_in_ms is None
    assert answer.response_ms == 500


def test_being_cut_off_is_told_and_the_answer_is_the_burst_that_lasts() -> None:
    """A burst that begins inside the utterance and outlasts it has a negative response time."""
    answer = measure(_spoken(1_000, 3_000), [_burst(2_500, 4_000)])
    assert answer.cut_off
    assert answer.response_ms == -500


def test_being_cut_off_by_someone_who_yields_is_answered_afterwards() -> None:
    """The far end that began, stopped and answered later cut us off and answered."""
    answer = measure(_spoken(1_000, 3_000), [_burst(2_000, 2_300), _burst(3_700, 4_500)])
    assert answer.cut_off
    assert answer.response_ms == 700
