"""Make comfort noise: the line stays alive while nobody speaks."""

from __future__ import annotations

import numpy as np

from media.g711 import Samples

LEVEL_DBFS = -62.0
"""RMS of the noise that we send: audible as an open line, not as noise."""
_TABLE_SAMPLES = 32_003
"""4 s, and no multiple of a packet, so that the repetition has no beat."""


def _make_table() -> Samples:
    # first-order low-pass of white noise: the slope of room noise on a telephone line
    white = np.random.default_rng(1876).standard_normal(_TABLE_SAMPLES + 64)
    kernel = 0.6 ** np.arange(16)
    soft = np.convolve(white, kernel, mode="valid")[:_TABLE_SAMPLES]
    return np.asarray(soft / np.sqrt(np.mean(soft**2)) * 1_000, dtype=np.int16)


_TABLE = _make_table()
"""Noise of RMS 1000."""


class ComfortNoise:
    """An endless run of low noise.

    Args:
        level_dbfs: RMS relative to a full-scale square wave; below -90 is digital silence.
        offset_samples: where in the table to begin.
    """

    def __init__(self, level_dbfs: float = LEVEL_DBFS, offset_samples: int = 0) -> None:
        scale = 0.0 if level_dbfs < -90 else 10 ** (level_dbfs / 20) * 32_768 / 1_000
        table = np.rint(_TABLE * scale).clip(-32_768, 32_767).astype(np.int16)
        self._table = np.concatenate([table, table[:8_000]])
        self._offset = offset_samples % _TABLE_SAMPLES

    def pop(self, samples: int) -> Samples:
        """Return the next ``int16[samples]`` of noise, at most one second."""
        start = self._offset
        self._offset = (start + samples) % _TABLE_SAMPLES
        return self._table[start : start + samples]


_BY_LEVEL: dict[int, ComfortNoise] = {}


def noise_at(level_dbov: int, samples: int) -> Samples:
    """Return noise at a level of a comfort noise packet (RFC 3389 section 3.1).

    Args:
        level_dbov: 0 to 127, the magnitude of the negative level.
        samples: how many.
    """
    # louder than -30 dBov is no room's noise but a broken or hostile sender
    level = min(max(level_dbov, 30), 127)
    noise = _BY_LEVEL.get(level)
    if noise is None:
        noise = _BY_LEVEL[level] = ComfortNoise(-float(level))
    return noise.pop(samples)
