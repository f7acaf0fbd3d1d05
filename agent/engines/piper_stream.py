"""Turn a voice's latent into 8 kHz audio piece by piece, without joins that could be heard.

Sans-IO. Latent frames go through the decoder in windows that overlap by more than its receptive
field, then through the resampler in blocks with context on both sides, then through a constant
gain and a limiter without memory. So every sample equals that of the whole clip (the decoder's to
better than -100 dB).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

from agent.engines.base import Samples

Floats = NDArray[np.float32]

RATE_HZ = 8_000
"""What the telephone takes."""
OVERLAP_FRAMES = 12
"""Latent frames of context on each side; the decoder of a Piper voice sees 11."""
_FIRST_FRAMES = 24
"""The first window: about 280 ms of audio for a tenth of a long sentence's work."""
_GROWTH = 2
_LONGEST_FRAMES = 96
_CONTEXT_MS = 40
"""Context of the resampler on each side; beyond it soxr HQ's filter is below -100 dB."""
_LIMIT = 0.8
"""Where the limiter begins, of full scale."""
_LEAD_MS = 4
"""Quiet kept before the first sound."""
_QUIET = 10 ** (-46 / 20)
"""Below this, of full scale, a clip has not begun yet: its first packet is to be heard."""


def window_bounds(frames: int) -> Iterator[tuple[int, int]]:
    """Return start and end of every window; the first is short, later ones longer.

    Args:
        frames: latent frames of the clip.
    """
    start, size = 0, _FIRST_FRAMES
    while start < frames:
        end = min(frames, start + size)
        if frames - end < _FIRST_FRAMES // 2:
            end = frames
        yield start, end
        start, size = end, min(size * _GROWTH, _LONGEST_FRAMES)


def decode_windows(
    latent: Floats, decode: Callable[[Floats], Floats], hop_samples: int
) -> Iterator[Floats]:
    """Decode a latent window by window.

    Args:
        latent: float32[1, channels, frames].
        decode: float32[1, channels, n] to float32[n * hop_samples].
        hop_samples: audio samples per latent frame.
    """
    frames = latent.shape[2]
    for start, end in window_bounds(frames):
        first = max(0, start - OVERLAP_FRAMES)
        last = min(frames, end + OVERLAP_FRAMES)
        audio = decode(np.ascontiguousarray(latent[:, :, first:last]))
        yield audio[(start - first) * hop_samples : (end - first) * hop_samples]


class StreamResampler:
    """Brings audio to 8 kHz in pieces that equal the whole clip's."""

    def __init__(self, rate_hz: int) -> None:
        """Start a clip.

        Args:
            rate_hz: the voice's own rate.
        """
        divisor = math.gcd(rate_hz, RATE_HZ)
        self._in, self._out = rate_hz // divisor, RATE_HZ // divisor
        self._rate_hz = rate_hz
        self._context = math.ceil(_CONTEXT_MS * rate_hz / 1000 / self._in)
        self._buffer: Floats = np.zeros(self._context * self._in, np.float32)
        self._received = 0
        self._returned = 0

    def receive(self, audio: Floats) -> Floats:
        """Take audio and return what can be said for sure about it.

        Args:
            audio: float32[n] at the voice's rate.
        """
        self._received += audio.shape[0]
        self._buffer = np.concatenate([self._buffer, audio])
        blocks = self._buffer.shape[0] // self._in - 2 * self._context
        if blocks <= 0:
            return np.zeros(0, np.float32)
        span = self._buffer[: (blocks + 2 * self._context) * self._in]
        self._buffer = self._buffer[blocks * self._in :]
        made: Floats = soxr.resample(span, self._rate_hz, RATE_HZ, quality="HQ")
        start = self._context * self._out
        self._returned += blocks * self._out
        return made[start : start + blocks * self._out].astype(np.float32)

    def flush(self) -> Floats:
        """Return the rest of the clip."""
        wanted = round(self._received * self._out / self._in) - self._returned
        quiet = np.zeros((self._context + 1) * self._in, np.float32)
        self._received -= quiet.shape[0]
        return self.receive(quiet)[: max(0, wanted)]


def limit(audio: Floats) -> Floats:
    """Bend what is above 0.8 of full scale so that nothing clips; leave the rest alone."""
    over = np.abs(audio) - _LIMIT
    bent = np.sign(audio) * (_LIMIT + (1 - _LIMIT) * np.tanh(over / (1 - _LIMIT)))
    return np.where(over > 0, bent, audio).astype(np.float32)


def to_samples(audio: Floats, gain: float) -> Samples:
    """Return limited int16 audio.

    Args:
        audio: float32[n], 1.0 is full scale.
        gain: factor that brings the voice to its level.
    """
    return (limit(audio * np.float32(gain)) * 32767).astype(np.int16)


class LeadTrimmer:
    """Takes away the quiet before a clip's first sound: the caller is waiting for the sound."""

    def __init__(self) -> None:
        """Start a clip."""
        self._begun = False

    def receive(self, audio: Floats) -> Floats:
        """Return audio from just before its first sound; nothing while there is none."""
        if self._begun:
            return audio
        loud = np.flatnonzero(np.abs(audio) > _QUIET)
        if not loud.size:
            return audio[:0]
        self._begun = True
        lead = RATE_HZ * _LEAD_MS // 1000
        return audio[max(0, int(loud[0]) - lead) :]


def active_level_dbfs(audio: Floats, rate_hz: int) -> float:
    """Return the level of the parts in which something is said.

    Frames of 20 ms count when they are within 15.9 dB of the level (the margin of ITU-T P.56).

    Args:
        audio: float32[n], 1.0 is full scale.
        rate_hz: its rate.
    """
    size = rate_hz // 50
    frames = audio[: audio.shape[0] // size * size].reshape(-1, size)
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    if not power.size or not np.any(power > 0):
        return -math.inf
    level = float(np.mean(power))
    for _ in range(8):
        level = float(np.mean(power[power > level / 10**1.59]))
    return 10 * math.log10(level)
