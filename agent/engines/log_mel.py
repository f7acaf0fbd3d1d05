"""Whisper's log-mel features: 25 ms Hann windows every 10 ms at 16 kHz, 80 Slaney mel bands.

After "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022), section
2.2, and the mel scale of Slaney's Auditory Toolbox (1998).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from agent.engines.base import Samples

RATE_HZ = 16_000
HOP_SAMPLES = 160
_WINDOW_SAMPLES = 400
_BANDS = 80
_FLOOR = 1e-10

Floats = NDArray[np.float32]


def to_16k(samples: Samples) -> Floats:
    """Return 8 kHz int16 audio as float32 in [-1, 1) at 16 kHz."""
    if not len(samples):
        return np.zeros(0, dtype=np.float32)
    scaled = samples.astype(np.float32) / np.float32(32_768)
    resampled: Floats = soxr.resample(scaled, 8_000, RATE_HZ, quality="HQ")
    return resampled


def log_mel(audio: Floats) -> Floats:
    """Return features ``float32[80, len(audio) // 160]`` of float audio at 16 kHz.

    The range is compressed to 8 decades below the loudest and shifted to about [-1, 1].
    """
    padded = np.pad(audio, _WINDOW_SAMPLES // 2, mode="reflect")
    frames = sliding_window_view(padded, _WINDOW_SAMPLES)[::HOP_SAMPLES][: len(audio) // 160]
    spectrum = np.fft.rfft(frames * _window(), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    logarithm = np.log10(np.maximum(_mel_filters() @ power.T, _FLOOR))
    logarithm = np.maximum(logarithm, logarithm.max() - 8.0)
    return np.ascontiguousarray((logarithm + 4.0) / 4.0, dtype=np.float32)


@cache
def _window() -> Floats:
    """A periodic Hann window."""
    return np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@cache
def _mel_filters() -> Floats:
    """Triangles of equal area on the mel scale: ``float32[80, 201]``."""
    bins_hz = np.linspace(0, RATE_HZ / 2, _WINDOW_SAMPLES // 2 + 1)
    top_mel = 15.0 + np.log(RATE_HZ / 2 / 1_000) * 27.0 / np.log(6.4)
    mels = np.linspace(0.0, top_mel, _BANDS + 2)
    edges_hz = np.where(
        mels < 15.0, mels * 200.0 / 3.0, 1_000 * np.exp((mels - 15.0) * np.log(6.4) / 27.0)
    )
    widths = np.diff(edges_hz)
    slopes = edges_hz[:, None] - bins_hz[None, :]
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    filters = np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]
    return filters.astype(np.float32)
