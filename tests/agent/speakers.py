"""Make test speech as a telephone hears it: two kinds of speakers, G.711, noise, loss.

Everything is ``int16[n]``, mono, 8 kHz. flite speaks with four people's voices and shares nothing
with the engines under test; Piper is the agent's own voice.
"""

from __future__ import annotations

import audioop
import hashlib
import subprocess
import tempfile
import wave
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.int16]

FLITE_VOICES = ("slt", "rms", "awb", "kal")
_SPEECH_CACHE = Path(tempfile.gettempdir()) / "cordboard-test-speech"
_FRAME_SAMPLES = 160


def flite(text: str, voice: str = "slt") -> Samples:
    """Speak with flite's voice ``slt``, ``rms``, ``awb`` or ``kal``; cached on disk."""
    key = hashlib.sha256(f"flite {voice} {text}".encode()).hexdigest()[:24]
    path = _SPEECH_CACHE / f"{key}.wav"
    if not path.exists():
        _SPEECH_CACHE.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{id(path)}")
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(fresh)], check=True)
        fresh.replace(path)
    return read_wav(path)


def piper(text: str, model: Path) -> Samples:
    """Speak with a Piper voice (path of its ``.onnx``)."""
    audio = b"".join(chunk.audio_int16_bytes for chunk in _piper_voice(model).synthesize(text))
    return to_8k(np.frombuffer(audio, dtype=np.int16), _piper_voice(model).config.sample_rate)


@cache
def _piper_voice(model: Path) -> Any:
    from piper import PiperVoice

    return PiperVoice.load(str(model))


def read_wav(path: Path) -> Samples:
    """Read a mono 16-bit WAV of any rate."""
    with wave.open(str(path), "rb") as file:
        assert file.getnchannels() == 1 and file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        return to_8k(samples, file.getframerate())


def to_8k(samples: Samples, rate_hz: int) -> Samples:
    """Resample to 8 kHz."""
    if rate_hz == 8_000:
        return samples
    resampled: Samples = soxr.resample(samples, rate_hz, 8_000, quality="HQ")
    return resampled


def silence(duration_ms: int) -> Samples:
    """Return digital silence."""
    return np.zeros(duration_ms * 8, dtype=np.int16)


def noise(duration_ms: int, level_dbfs: float = -50.0, seed: int = 1) -> Samples:
    """Return white noise."""
    drawn = np.random.default_rng(seed).normal(0, 32_768 * 10 ** (level_dbfs / 20), duration_ms * 8)
    return np.clip(drawn, -32_768, 32_767).astype(np.int16)


def telephone(
    samples: Samples, *, snr_db: float | None = None, loss: float = 0.0, seed: int = 1
) -> Samples:
    """Return audio after noise, loss of 20 ms packets (heard as silence) and G.711 mu-law."""
    heard = samples.astype(np.float64)
    rng = np.random.default_rng(seed)
    if snr_db is not None:
        power = float(np.mean(heard**2)) or 1.0
        heard = heard + rng.normal(0, (power / 10 ** (snr_db / 10)) ** 0.5, len(heard))
    for start in range(0, len(heard), _FRAME_SAMPLES):
        if rng.random() < loss:
            heard[start : start + _FRAME_SAMPLES] = 0
    pcm = np.clip(heard, -32_768, 32_767).astype("<i2").tobytes()
    return np.frombuffer(audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2), dtype=np.int16)


def frames(samples: Samples, frame_samples: int = _FRAME_SAMPLES) -> list[Samples]:
    """Cut into 20 ms frames; the last may be shorter."""
    return [samples[i : i + frame_samples] for i in range(0, len(samples), frame_samples)]


def words(text: str) -> list[str]:
    """Return lower-case words without punctuation, as word error rates are counted."""
    kept = "".join(each if each.isalnum() or each in "' " else " " for each in text.lower())
    return kept.split()


def word_errors(said: str, heard: str) -> int:
    """Return substitutions, insertions and deletions between two sentences."""
    reference, row = words(said), list(range(len(words(heard)) + 1))
    for i, word in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(words(heard), 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]
