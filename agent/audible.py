"""Find the caller's last audible packet, the moment that every response time starts from.

A 20 ms frame is audible when its level is above max(noise floor + 12 dB, -50 dBFS). The floor
follows the quietest recent frames: down at once, up by a few dB per second.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

SAMPLE_HZ = 8_000
FRAME_SAMPLES = 160
MARGIN_DB = 12.0
LEAST_DBFS = -50.0
_FLOOR_START_DBFS = -62.0
_FLOOR_RISE_DB_PER_FRAME = 0.06
_KEPT_FRAMES = 500
"""10 s: longer than any stretch between a voice's end and the verdict about it."""


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Return the RMS level of ``int16[n]`` relative to full scale; -120 for digital silence."""
    if not len(samples):
        return -120.0
    power = float(np.mean(np.square(samples.astype(np.float64) / 32_768.0)))
    return -120.0 if power <= 1e-12 else 10.0 * math.log10(power)


class AudibleTracker:
    """Remember which recent frames of one caller were audible."""

    def __init__(self) -> None:
        self.floor_dbfs = _FLOOR_START_DBFS
        self._pending = np.zeros(0, dtype=np.int16)
        self._audible: deque[int] = deque(maxlen=_KEPT_FRAMES)

    def receive(self, samples: NDArray[np.int16], wire_ns: int, concealed: bool = False) -> None:
        """Take caller audio.

        Args:
            samples: ``int16[n]``, mono, 8 kHz, any length.
            wire_ns: arrival of the packet with the newest of these samples.
            concealed: the samples stand in for lost packets and prove nothing.
        """
        if concealed:
            return
        audio = np.concatenate((self._pending, samples)) if len(self._pending) else samples
        frames = len(audio) // FRAME_SAMPLES
        for index in range(frames):
            frame = audio[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]
            after = len(audio) - (index + 1) * FRAME_SAMPLES
            # a packet's samples arrive together: only what came in earlier packets is earlier
            packets_after = after // max(len(samples), FRAME_SAMPLES)
            self._judge(frame, wire_ns - packets_after * len(samples) * 1_000_000_000 // SAMPLE_HZ)
        self._pending = audio[frames * FRAME_SAMPLES :].copy()

    def last_audible_ns(self, not_after_ns: int) -> int | None:
        """Return the arrival of the last audible frame up to a moment, None if there is none."""
        for at_ns in reversed(self._audible):
            if at_ns <= not_after_ns:
                return at_ns
        return None

    def first_audible_ns(self, since_ns: int) -> int | None:
        """Return the arrival of the first audible frame since a moment."""
        for at_ns in self._audible:
            if at_ns >= since_ns:
                return at_ns
        return None

    def _judge(self, frame: NDArray[np.int16], at_ns: int) -> None:
        level = level_dbfs(frame)
        if level > max(self.floor_dbfs + MARGIN_DB, LEAST_DBFS):
            self._audible.append(at_ns)
        self.floor_dbfs = min(level, self.floor_dbfs + _FLOOR_RISE_DB_PER_FRAME)
        self.floor_dbfs = max(self.floor_dbfs, -90.0)
