"""Call each stream at its packet times, from one heap of deadlines (asyncio shell).

The event loop wakes with a resolution of 1 ms. To stay in time while it is busy with other work,
whoever handles a datagram or a message first calls :meth:`Pacer.run_due`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

Due = Callable[[int, int], int | None]
"""Called with (deadline_ns, now_ns); returns the next deadline or None to end."""


class Pacer:
    """One heap of deadlines for every stream of the process."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Due]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._running = False

    def add(self, deadline_ns: int, due: Due) -> None:
        """Call ``due`` at a time, and again at each time it returns."""
        heapq.heappush(self._heap, (deadline_ns, next(self._order), due))
        self._arm()

    def run_due(self) -> None:
        """Call what is due now."""
        if not self._heap or self._running:
            return
        now_ns = time.monotonic_ns()
        if self._heap[0][0] > now_ns:
            return
        self._running = True
        try:
            while self._heap and self._heap[0][0] <= now_ns:
                deadline_ns, _, due = heapq.heappop(self._heap)
                following = self._call(due, deadline_ns, now_ns)
                if following is not None:
                    heapq.heappush(self._heap, (following, next(self._order), due))
                now_ns = time.monotonic_ns()
        finally:
            self._running = False
        self._arm()

    def _call(self, due: Due, deadline_ns: int, now_ns: int) -> int | None:
        try:
            return due(deadline_ns, now_ns)
        except Exception:
            # one stream's fault must not stop the others' packets
            log.exception("stream_failed")
            return None

    def _arm(self) -> None:
        if self._running or not self._heap:
            return
        first = self._heap[0][0]
        if self._timer is not None:
            if self._timer_ns == first and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_ns = first
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + (first - time.monotonic_ns()) / 1e9, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.run_due()
        self._arm()
