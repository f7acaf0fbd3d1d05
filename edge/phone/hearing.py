"""Tell from the level of received packets when the far end speaks (sans-IO).

Packets above the threshold are *audible*. A run of audible packets whose gaps stay below
``burst_gap_ms`` is a *burst*; three audible packets within 100 ms open one, so that a click does
not. The far end has *finished* when nothing was audible for ``silence_ms``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MS = 1_000_000
"""Nanoseconds in a millisecond."""
AUDIBLE_DBFS = -50.0
"""A packet below is never speech; comfort noise is at -60 dBFS and less."""
_MARGIN_DB = 12.0
_OPENING_PACKETS = 3
_OPENING_NS = 100 * MS
_QUIETEST_DBFS = -96.0


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Return the RMS level of ``int16[n]`` in dB of full scale, -96 for digital silence."""
    if len(samples) == 0:
        return _QUIETEST_DBFS
    mean_square = float(np.mean(np.square(samples.astype(np.float64))))
    return max(_QUIETEST_DBFS, 10 * math.log10(mean_square + 1e-9) - 20 * math.log10(32_768))


@dataclass(frozen=True, slots=True)
class Burst:
    """A run of speech: arrival of its first and of its last audible packet so far."""

    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class BurstBegan:
    """The far end began to speak at ``at_ns`` (arrival of the first audible packet)."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class FarEndFinished:
    """Nothing was audible for ``silence_ms`` after the packet of ``last_ns``."""

    last_ns: int


HearingEvent = BurstBegan | FarEndFinished


class Hearing:
    """Segment the far end's packets.

    Args:
        silence_ms: quiet that ends the far end's turn.
        burst_gap_ms: quiet that separates two bursts.
    """

    def __init__(self, silence_ms: int = 1_200, burst_gap_ms: int = 300) -> None:
        self._silence_ns = silence_ms * MS
        self._gap_ns = burst_gap_ms * MS
        self._opening: list[int] = []
        self._bursts: list[Burst] = []
        self._finished = True
        self._floor_dbfs = AUDIBLE_DBFS

    @property
    def bursts(self) -> tuple[Burst, ...]:
        """Every burst so far, in order; the last may still grow."""
        return tuple(self._bursts)

    @property
    def next_deadline_ns(self) -> int | None:
        """When :meth:`wake` should be called, None while nothing is pending."""
        if self._finished or not self._bursts:
            return None
        return self._bursts[-1].last_ns + self._silence_ns

    def receive(self, level: float, at_ns: int) -> list[HearingEvent]:
        """Take one packet's level (dBFS) and arrival; return what became known."""
        events = self.wake(at_ns)
        if not self._audible(level):
            return events
        last = self._bursts[-1] if self._bursts else None
        if last is not None and at_ns - last.last_ns <= self._gap_ns:
            self._bursts[-1] = Burst(last.first_ns, at_ns)
            self._opening.clear()
            return events
        self._opening = [each for each in self._opening if at_ns - each <= _OPENING_NS]
        self._opening.append(at_ns)
        if len(self._opening) >= _OPENING_PACKETS:
            self._bursts.append(Burst(self._opening[0], at_ns))
            self._finished = False
            events.append(BurstBegan(self._opening[0]))
            self._opening.clear()
        return events

    def wake(self, now_ns: int) -> list[HearingEvent]:
        """Let time pass; return what became known by silence."""
        deadline = self.next_deadline_ns
        if deadline is None or now_ns < deadline:
            return []
        self._finished = True
        return [FarEndFinished(self._bursts[-1].last_ns)]

    def _audible(self, level: float) -> bool:
        # the floor falls at once and rises by 3 dB a second of 20 ms packets
        self._floor_dbfs = min(level, self._floor_dbfs + 0.06)
        floor = min(self._floor_dbfs, AUDIBLE_DBFS)
        return level > max(floor + _MARGIN_DB, AUDIBLE_DBFS)


def audible_frames(samples: NDArray[np.int16], frame_samples: int = 160) -> NDArray[np.bool_]:
    """Say for each 20 ms frame of ``int16[n]`` at 8 kHz whether it can be heard."""
    count = -(-len(samples) // frame_samples)
    padded = np.zeros(count * frame_samples, dtype=np.int16)
    padded[: len(samples)] = samples
    levels = [level_dbfs(each) for each in padded.reshape(count, frame_samples)]
    floor = float(np.percentile(levels, 5)) if levels else _QUIETEST_DBFS
    # a recording without any pause has no floor to measure: its quietest part is speech
    threshold = max(AUDIBLE_DBFS, min(floor + _MARGIN_DB, -38.0))
    return np.array([each > threshold for each in levels], dtype=np.bool_)
