"""Keep the sound files that were played lately (asyncio shell)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from media import RemoteError
from media.g711 import Samples
from media.wav import read_wav

_KEPT = 32


class Sounds:
    """Files as samples; one that has changed is read again."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, int], Samples] = {}

    async def load(self, path: str) -> Samples:
        """Return a WAV file's samples, ``int16[n]``, mono, 8 kHz.

        Raises:
            RemoteError: there is no such file, or it is not one of ours.
        """
        file = Path(path)
        loop = asyncio.get_running_loop()
        try:
            key = (path, (await loop.run_in_executor(None, file.stat)).st_mtime_ns)
        except OSError as error:
            raise RemoteError(f"{path}: {error.strerror}", sip_status=404) from error
        if key not in self._samples:
            samples = await loop.run_in_executor(None, read_wav, file)
            while len(self._samples) >= _KEPT:
                del self._samples[next(iter(self._samples))]
            self._samples[key] = samples
        return self._samples[key]
