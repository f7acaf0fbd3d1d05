"""Utterances for tests: flite's voices, cached; lead-in and tail silence cut."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np

from tests.harness.outside_phone import Samples, load_wav

CACHE = Path(__file__).resolve().parents[2] / "var" / "cache" / "test-speech"
VOICES = ("slt", "rms", "awb", "kal")


def speech(text: str, voice: str = "slt") -> Samples:
    """Return spoken words as ``int16[n]`` at 8 kHz, peak at half of full scale."""
    CACHE.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(f"{voice}|{text}".encode()).hexdigest()[:20]
    path = CACHE / f"{name}.wav"
    if not path.exists():
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
    samples = load_wav(path).astype(np.float64)
    return (samples * (16_000 / max(1.0, np.abs(samples).max()))).astype(np.int16)


def with_pause(parts: list[str], pause_ms: int, voice: str = "slt") -> Samples:
    """Return parts spoken one after the other with a silence inside."""
    gap = np.zeros(pause_ms * 8, dtype=np.int16)
    pieces: list[Samples] = []
    for part in parts:
        pieces += [speech(part, voice), gap]
    return np.concatenate(pieces[:-1])
