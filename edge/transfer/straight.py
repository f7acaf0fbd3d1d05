"""Connect a call straight to a queue, as the dial plan says, without an AI in between."""

from __future__ import annotations

from edge.call_events import EndReason, TransferAsked
from edge.trunks.destination import Line


class StraightToQueue:
    """A queue that answers a call.

    Args:
        queue: its name, known to the configuration.
    """

    uses_agent = False

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._line: Line | None = None

    async def prepare(self, line: Line) -> None:
        """Nothing has to get ready: the caller waits with music."""
        self._line = line

    def answered(self, at_ns: int) -> None:
        """Ask for a human; a conversation begins only if the queue sends the caller back."""
        assert self._line is not None
        self._line.post(TransferAsked(self._queue, "", anew=True))

    def held(self, held: bool) -> None:
        """Nothing: the place in the queue is kept."""

    def digit(self, digit: str, *, in_audio: bool = False) -> None:
        """Nothing: the transfer hears keys itself."""

    def clip_finished(self, clip: int) -> None:
        """Nothing: music does not end."""

    async def end(self, reason: EndReason) -> None:
        """Nothing is left: the transfer lets go of its phones itself."""
