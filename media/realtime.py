"""Get this process to the processor in time, as far as the machine permits."""

from __future__ import annotations

import contextlib
import gc
import os
from concurrent.futures import ThreadPoolExecutor

_FIFO_PRIORITY = 10
_NICE = -10


def claim_priority() -> str:
    """Raise the calling thread's priority; return what was got: ``fifo``, ``nice`` or ``none``.

    Real-time scheduling is not inherited by child processes (SCHED_RESET_ON_FORK, sched(7)).
    """
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, policy, os.sched_param(_FIFO_PRIORITY))
        return "fifo"
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        return "nice"
    return "none"


def yield_priority() -> None:
    """Give the calling thread ordinary priority: it has time."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def step_back(niceness: int = 5) -> None:
    """Let the calling thread, and the threads it starts, wait behind its process's event loop.

    Linux keeps niceness per thread (setpriority(2)): engines at work must not make the loop, and
    with it the heartbeat, late.
    """
    with contextlib.suppress(OSError):
        if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
            os.setpriority(os.PRIO_PROCESS, 0, niceness)


def settle_memory() -> None:
    """Keep the collector away from what is there for good: it would stop the clock."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def background_executor(threads: int = 2) -> ThreadPoolExecutor:
    """Return a pool for blocking work, whose threads do not compete with the sender."""
    return ThreadPoolExecutor(threads, "background", initializer=yield_priority)
