from __future__ import annotations

import math

import numpy as np
import pytest
import soxr

from agent.engines.piper_stream import (
    LeadTrimmer,
    StreamResampler,
    active_level_dbfs,
    decode_windows,
    limit,
    to_samples,
    window_bounds,
)

pytestmark = pytest.mark.unit

LEAD_SAMPLES = 32
"""4 ms of quiet stay before the first sound."""

RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("frames", [1, 11, 24, 25, 36, 37, 100, 1_000])
def test_windows_cover_the_clip(frames: int) -> None:
    """Windows follow each other without gap, the first is short and none is a crumb."""
    bounds = list(window_bounds(frames))
    assert bounds[0][0] == 0
    assert bounds[-1][1] == frames
    assert all(left[1] == right[0] for left, right in zip(bounds, bounds[1:], strict=False))
    assert bounds[0][1] <= 36
    assert all(end - start >= min(12, frames) for start, end in bounds)


def test_windows_equal_the_whole() -> None:
    """A decoder that sees eleven frames around each one gives the same audio in windows."""
    kernel = RANDOM.standard_normal(23).astype(np.float32)

    def decode(latent: np.ndarray) -> np.ndarray:
        return np.repeat(np.convolve(latent[0, 0], kernel, "same")[: latent.shape[2]], 4)

    latent = RANDOM.standard_normal((1, 1, 300)).astype(np.float32)
    windows = np.concatenate(list(decode_windows(latent, decode, 4)))
    np.testing.assert_allclose(windows, decode(latent), atol=1e-5)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 8_000])
@pytest.mark.parametrize("piece", [700, 6_144, 24_576])
def test_resampling_has_no_joins(rate_hz: int, piece: int) -> None:
    """Audio resampled in pieces equals the whole clip's to better than -90 dB at every join.

    The whole clip stands between two seconds of silence: soxr treats a hard edge in its own way.
    """
    audio = (RANDOM.standard_normal(rate_hz * 2) * 0.2).astype(np.float32)
    stream = StreamResampler(rate_hz)
    made = [stream.receive(audio[at : at + piece]) for at in range(0, audio.size, piece)]
    joined = np.concatenate([*made, stream.flush()])
    quiet = np.zeros(rate_hz, np.float32)
    whole = soxr.resample(np.concatenate([quiet, audio, quiet]), rate_hz, 8_000, quality="HQ")
    whole = whole[8_000:]
    assert joined.size == round(audio.size * 8_000 / rate_hz)
    error = np.abs(joined - whole[: joined.size]).max() / np.abs(whole).max()
    assert 20 * math.log10(max(error, 1e-9)) < -90


def test_a_tone_above_the_telephone_band_is_gone() -> None:
    """What 8 kHz cannot carry does not come back as another tone."""
    times = np.arange(22_050) / 22_050
    stream = StreamResampler(22_050)
    made = stream.receive(np.sin(2 * np.pi * 5_500 * times).astype(np.float32))
    assert np.abs(made[400:-400]).max() < 1e-4


def test_the_limiter_is_smooth_and_final() -> None:
    """Quiet audio is untouched, loud audio stays in order and below full scale."""
    ramp = np.linspace(-4, 4, 4_001, dtype=np.float32)
    bent = limit(ramp)
    np.testing.assert_array_equal(bent[np.abs(ramp) <= 0.8], ramp[np.abs(ramp) <= 0.8])
    assert np.all(np.diff(bent) >= 0)
    assert np.abs(bent).max() <= 1.0
    assert np.abs(np.diff(bent)).max() <= np.diff(ramp).max() * 1.01
    assert to_samples(ramp, 100.0).max() == 32_767


def test_the_lead_is_trimmed_once() -> None:
    """Quiet before the first sound goes but for 10 ms; pauses inside stay."""
    trimmer = LeadTrimmer()
    quiet, sound = np.zeros(1_600, np.float32), np.full(160, 0.5, np.float32)
    assert trimmer.receive(quiet).size == 0
    assert trimmer.receive(np.concatenate([quiet, sound])).size == LEAD_SAMPLES + 160
    assert trimmer.receive(quiet).size == 1_600


def test_level_counts_speech_only() -> None:
    """Pauses do not lower the level of speech; silence has none."""
    times = np.arange(8_000) / 8_000
    tone = (0.1 * np.sqrt(2) * np.sin(2 * np.pi * 300 * times)).astype(np.float32)
    padded = np.concatenate([tone, np.zeros(32_000, np.float32)])
    assert active_level_dbfs(padded, 8_000) == pytest.approx(-20, abs=0.1)
    assert active_level_dbfs(np.zeros(8_000, np.float32), 8_000) == -math.inf
