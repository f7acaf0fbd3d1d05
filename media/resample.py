"""Change the sampling rate without aliases (libsoxr), and measure levels."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from media.g711 import Samples

SILENT_DBFS = -120.0


def resample(samples: NDArray[np.float32] | Samples, from_hz: int, to_hz: int) -> Samples:
    """Resample a whole clip.

    Args:
        samples: ``float32[n]`` in -1 to 1, or ``int16[n]``; mono.
        from_hz: its rate.
        to_hz: the wanted rate.

    Returns:
        ``int16[n * to_hz / from_hz]``.
    """
    wide = _to_float(samples)
    if from_hz != to_hz:
        wide = np.asarray(soxr.resample(wide, from_hz, to_hz, quality="HQ"), dtype=np.float32)
    return _to_int16(wide)


class StreamResampler:
    """Resample audio that comes in pieces.

    The filter looks ahead: at HQ its first output comes after about 100 ms of input, so clips are
    better resampled whole.

    Args:
        from_hz: rate of what is received.
        to_hz: rate of what is returned.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")

    def receive(self, samples: NDArray[np.float32] | Samples, *, last: bool = False) -> Samples:
        """Take a piece, return what is ready; ``last`` flushes the filter."""
        return _to_int16(self._stream.resample_chunk(_to_float(samples), last=last))


def level_dbfs(samples: Samples) -> float:
    """Return the RMS level relative to full scale; -120 for digital silence."""
    if not len(samples):
        return SILENT_DBFS
    wide = samples.astype(np.float64)
    rms = float(np.sqrt(np.mean(wide * wide)))
    return SILENT_DBFS if rms < 0.032_768 else 20 * float(np.log10(rms / 32_768))


def set_level(samples: Samples, dbfs: float) -> Samples:
    """Scale to an RMS level, saturating; digital silence stays what it is."""
    now = level_dbfs(samples)
    if now <= SILENT_DBFS:
        return samples
    scaled = samples.astype(np.float64) * 10 ** ((dbfs - now) / 20)
    return np.rint(scaled).clip(-32_768, 32_767).astype(np.int16)


def _to_float(samples: NDArray[np.float32] | Samples) -> NDArray[np.float32]:
    if samples.dtype == np.int16:
        return (samples / 32_768).astype(np.float32)
    return samples.astype(np.float32, copy=False)


def _to_int16(wide: NDArray[np.float32]) -> Samples:
    return np.rint(wide * 32_768).clip(-32_768, 32_767).astype(np.int16)
