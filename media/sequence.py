"""Unwrap the counters of RTP, which start anywhere and wrap around (RFC 3550 section 5.1)."""

from __future__ import annotations


class Unwrapper:
    """Turn a wrapping counter into one that only wraps after the heat death of the call.

    The first value is kept as it is; each later one is taken to be the nearest to the highest
    seen so far, so reordered values come out below it and may be negative.

    Args:
        bits: width of the counter on the wire, 16 for sequence numbers, 32 for timestamps.
    """

    def __init__(self, bits: int) -> None:
        self._modulus = 1 << bits
        self._highest: int | None = None

    def receive(self, value: int) -> int:
        """Return the unwrapped counter of a received value."""
        if self._highest is None:
            self._highest = value
            return value
        half = self._modulus >> 1
        delta = (value - self._highest + half) % self._modulus - half
        unwrapped = self._highest + delta
        self._highest = max(self._highest, unwrapped)
        return unwrapped

    def reset(self) -> None:
        """Forget everything: the source has started anew."""
        self._highest = None
