"""Keep the audio of known sentences on disk: greetings, fillers, goodbyes, apologies.

A file is written beside its place and moved there, so a reader sees all of it or nothing. A file
that is damaged counts as absent. The files that were used longest ago go when there are too many.
Methods touch the disk and are meant for a thread; several processes may share a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from agent.engines.base import Samples

_MAGIC = b"CBA1"
_DIGEST_BYTES = 16
_SUFFIX = ".pcm"


class AudioCache:
    """8 kHz audio by voice, settings and text."""

    def __init__(self, folder: Path, *, limit_bytes: int = 64 * 1024 * 1024) -> None:
        """Open a folder; it is made when something is stored.

        Args:
            folder: where the files are.
            limit_bytes: most bytes of all files together.
        """
        self._folder = folder
        self._limit_bytes = limit_bytes

    @staticmethod
    def key(voice_digest: str, settings: str, text: str) -> str:
        """Return the name of a clip.

        Args:
            voice_digest: SHA-256 of the voice file.
            settings: what else decides how the clip sounds.
            text: the written text.
        """
        written = json.dumps([voice_digest, settings, text], ensure_ascii=False)
        return hashlib.sha256(written.encode()).hexdigest()

    def get(self, key: str) -> Samples | None:
        """Return a clip, or None where there is none (or a damaged one)."""
        path = self._path(key)
        try:
            written = path.read_bytes()
        except OSError:
            return None
        header = len(_MAGIC) + _DIGEST_BYTES
        audio = written[header:]
        whole = written[:header] == _MAGIC + _digest(audio) and len(audio) % 2 == 0
        if not whole:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return np.frombuffer(audio, dtype="<i2").astype(np.int16)

    def put(self, key: str, samples: Samples) -> None:
        """Store a clip; a full disk only means that it is not stored.

        Args:
            key: its name.
            samples: int16[n], 8 kHz.
        """
        audio = samples.astype("<i2").tobytes()
        path = self._path(key)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(_MAGIC + _digest(audio) + audio)
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            return
        self._trim()

    def _trim(self) -> None:
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):
                state = path.stat()
                found.append((state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"


def _digest(audio: bytes) -> bytes:
    return hashlib.blake2b(audio, digest_size=_DIGEST_BYTES).digest()
