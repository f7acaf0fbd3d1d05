"""Wait until something is the case."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(
    condition: Callable[[], object],
    timeout_s: float = 5.0,
    explain: Callable[[], str] = lambda: "it did not happen",
) -> None:
    """Wait for a condition; fail with the explanation where it never comes."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, explain()
        await asyncio.sleep(0.005)
