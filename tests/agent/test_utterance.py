"""Where in an utterance the voice is, and where a long one is cut."""

from __future__ import annotations

import numpy as np
import pytest

from agent.engines.utterance import MARGIN_SAMPLES, Utterance
from agent.engines.whisper_decode import NOTHING, judge, level_dbfs

pytestmark = pytest.mark.unit

WINDOW = 256


def utterance(*windows: float) -> Utterance:
    """Return an utterance with these speech probabilities."""
    spoken = Utterance()
    for index, probability in enumerate(windows):
        spoken.receive(np.full(WINDOW, 1_000 + index, dtype=np.int16), [probability])
    return spoken


def test_a_window_far_below_the_voice_is_silent_whatever_the_detector_says() -> None:
    """The detector goes on hearing a voice after its end; the level tells where it ended."""
    spoken = utterance(0.9, 0.9, 0.9)
    for level in (700, 3, 3, 3):
        spoken.receive(np.full(WINDOW, level, dtype=np.int16), [0.9])
    assert spoken.voiced_end_samples == 4 * WINDOW
    assert spoken.silence_samples == 3 * WINDOW


def test_in_noise_the_detector_alone_decides() -> None:
    """Noise 20 dB below the voice is loud enough for a soft word: no window is called silent."""
    spoken = utterance(0.9, 0.9)
    for probability in (0.9, 0.2, 0.1):
        spoken.receive(np.full(WINDOW, 100, dtype=np.int16), [probability])
    assert spoken.voiced_end_samples == 3 * WINDOW


def test_audio_comes_back_in_order_however_it_came() -> None:
    """Chunks of any size are one stretch, and any part of it can be had."""
    spoken = Utterance()
    everything = np.arange(1_000, dtype=np.int16)
    for start in range(0, 1_000, 160):
        spoken.receive(everything[start : start + 160], [])
    assert spoken.samples == 1_000
    assert (spoken.audio() == everything).all()
    assert (spoken.audio(100, 300) == everything[100:300]).all()


def test_a_chunk_that_the_caller_reuses_is_copied() -> None:
    """Audio already given is not changed by what is written into the buffer later."""
    spoken, buffer = Utterance(), np.ones(160, dtype=np.int16)
    spoken.receive(buffer, [])
    buffer[:] = 7
    assert (spoken.audio() == 1).all()


def test_two_voiced_windows_are_a_click_and_three_a_voice() -> None:
    """Less than 96 ms of voice is never recognised."""
    assert not utterance(0.9, 0.9, 0.1).has_voice
    assert utterance(0.9, 0.1, 0.9, 0.9).has_voice


def test_to_cover_is_the_voice_and_a_margin() -> None:
    """Silence beyond the margin adds nothing that a recognition would have to hear."""
    assert utterance(0.9, 0.9, 0.9).to_cover_samples == 3 * WINDOW
    spoken = utterance(0.9, 0.9, 0.9, *[0.0] * 20)
    assert spoken.to_cover_samples == 3 * WINDOW + MARGIN_SAMPLES
    assert spoken.silence_samples == 20 * WINDOW


def test_voice_is_found_where_it_is() -> None:
    """Only a stretch with a voiced window counts."""
    spoken = utterance(*[0.0] * 10, 0.9, *[0.0] * 10)
    assert spoken.voiced_between(0, 11 * WINDOW)
    assert not spoken.voiced_between(0, 10 * WINDOW)
    assert not spoken.voiced_between(11 * WINDOW, 21 * WINDOW)


def test_a_short_utterance_is_not_cut() -> None:
    """Up to 14 s it stays whole."""
    assert utterance(*[0.9] * 437).cut(0) is None


def test_a_long_utterance_is_cut_in_the_longest_silence() -> None:
    """The cut lies in the middle of the longest pause between 6 and 14 s."""
    windows = [0.9] * 500
    windows[200:204] = [0.0] * 4
    windows[300:320] = [0.0] * 20
    windows[10:60] = [0.0] * 50
    assert utterance(*windows).cut(0) == 310 * WINDOW


def test_a_long_utterance_without_a_pause_is_cut_where_the_voice_is_least() -> None:
    """Someone who never pauses is cut at the least voiced window."""
    windows = [0.9] * 500
    windows[250] = 0.5
    assert utterance(*windows).cut(0) == 250 * WINDOW


def test_a_cut_starts_from_what_is_frozen() -> None:
    """The second cut of a very long utterance lies 6 to 14 s behind the first."""
    spoken = utterance(*[0.9] * 1_000)
    first = spoken.cut(0)
    assert first is not None
    second = spoken.cut(first)
    assert second is not None and 48_000 - WINDOW <= second - first <= 112_000


@pytest.mark.parametrize(
    ("text", "mean_logprob", "no_speech"),
    [
        ("you", -1.3, 0.91),
        ("I'm going to go to the other side.", -1.8, 0.4),
        ("No. " * 30, -0.1, 0.0),
        ("...", -0.2, 0.0),
        ("", -0.2, 0.0),
    ],
)
def test_invented_words_are_dropped(text: str, mean_logprob: float, no_speech: float) -> None:
    """Doubtful words over no speech, hopeless words, loops and bare punctuation are nothing."""
    assert judge(text, mean_logprob, no_speech) == NOTHING


def test_real_words_are_kept() -> None:
    """A short, unsure answer is kept when speech was heard."""
    words = judge("Yeah", -1.08, 0.12)
    assert words.text == "Yeah" and 0.3 < words.confidence < 0.4


def test_level_is_that_of_the_loudest_frame() -> None:
    """A word in a long silence counts; full scale is 0 dB and silence far below."""
    samples = np.zeros(8_000, dtype=np.int16)
    assert level_dbfs(samples) < -100
    samples[1_600:1_760] = 3_277
    assert level_dbfs(samples) == pytest.approx(-20, abs=0.1)
    assert level_dbfs(samples[:100]) < -100
