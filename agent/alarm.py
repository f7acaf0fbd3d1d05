"""Wake up at the soonest of several deadlines (thin shell)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LEAST_DELAY_S = 0.001
"""An alarm in the past must not keep the event loop to itself."""


class Alarm:
    """One timer.

    Args:
        action: called when it is time; sets the alarm anew where it wants another.
        clock: monotonic nanoseconds.
    """

    def __init__(self, action: Callable[[], None], clock: Callable[[], int]) -> None:
        self._action = action
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def set(self, *deadlines_ns: int | None) -> None:
        """Wake at the soonest deadline; None is none, and no deadline at all is no alarm."""
        self.cancel()
        soonest_ns = min((each for each in deadlines_ns if each is not None), default=None)
        if soonest_ns is not None:
            delay_s = max(LEAST_DELAY_S, (soonest_ns - self._clock()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._action)

    def cancel(self) -> None:
        """Do not wake."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
