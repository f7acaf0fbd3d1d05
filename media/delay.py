"""Estimate how late packets come: the base delay of a path and the spread above it."""

from __future__ import annotations

from collections import deque

WINDOW_PACKETS = 250
"""5 s at 20 ms: long enough to know the path, short enough to follow it and the clocks' drift."""
_QUANTILE = 0.98
_FEW_PACKETS = 10
_UNKNOWN_SPREAD_MS = 10.0


class DelayEstimate:
    """Relative transit times of the last packets of one source."""

    def __init__(self) -> None:
        self._transits_ms: deque[float] = deque(maxlen=WINDOW_PACKETS)
        self._cached: tuple[float, float] | None = None

    def receive(self, timestamp: int, arrival_ns: int) -> None:
        """Take a packet.

        Args:
            timestamp: unwrapped RTP timestamp, 8 kHz.
            arrival_ns: monotonic arrival.
        """
        self._transits_ms.append(arrival_ns / 1e6 - timestamp / 8)
        self._cached = None

    def reset(self) -> None:
        """Forget everything: the source has started anew."""
        self._transits_ms.clear()
        self._cached = None

    @property
    def base_ms(self) -> float:
        """Smallest transit in the window: arrival time less timestamp."""
        return self._measure()[0]

    @property
    def spread_ms(self) -> float:
        """How much later than the base 98 % of the packets are."""
        return self._measure()[1]

    def arrival_ms(self, timestamp: int) -> float:
        """Return when a packet with this timestamp comes if nothing delays it, monotonic ms."""
        return self.base_ms + timestamp / 8

    def _measure(self) -> tuple[float, float]:
        if self._cached is None:
            ordered = sorted(self._transits_ms)
            if len(ordered) < _FEW_PACKETS:
                self._cached = (ordered[0] if ordered else 0.0, _UNKNOWN_SPREAD_MS)
            else:
                top = ordered[min(len(ordered) - 1, int(len(ordered) * _QUANTILE))]
                self._cached = (ordered[0], top - ordered[0])
        return self._cached
