"""Stand in for lost audio by repeating its last pitch period (after ITU-T G.711 Appendix I).

The appendix delays all audio by 3.75 ms to blend into the repetition. Here nothing is delayed: the
repetition starts on the sample after the last good one, and blends out into the next good packet.

=====================  ========================================================
time since the loss    what is heard
=====================  ========================================================
0 - 10 ms              the last pitch period, full level
10 - 60 ms             the last three periods, fading by 20 % each 10 ms
beyond                 silence
=====================  ========================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from media.g711 import Samples

PITCH_MIN_SAMPLES = 40
"""200 Hz (G.711 Appendix I)."""
PITCH_MAX_SAMPLES = 120
"""66 Hz."""
_TEMPLATE_SAMPLES = 160
_HISTORY_SAMPLES = 390
_FULL_SAMPLES = 80
_SILENT_SAMPLES = 480
_BLEND_SAMPLES = 40
"""5 ms of cross-fade into the first good packet."""


class Concealer:
    """Keep the history of one direction and extend it over losses."""

    def __init__(self) -> None:
        self._history: NDArray[np.float64] = np.zeros(_HISTORY_SAMPLES)
        self._period: NDArray[np.float64] | None = None
        self._made_samples = 0

    def receive(self, samples: Samples) -> Samples:
        """Take good samples; the first after a loss come back blended, others as they are."""
        if self._period is not None:
            length = min(_BLEND_SAMPLES, len(samples))
            old = self._extend(length)
            ramp = np.arange(1, length + 1) / (length + 1)
            blended = samples.astype(np.float64)
            blended[:length] = old * (1 - ramp) + blended[:length] * ramp
            samples = np.rint(blended).clip(-32_768, 32_767).astype(np.int16)
            self._period = None
        tail = samples[-_HISTORY_SAMPLES:]
        if len(tail) < _HISTORY_SAMPLES:
            self._history = np.concatenate([self._history[len(tail) :], tail])
        else:
            self._history = tail.astype(np.float64)
        return samples

    def conceal(self, samples: int) -> Samples:
        """Return ``int16[samples]`` that go on from what was heard."""
        if self._period is None:
            lag = _find_pitch(self._history)
            self._period = self._history[-3 * lag :] if 3 * lag <= _HISTORY_SAMPLES else None
            if self._period is None:
                self._period = self._history[-lag:]
            self._lag = lag
            self._made_samples = 0
        return np.rint(self._extend(samples)).astype(np.int16)

    def reset(self) -> None:
        """Forget the history: what follows is not its continuation."""
        self._history = np.zeros(_HISTORY_SAMPLES)
        self._period = None

    def _extend(self, samples: int) -> NDArray[np.float64]:
        assert self._period is not None
        at = self._made_samples + np.arange(samples)
        self._made_samples += samples
        if at[0] >= _SILENT_SAMPLES:
            return np.zeros(samples)
        one = self._period[len(self._period) - self._lag + at % self._lag]
        three = self._period[at % len(self._period)]
        gain = np.clip(1 - 0.2 * (at - _FULL_SAMPLES) / 80, 0.0, 1.0)
        return np.asarray(np.where(at < _FULL_SAMPLES, one, three) * gain)


def _find_pitch(history: NDArray[np.float64]) -> int:
    """Return the lag with the highest normalised correlation (G.711 Appendix I.2.2)."""
    template = history[-_TEMPLATE_SAMPLES:]
    span = history[-_TEMPLATE_SAMPLES - PITCH_MAX_SAMPLES :]
    scores = np.correlate(span, template, mode="valid")
    energy = np.convolve(span**2, np.ones(_TEMPLATE_SAMPLES), mode="valid")
    # index 0 is the longest lag; the last index is lag 0 and matches itself
    usable = PITCH_MAX_SAMPLES - PITCH_MIN_SAMPLES + 1
    normalised = scores[:usable] / np.sqrt(np.maximum(energy[:usable], 1.0))
    return PITCH_MAX_SAMPLES - int(np.argmax(normalised))
