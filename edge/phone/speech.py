"""Turn the phone's words into audio: flite (Debian) where it is, else the packaged voice.

The audio is cached by words and speaker, so a script is synthesised once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from edge.phone.audio import PhoneError, Samples
from media.wav import read_wav

FLITE_VOICES = ("slt", "rms", "awb", "kal")
PIPER = "piper"
"""The packaged voice; any other name falls back to it where flite is not installed."""
_LONGEST_SYNTHESIS_S = 120


def default_cache_dir() -> Path:
    """Return where spoken words are kept when no configuration says so."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "cordboard" / "phone"


def speak(words: str, voice: str, cache_dir: Path) -> Samples:
    """Return words, or the WAV file they name, as ``int16[n]``, mono, 8 kHz.

    Args:
        words: a text, or the path of a WAV.
        voice: one of :data:`FLITE_VOICES`, or ``piper``.
        cache_dir: where audio is kept.

    Raises:
        PhoneError: nothing here can speak.
        WavError: the WAV cannot be read.
    """
    if words.lower().endswith(".wav"):
        return read_wav(Path(words))
    digest = hashlib.sha256(f"{voice}\0{words}".encode()).hexdigest()[:24]
    cached = cache_dir / f"{digest}.wav"
    if not cached.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        partial = cache_dir / f"{digest}.{os.getpid()}.wav"
        _run(_command(words, voice, partial))
        if not partial.exists():
            raise PhoneError(f"no audio came out for {words!r}")
        partial.replace(cached)
    return read_wav(cached)


def _command(words: str, voice: str, output: Path) -> list[str]:
    flite = shutil.which("flite")
    if voice != PIPER and flite:
        return [flite, "-voice", voice, "-t", words, "-o", str(output)]
    model = _piper_model()
    return [sys.executable, "-m", "piper", "-m", str(model), "-f", str(output), "--", words]


def _piper_model() -> Path:
    """Find a Piper voice among the models: an ONNX file with its JSON beside it."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    models = Path(os.environ.get("CORDBOARD_MODELS") or Path(cache) / "cordboard" / "models")
    found = sorted(each.with_suffix("") for each in models.rglob("*.onnx.json"))
    if not found:
        raise PhoneError("nothing here can speak: install flite, or run 'cordboard models fetch'")
    return found[0]


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_LONGEST_SYNTHESIS_S)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise PhoneError(f"cannot speak: {' '.join(last) or 'synthesis failed'}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PhoneError(f"cannot speak: {error}") from error
