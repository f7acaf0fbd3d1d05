"""Resampling and levels."""

from __future__ import annotations

import numpy as np
import pytest

from media.resample import StreamResampler, level_dbfs, resample, set_level
from tests.media.rtp_endpoint import dominant_hz

pytestmark = pytest.mark.unit


def sine(hz: float, rate: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """One second at half of full scale."""
    return (np.sin(2 * np.pi * hz * np.arange(rate) / rate) * 0.5).astype(np.float32)


def test_what_cannot_be_heard_at_8_khz_does_not_alias() -> None:
    """A 5 kHz tone is gone after resampling to 8 kHz, where a careless resampler has 3 kHz."""
    assert level_dbfs(resample(sine(5_000, 22_050), 22_050, 8_000)[400:-400]) < -80


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_speech_band_passes(rate: int) -> None:
    """A 1 kHz tone keeps its level and pitch down and up again."""
    down = resample(sine(1_000, rate), rate, 8_000)
    assert level_dbfs(down) == pytest.approx(-9.03, abs=0.1)
    assert abs(dominant_hz(down) - 1_000) < 2
    assert len(resample(down, 8_000, rate)) == pytest.approx(rate, abs=3)


def test_pieces_are_the_whole() -> None:
    """Resampling in pieces gives the samples of the whole clip."""
    wide = sine(700, 16_000)
    stream = StreamResampler(16_000, 8_000)
    parts = [stream.receive(wide[n : n + 1_000]) for n in range(0, 16_000, 1_000)]
    parts.append(stream.receive(np.zeros(0, dtype=np.float32), last=True))
    together = np.concatenate(parts).astype(int)
    whole = resample(wide, 16_000, 8_000).astype(int)
    assert len(together) == len(whole)
    assert np.abs(together - whole).max() <= 1


def test_levels() -> None:
    """Silence is -120; a level is set to what is asked."""
    assert level_dbfs(np.zeros(100, dtype=np.int16)) == -120
    assert level_dbfs(np.zeros(0, dtype=np.int16)) == -120
    quiet = resample(sine(500, 8_000), 8_000, 8_000)
    assert level_dbfs(set_level(quiet, -30)) == pytest.approx(-30, abs=0.1)
    assert not np.any(set_level(np.zeros(10, dtype=np.int16), -10))
