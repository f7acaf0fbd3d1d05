"""Bring what the engine's thread tells back to an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from agent.engines.llama_engine import LlamaEngine
from agent.engines.llama_job import Job, JobStats
from agent.engines.llama_schedule import Rank


async def run_prefill(
    engine: LlamaEngine, sequence: int, tokens: list[int], rank: Rank
) -> JobStats:
    """Fill a sequence's cache and wait until it is done; cancelling stops the work."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[JobStats] = loop.create_future()
    job = Job(
        prompt=tokens,
        max_tokens=0,
        rank=rank,
        on_text=lambda text: None,
        on_end=finisher(loop, ended, lambda: None),
    )
    engine.submit(sequence, job)
    try:
        return await ended
    except asyncio.CancelledError:
        job.cancelled = True
        engine.wake()
        raise


def finisher(
    loop: asyncio.AbstractEventLoop, ended: asyncio.Future[JobStats], after: Callable[[], None]
) -> Callable[[JobStats, Exception | None], None]:
    """Return an ``on_end`` that settles a future in its loop."""

    def settle(stats: JobStats, fault: Exception | None) -> None:
        if not ended.done():
            if fault is None:
                ended.set_result(stats)
            else:
                ended.set_exception(fault)
        after()

    return lambda stats, fault: post(loop, settle, stats, fault)


def post(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object) -> None:
    """Call something in the loop; a loop that is gone no longer listens."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)
