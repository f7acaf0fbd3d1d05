"""Write WAV files."""

from __future__ import annotations

import wave
from pathlib import Path

from tests.harness.outside_phone import Samples


def save_wav(path: Path, samples: Samples) -> None:
    """Write ``int16[n]`` at 8 kHz as a mono WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(samples.astype("<i2").tobytes())
