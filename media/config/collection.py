"""Pause cyclic garbage collection while very many small objects are made.

Reading ten thousand rules makes half a million objects that all stay; collecting among them over
and over takes as long as reading them (measured: 1.35 s of CPU with, 0.72 s without).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause collection inside the block; a process that has it off keeps it off."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
