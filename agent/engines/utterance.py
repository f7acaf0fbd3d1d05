"""Keep one utterance's audio and where in it there is a voice; pure, no model, no clock.

Windows are Silero's 256 samples (32 ms at 8 kHz).
"""

from __future__ import annotations

import math

import numpy as np

from agent.engines.base import Samples
from agent.engines.silero import WINDOW_SAMPLES

VOICED = 0.35
"""A window with at least this speech probability is voiced; lower than for turns, so that a soft
last syllable is still recognised."""
LEAST_DBFS = -60.0
BELOW_LOUDEST_DB = 35.0
"""A window so far below the utterance's loudest is silent whatever the detector says: it goes on
hearing a voice for 60 to 190 ms after its end. In noise every window is louder than that, and the
detector alone decides."""
MARGIN_SAMPLES = 2 * WINDOW_SAMPLES
"""Heard behind the last voiced window before its words count as covered."""
LEAST_VOICED_SAMPLES = 3 * WINDOW_SAMPLES
"""96 ms: less is a click, never a word."""
_LONGEST_SAMPLES = 14 * 8_000
"""Unfrozen audio beyond this is cut, so that a recognition's cost stays bounded."""
_SHORTEST_CUT_SAMPLES = 6 * 8_000


class Utterance:
    """Audio since the utterance began, at 8 kHz."""

    def __init__(self) -> None:
        self._chunks: list[Samples] = []
        self._joined: Samples = np.zeros(0, dtype=np.int16)
        self._windows: list[float] = []
        self._unjudged: Samples = np.zeros(0, dtype=np.int16)
        self._loudest_dbfs = -120.0
        self.samples = 0
        """Received so far."""
        self.voiced_samples = 0
        self.voiced_end_samples = 0
        """Where the last voiced window ends; 0 before any."""

    def receive(self, samples: Samples, probabilities: list[float]) -> None:
        """Take audio and the verdicts on the windows it completed."""
        self._chunks.append(samples.copy())
        self.samples += len(samples)
        waiting = np.concatenate((self._unjudged, samples))
        self._unjudged = waiting[len(probabilities) * WINDOW_SAMPLES :]
        for index, probability in enumerate(probabilities):
            window = waiting[index * WINDOW_SAMPLES : (index + 1) * WINDOW_SAMPLES]
            heard = probability if self._audible(window) else 0.0
            self._windows.append(heard)
            if heard >= VOICED:
                self.voiced_samples += WINDOW_SAMPLES
                self.voiced_end_samples = len(self._windows) * WINDOW_SAMPLES

    def _audible(self, window: Samples) -> bool:
        halves = window.astype(np.float64).reshape(2, -1) / 32_768
        power = float(np.square(halves).mean(axis=1).max())
        level_dbfs = 10 * math.log10(max(power, 1e-12))
        self._loudest_dbfs = max(self._loudest_dbfs, level_dbfs)
        return level_dbfs >= max(LEAST_DBFS, self._loudest_dbfs - BELOW_LOUDEST_DB)

    def audio(self, start: int = 0, end: int | None = None) -> Samples:
        """Return the audio of [start, end)."""
        if self._chunks:
            self._joined = np.concatenate((self._joined, *self._chunks))
            self._chunks = []
        return self._joined[start:end]

    @property
    def has_voice(self) -> bool:
        """Whether there is anything to recognise."""
        return self.voiced_samples >= LEAST_VOICED_SAMPLES

    @property
    def silence_samples(self) -> int:
        """Silence since the last voiced window."""
        return self.samples - self.voiced_end_samples

    @property
    def to_cover_samples(self) -> int:
        """What a recognition must have heard for its words to be all of them."""
        return min(self.voiced_end_samples + MARGIN_SAMPLES, self.samples)

    def voiced_between(self, start: int, end: int) -> bool:
        """Return whether a voiced window begins in [start, end)."""
        windows = self._windows[start // WINDOW_SAMPLES : -(-end // WINDOW_SAMPLES)]
        return any(each >= VOICED for each in windows)

    def cut(self, frozen: int) -> int | None:
        """Return where to cut what follows ``frozen``, None while it is short.

        The cut is in the middle of the longest silence between 6 and 14 s, at the least voiced
        window where there is none.
        """
        if self.samples - frozen <= _LONGEST_SAMPLES:
            return None
        first = (frozen + _SHORTEST_CUT_SAMPLES) // WINDOW_SAMPLES
        windows = self._windows[first : (frozen + _LONGEST_SAMPLES) // WINDOW_SAMPLES]
        best_start, best_length, run = 0, 0, 0
        for index, probability in enumerate(windows):
            run = run + 1 if probability < VOICED else 0
            if run > best_length:
                best_start, best_length = index - run + 1, run
        if not best_length:
            best_start = int(np.argmin(windows))
        return (first + best_start + best_length // 2) * WINDOW_SAMPLES
