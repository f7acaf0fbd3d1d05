"""Say what holds a slot at an outbound worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.ua.messages import UaDisconnected
from edge.workers import WorkerKey
from media.messages import Message


class PlacedLeg(Protocol):
    """Whatever holds a slot at an outbound worker."""

    stream: int | None
    key: WorkerKey | None
    number: int

    def receive(self, message: Message) -> None:
        """Take news of the worker or of media."""

    def lose_worker(self) -> None:
        """The worker died, and the dialog with it."""


@dataclass(slots=True)
class Abandoned:
    """A dialog that nobody waits for but the books."""

    forget: Callable[[PlacedLeg], None]
    """Gives its slot back."""
    key: WorkerKey | None
    number: int
    stream: int | None = None

    def receive(self, message: Message) -> None:
        """Wait for the last word."""
        if isinstance(message, UaDisconnected):
            self.forget(self)

    def lose_worker(self) -> None:
        """Nothing is left to be done."""
