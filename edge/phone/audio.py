"""Write the stereo recording, and speak G.711."""

from __future__ import annotations

import audioop
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media import CordboardError
from media.wav import write_wav

RATE_HZ = 8_000
FRAME_SAMPLES = 160
"""20 ms."""
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
"""Static payload types (RFC 3551 table 4)."""

Samples = NDArray[np.int16]


class PhoneError(CordboardError):
    """The phone cannot do what it was asked to."""


def write_stereo(path: Path, left: Samples, right: Samples) -> None:
    """Write ``int16[n]`` and ``int16[m]`` at 8 kHz as one stereo WAV, the shorter one padded."""
    length = max(len(left), len(right))
    both = np.zeros((length, 2), dtype=np.int16)
    both[: len(left), 0] = left
    both[: len(right), 1] = right
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, both)


def encode(codec: str, samples: Samples) -> bytes:
    """Encode ``int16[n]`` as G.711."""
    raw = samples.astype("<i2", copy=False).tobytes()
    return audioop.lin2alaw(raw, 2) if codec == "PCMA" else audioop.lin2ulaw(raw, 2)


def decode(codec: str, payload: bytes) -> Samples:
    """Decode G.711 to ``int16[n]``."""
    raw = audioop.alaw2lin(payload, 2) if codec == "PCMA" else audioop.ulaw2lin(payload, 2)
    return np.frombuffer(raw, dtype="<i2").astype(np.int16)


class Track:
    """One channel of the recording, written at positions.

    Args:
        longest_s: beyond this nothing is kept.
    """

    def __init__(self, longest_s: int = 7_200) -> None:
        self._samples: Samples = np.zeros(RATE_HZ * 60, dtype=np.int16)
        self._longest = longest_s * RATE_HZ
        self._end = 0

    def write(self, position: int, samples: Samples) -> None:
        """Put ``int16[n]`` at a sample position; what lies before 0 or too far on is dropped."""
        end = position + len(samples)
        if position < 0 or end > self._longest:
            return
        if end > len(self._samples):
            grown = np.zeros(max(end, 2 * len(self._samples)), dtype=np.int16)
            grown[: self._end] = self._samples[: self._end]
            self._samples = grown
        self._samples[position:end] = samples
        self._end = max(self._end, end)

    def samples(self) -> Samples:
        """Return all that was written."""
        return self._samples[: self._end]
