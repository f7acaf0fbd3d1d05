"""Loss concealment."""

from __future__ import annotations

import numpy as np
import pytest

from media.concealment import Concealer

pytestmark = pytest.mark.unit


def voice(start: int, length: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """A sound of 125 Hz with harmonics, like a vowel."""
    at = np.arange(start, start + length)
    wave = sum(np.sin(2 * np.pi * 125 * k * at / 8_000) / k for k in range(1, 8))
    return np.asarray(wave * 4_000, dtype=np.int16)


def test_lost_vowel_goes_on() -> None:
    """Ten milliseconds of a periodic sound are stood in for almost exactly."""
    concealer = Concealer()
    for n in range(5):
        concealer.receive(voice(160 * n, 160))
    made = concealer.conceal(80).astype(float)
    true = voice(800, 80).astype(float)
    assert float(np.std(made - true)) < 0.1 * float(np.std(true))


def test_long_loss_fades_to_silence() -> None:
    """After 60 ms there is nothing left to repeat."""
    concealer = Concealer()
    concealer.receive(voice(0, 480))
    levels = [float(np.std(concealer.conceal(80).astype(float))) for _ in range(10)]
    assert levels[1:6] == sorted(levels[1:6], reverse=True)
    assert levels[0] > 2_000
    assert levels[7:] == [0, 0, 0]


def test_good_audio_passes_untouched() -> None:
    """Without a loss the very samples come back."""
    concealer = Concealer()
    samples = voice(0, 160)
    assert concealer.receive(samples) is samples


def test_first_packet_after_a_loss_is_blended_and_the_next_is_not() -> None:
    """Only the first 5 ms after a loss differ from what came."""
    concealer = Concealer()
    concealer.receive(voice(0, 480))
    concealer.conceal(160)
    quiet = np.zeros(160, dtype=np.int16)
    blended = concealer.receive(quiet)
    assert np.any(blended[:40])
    assert not np.any(blended[40:])
    assert concealer.receive(quiet) is quiet


def test_loss_in_silence_is_silence() -> None:
    """There is nothing to repeat, and nothing is divided by zero."""
    assert not np.any(Concealer().conceal(480))
