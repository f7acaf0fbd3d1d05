"""Recognise what a person presses in the middle of a talk (sans-IO).

The keys come as RFC 4733 or INFO and are never in the audio that the others hear.
"""

from __future__ import annotations

from enum import StrEnum

from media.config.queues import TalkKeys

MS = 1_000_000
BETWEEN_MS = 3_000
"""A longer pause between two keys begins a new sequence."""


class Feature(StrEnum):
    """What a person in a talk may want."""

    CONSULT = "consult"
    """A second person, the caller waits."""
    THREE_WAY = "three-way"
    """A second person, all three hear each other."""
    COMPLETE = "complete"
    """Leave caller and second person alone."""
    CANCEL = "cancel"
    """Release the second person, go on with the caller."""


class InCallKeys:
    """The keys of one person.

    Args:
        keys: which sequence means what.
    """

    def __init__(self, keys: TalkKeys) -> None:
        self._meanings = {
            keys.consult: Feature.CONSULT,
            keys.three_way: Feature.THREE_WAY,
            keys.complete: Feature.COMPLETE,
            keys.cancel: Feature.CANCEL,
        }
        self._longest = max(len(each) for each in self._meanings)
        self._pressed = ""
        self._last_ns = 0

    def press(self, digit: str, now_ns: int) -> Feature | None:
        """Take a key; return what the sequence that it ends means."""
        if now_ns - self._last_ns > BETWEEN_MS * MS:
            self._pressed = ""
        self._last_ns = now_ns
        self._pressed = (self._pressed + digit)[-self._longest :]
        for sequence, feature in self._meanings.items():
            if self._pressed.endswith(sequence):
                self._pressed = ""
                return feature
        return None
