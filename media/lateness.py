"""Keep the distribution of how late packets leave, in a fixed amount of memory."""

from __future__ import annotations

from bisect import bisect_left

_BOUNDS_MS = [round(0.05 * 1.1**step, 4) for step in range(120)]
"""0.05 ms to about 4.2 s in steps of a tenth."""


class Lateness:
    """A histogram of lateness."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_MS) + 1)
        self.packets = 0

    def receive(self, late_ns: int) -> None:
        """Count one packet that left so much after its time."""
        self._counts[bisect_left(_BOUNDS_MS, late_ns / 1e6)] += 1
        self.packets += 1

    def percentile_ms(self, percent: float) -> float:
        """Return an upper bound, a tenth too high at most; 0 where nothing was sent."""
        wanted = self.packets * percent / 100
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return _BOUNDS_MS[min(index, len(_BOUNDS_MS) - 1)]
        return 0.0
