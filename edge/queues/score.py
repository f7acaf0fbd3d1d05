"""Keep a queue's figures: service level, waits, and what a wait will likely be."""

from __future__ import annotations

from dataclasses import dataclass

_SECOND_NS = 1_000_000_000
_SMOOTHING = 0.1
"""Weight of the newest talk in the running mean: about the last twenty calls count."""


@dataclass(slots=True)
class Score:
    """Counters of one queue since the service started."""

    service_level_ns: int
    """A call answered within this time was answered in time."""
    offered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    """Callers who hung up while they waited, however soon."""
    sent_back: int = 0
    closed: int = 0
    """Of those, who came when the queue was closed: nobody was there to be in time."""
    waits_ns: int = 0
    """Sum of the waits of answered callers."""
    mean_talk_ns: float | None = None

    def add_answered(self, wait_ns: int) -> None:
        """Count a caller who reached a person after ``wait_ns``."""
        self.answered += 1
        self.answered_in_time += wait_ns <= self.service_level_ns
        self.waits_ns += wait_ns

    def add_talk(self, talk_ns: int) -> None:
        """Learn how long talks are."""
        if self.mean_talk_ns is None:
            self.mean_talk_ns = float(talk_ns)
        else:
            self.mean_talk_ns += _SMOOTHING * (talk_ns - self.mean_talk_ns)

    @property
    def service_level(self) -> float | None:
        """Share of callers answered in time among all who found the queue open, 0 to 1."""
        served = self.answered + self.abandoned + self.sent_back - self.closed
        return self.answered_in_time / served if served else None

    @property
    def mean_wait_s(self) -> float | None:
        """Mean wait of answered callers."""
        return self.waits_ns / self.answered / _SECOND_NS if self.answered else None

    def expected_wait_s(self, position: int, members_here: int) -> int | None:
        """Estimate a wait as that many talks shared by the members who are here."""
        if self.mean_talk_ns is None or members_here <= 0:
            return None
        return round(position * self.mean_talk_ns / members_here / _SECOND_NS)
