"""Keep computed prefixes over restarts, so that a restarted process answers within seconds.

A file holds the cache cells of one prefix as llama.cpp writes them. Its name says for which model,
library and tokens it is; llama.cpp checks the rest. A file that does not fit counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

_SUFFIX = ".prefix"
_KEPT = 8
"""Files in the folder; those used longest ago go. One has about 12 kB a token."""
_SAMPLE_BYTES = 1 << 20


class PrefixFiles:
    """The files of one model.

    Args:
        folder: made when something is kept.
        model: the GGUF file.
        layout: whatever else decides what the cells hold.
    """

    def __init__(self, folder: Path, model: Path, layout: str) -> None:
        self._folder = folder
        self._model = _fingerprint(model)
        self._layout = f"{layout} {version('llama-cpp-python')}"

    def path(self, tokens: Sequence[int]) -> Path:
        """Return where the cells of these tokens are, or would be."""
        written = f"{self._model} {self._layout} {','.join(map(str, tokens))}"
        return self._folder / f"{hashlib.sha256(written.encode()).hexdigest()}{_SUFFIX}"

    def prepare(self, path: Path) -> Path:
        """Return a name beside a path to write to, before :meth:`keep` moves it there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return path.with_suffix(f".{os.getpid()}.partial")

    def keep(self, partial: Path, path: Path) -> None:
        """Move a file that is whole to its place and drop the oldest ones."""
        partial.replace(path)
        files = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda each: each.stat().st_mtime_ns)
        for old in files[:-_KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()


def _fingerprint(model: Path) -> str:
    """Return what tells one GGUF file from another without reading all of it."""
    size = model.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with model.open("rb") as stream:
        for start in (0, size // 2, max(0, size - _SAMPLE_BYTES)):
            stream.seek(start)
            digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
