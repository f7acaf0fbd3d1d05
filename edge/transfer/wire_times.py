"""Pass on when media really sent what a transfer wants heard (sans-IO)."""

from __future__ import annotations

from collections.abc import Callable

from media.messages import ClipStarted, VoiceStarted

Sent = ClipStarted | VoiceStarted
KEPT = 1_024
"""Streams; those of calls that are long over are pushed out by new ones."""


class WireTimes:
    """Who wants to know what was sent on which stream."""

    def __init__(self) -> None:
        self._watchers: dict[int, Callable[[Sent], None]] = {}

    def watch(self, stream: int, watcher: Callable[[Sent], None]) -> None:
        """Tell somebody from now on; only the last one is told."""
        self._watchers.pop(stream, None)
        self._watchers[stream] = watcher
        if len(self._watchers) > KEPT:
            del self._watchers[next(iter(self._watchers))]

    def receive(self, sent: Sent) -> None:
        """Take media's message."""
        watcher = self._watchers.get(sent.stream)
        if watcher is not None:
            watcher(sent)
