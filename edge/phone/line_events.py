"""What a line is told and what it reports."""

from __future__ import annotations

from dataclasses import dataclass

from edge.phone.stopwatch import Spoken


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How the line behaves."""

    codec: str = "PCMU"
    loss_ratio: float = 0.0
    """Packets dropped at random, in both directions."""
    jitter_ms: int = 0
    """Each packet sent is held back for a random 0 to this long."""
    seed: int = 1
    silence_ms: int = 1_200


@dataclass(frozen=True, slots=True)
class FarEndSpoke:
    """Reported when the far end opens a burst."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class FarEndQuiet:
    """Reported when the far end has finished."""

    last_ns: int


@dataclass(frozen=True, slots=True)
class PhoneBegan:
    """Reported when the phone begins an item."""

    index: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class PhoneFinished:
    """Reported when the last audible packet of an item has left."""

    index: int
    spoken: Spoken


@dataclass(frozen=True, slots=True)
class ScriptEnded:
    """Reported when nothing is left to say."""


LineEvent = FarEndSpoke | FarEndQuiet | PhoneBegan | PhoneFinished | ScriptEnded
