"""Space out restarts of something that keeps failing (sans-IO)."""

from __future__ import annotations

MS = 1_000_000


class Backoff:
    """Say how long to wait before the next start.

    The first restart after a long life is immediate, so that one crash costs as little as it can;
    the next ones wait twice as long each, up to ``longest_ms``.

    Args:
        first_ms: wait before the second restart in a row.
        longest_ms: no wait is longer; below 10 s, in which new calls must work again.
        stable_ms: a life as long as this forgets the failures before it.
    """

    def __init__(
        self, first_ms: int = 500, longest_ms: int = 5_000, stable_ms: int = 30_000
    ) -> None:
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._stable_ms = stable_ms
        self._failures = 0
        self._started_ns: int | None = None

    def started(self, now_ns: int) -> None:
        """Note a start."""
        self._started_ns = now_ns

    def wait_ms(self, now_ns: int) -> int:
        """Note a failure and return the wait before the next start."""
        if self._started_ns is not None and now_ns - self._started_ns >= self._stable_ms * MS:
            self._failures = 0
        failures, self._failures = self._failures, self._failures + 1
        if failures == 0:
            return 0
        return int(min(self._first_ms * 2 ** min(failures - 1, 16), self._longest_ms))
