"""Write WAV files."""

from __future__ import annotations

import wave
from pathlib import Path

from tests.harness.outside_phone import Samples


def save_wav(path: Path, samples: Samples, rate_hz: int = 8_000) -> None:
    """Write ``int16[n]`` as a mono WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
