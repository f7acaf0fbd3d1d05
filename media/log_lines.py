"""Write log lines whole, and make lines of text that is written in pieces."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable


class LineLogger:
    """Write each message as one line with one system call.

    Several processes and threads share one standard error, and a line that is written in two pieces
    may have another's line between them. What the kernel does not take is dropped: a log that
    cannot be written to must not end a call.

    Args:
        descriptor: a file descriptor that stays open.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # a destructor may log while its thread is inside: it must not wait for itself
        self._lock = threading.RLock()

    def msg(self, message: str) -> None:
        """Write one message; a newline is added."""
        left = memoryview((message + "\n").encode("utf-8", "backslashreplace"))
        with self._lock:
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except OSError:
                    return

    debug = info = warning = error = critical = exception = log = fatal = msg


class LineStream(io.TextIOBase):
    """A text stream that gives on whole lines, empty ones left out.

    Args:
        descriptor: what :meth:`fileno` returns, for those who write past Python.
        on_line: called with each line, in the thread that wrote it.
    """

    def __init__(self, descriptor: int, on_line: Callable[[str], object]) -> None:
        self._descriptor = descriptor
        self._on_line = on_line
        self._begun = threading.local()

    def write(self, text: str) -> int:
        """Take text; what follows the last newline waits for its own."""
        *lines, rest = (self._rest() + text).split("\n")
        self._begun.text = rest
        for line in lines:
            self._give(line)
        return len(text)

    def flush(self) -> None:
        """Take what this thread has begun for a line."""
        line, self._begun.text = self._rest(), ""
        self._give(line)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor beneath."""
        return self._descriptor

    def _rest(self) -> str:
        return str(getattr(self._begun, "text", ""))

    def _give(self, line: str) -> None:
        if line.strip():
            self._on_line(line.rstrip())
