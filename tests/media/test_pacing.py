"""The heap of deadlines."""

from __future__ import annotations

import asyncio
import time

import pytest

from media.pacing import Pacer

pytestmark = pytest.mark.unit
MS = 1_000_000


async def test_every_deadline_is_met_in_order_and_on_its_own_grid() -> None:
    """Two streams of different packet times are called at their times, not one after the other."""
    pacer = Pacer()
    start = time.monotonic_ns() + 5 * MS
    called: list[tuple[str, int, int]] = []

    def every(name: str, period_ms: int, count: int) -> None:
        left = iter(range(count - 1))

        def due(deadline_ns: int, now_ns: int) -> int | None:
            called.append((name, deadline_ns, now_ns))
            return None if next(left, None) is None else deadline_ns + period_ms * MS

        pacer.add(start, due)

    every("a", 10, 6)
    every("b", 15, 4)
    await asyncio.sleep(0.09)
    assert [d - start for n, d, _ in called if n == "a"] == [10 * MS * n for n in range(6)]
    assert [d - start for n, d, _ in called if n == "b"] == [15 * MS * n for n in range(4)]
    assert [d for _, d, _ in called] == sorted(d for _, d, _ in called)
    assert all(now >= deadline for _, deadline, now in called)


async def test_earlier_deadline_added_later_comes_first() -> None:
    """A new first deadline moves the timer."""
    pacer = Pacer()
    now = time.monotonic_ns()
    called: list[int] = []
    for after_ms in (40, 5):
        pacer.add(now + after_ms * MS, lambda d, _: called.append((d - now) // MS))
    await asyncio.sleep(0.02)
    assert called == [5]
    await asyncio.sleep(0.04)
    assert called == [5, 40]


async def test_fault_of_one_stream_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception ends the one that raised it."""
    pacer = Pacer()
    now = time.monotonic_ns()
    called: list[int] = []

    def broken(_: int, __: int) -> int | None:
        raise RuntimeError("broken")

    pacer.add(now, broken)
    pacer.add(now, lambda d, _: called.append(d))
    pacer.run_due()
    assert called == [now]
    assert "stream_failed" in capsys.readouterr().out
