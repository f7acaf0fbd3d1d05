"""Collect the digits of one keypad entry (sans-IO): ``#`` ends it, a pause does too."""

from __future__ import annotations

MS = 1_000_000
PAUSE_MS = 2_500
END_KEY = "#"


class KeyEntry:
    """The keys pressed since the last entry."""

    def __init__(self) -> None:
        self._keys = ""
        self.pressed_ns = 0
        """When the last key was pressed."""

    @property
    def empty(self) -> bool:
        """Whether nothing was pressed yet."""
        return not self._keys

    def press(self, key: str, now_ns: int) -> str | None:
        """Take a key; return the whole entry when this key ends it."""
        if key == END_KEY:
            return self._take() if self._keys else None
        self._keys += key
        self.pressed_ns = now_ns
        return None

    def receive_tick(self, now_ns: int) -> str | None:
        """Return the entry when nothing was pressed for so long that it is over."""
        deadline_ns = self.next_deadline_ns()
        return self._take() if deadline_ns is not None and now_ns >= deadline_ns else None

    def next_deadline_ns(self) -> int | None:
        """Return when a tick ends the entry."""
        return self.pressed_ns + PAUSE_MS * MS if self._keys else None

    def _take(self) -> str:
        keys, self._keys = " ".join(self._keys), ""
        return keys
