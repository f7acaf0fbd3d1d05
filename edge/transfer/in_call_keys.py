"""Recognise what a person presses in the middle of a talk (sans-IO).

The keys come as RFC 4733 or INFO and are never in the audio that the others hear.
"""

from __future__ import annotations

from edge.queues.messages import TalkChange
from media.config.queues import TalkKeys

MS = 1_000_000
BETWEEN_MS = 3_000
"""A longer pause between two keys begins a new sequence."""


class InCallKeys:
    """The keys of one person.

    Args:
        keys: which sequence means what.
    """

    def __init__(self, keys: TalkKeys) -> None:
        self._meanings = {
            keys.consult: TalkChange.CONSULT,
            keys.three_way: TalkChange.THREE_WAY,
            keys.complete: TalkChange.COMPLETE,
            keys.cancel: TalkChange.CANCEL,
        }
        self._longest = max(len(each) for each in self._meanings)
        self._pressed = ""
        self._last_ns = 0

    def press(self, digit: str, now_ns: int) -> TalkChange | None:
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
