"""Speak the benchmark's words with people's differences: voice, tempo, level; coughs and doors.

Everything is ``int16[n]``, mono, 8 kHz, and the same on every machine: Piper speaks without its
noise. ``HUMS`` are sounds that no text-to-speech reads from letters; they are given as phones.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import wave
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.harness.outside_phone import Samples, load_wav
from tests.harness.speakers import CACHE

VOICES = ("slt", "rms", "awb", "joe")
"""flite's three that recognisers understand, and a Piper voice."""
HUMS = {
    "Mm-hm.": ("m ax hh ah m", "mhm"),
    "Uh-huh.": ("ah hh ah", "ʌhʌ"),
    "Mm.": ("m ah m", "mm"),
    "Aha.": ("aa hh aa", "ɑːhɑː"),
}
"""Text to phones: flite's, and IPA for Piper."""


def spoken(text: str, voice: str, tempo: float = 1.0, peak: float = 0.5) -> Samples:
    """Return spoken words.

    Args:
        text: words; one of ``HUMS`` is hummed.
        voice: of ``VOICES``.
        tempo: 1.2 is a fifth faster.
        peak: share of full scale.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(f"{voice}|{tempo}|{HUMS.get(text)}|{text}".encode()).hexdigest()[:20]
    path = CACHE / f"{name}.wav"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        (_piper if voice == "joe" else _flite)(text, voice, tempo, fresh)
        fresh.replace(path)
    samples = load_wav(path).astype(np.float64)
    return (samples * (peak * 32_767 / max(1.0, np.abs(samples).max()))).astype(np.int16)


def _flite(text: str, voice: str, tempo: float, path: Path) -> None:
    said = ["-p", HUMS[text][0]] if text in HUMS else ["-t", text]
    stretch = ["--setf", f"duration_stretch={1 / tempo:.3f}"]
    subprocess.run(
        ["flite", "-voice", voice, *stretch, *said, "-o", str(path)],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def _piper(text: str, voice: str, tempo: float, path: Path) -> None:
    from piper import SynthesisConfig

    plain = f"[[{HUMS[text][1]}]]" if text in HUMS else text
    calm = SynthesisConfig(length_scale=1 / tempo, noise_scale=0.0, noise_w_scale=0.0)
    with wave.open(str(path), "wb") as file:
        _piper_voice().synthesize_wav(plain, file, syn_config=calm)


@cache
def _piper_voice() -> Any:
    from piper import PiperVoice

    models = os.environ.get("CORDBOARD_MODELS") or Path.home() / ".cache" / "cordboard" / "models"
    return PiperVoice.load(str(Path(models) / "en_US-joe-medium" / "en_US-joe-medium.onnx"))


def door(seed: int) -> Samples:
    """Return a door that falls shut: a thump and noise that dies away, 0.2 to 0.5 s."""
    rng = np.random.default_rng(seed)
    seconds = 0.2 + 0.3 * rng.random()
    at = np.arange(int(seconds * 8_000)) / 8_000
    fall = np.exp(-at / (0.03 + 0.05 * rng.random()))
    thump = np.sin(2 * np.pi * (80 + 60 * rng.random()) * at) * 0.6
    return _scaled((rng.standard_normal(len(at)) * 0.5 + thump) * fall, 0.2 + 0.3 * rng.random())


def cough(seed: int) -> Samples:
    """Return a cough: one to three bursts of breath through a throat's resonances."""
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(int(rng.integers(1, 4))):
        burst = _burst(rng, 0.12 + 0.12 * rng.random())
        pieces += [burst, np.zeros(int((0.08 + 0.1 * rng.random()) * 8_000))]
    return _scaled(np.concatenate(pieces[:-1]), 0.25 + 0.35 * rng.random())


def _burst(rng: np.random.Generator, seconds: float) -> np.ndarray[Any, Any]:
    """Return an explosive onset, then breath and a little voice, both through three formants."""
    count = int(seconds * 8_000)
    at = np.arange(count) / 8_000
    voice = np.sign(np.sin(2 * np.pi * (110 + 60 * rng.random()) * at)) * 0.25 * (at > 0.05)
    source = rng.standard_normal(count) + voice
    spectrum = np.fft.rfft(source)
    hz = np.fft.rfftfreq(count, 1 / 8_000)
    shape = sum(
        weight / (1 + ((hz - centre * (0.9 + 0.2 * rng.random())) / width) ** 2)
        for centre, width, weight in ((500, 120, 1.0), (1_400, 200, 0.8), (2_600, 350, 0.5))
    )
    envelope = np.minimum(1.0, at / 0.008) * np.exp(-at / (0.25 * seconds + 0.02))
    return np.fft.irfft(spectrum * shape, count) * envelope


def _scaled(wave_form: np.ndarray[Any, Any], peak: float) -> Samples:
    return (wave_form * (peak * 32_767 / max(1e-9, np.abs(wave_form).max()))).astype(np.int16)


def person(seed: int) -> tuple[float, float]:
    """Return one person's tempo (0.9 to 1.15) and peak level (-12 to -3 dB of full scale)."""
    draw = random.Random(seed)
    return round(draw.uniform(0.9, 1.15), 2), round(10 ** (draw.uniform(-12, -3) / 20), 3)
