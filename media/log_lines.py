"""Write log lines whole, and make lines of text that is written in pieces."""

from __future__ import annotations

import io
import os
import socket
import stat
import threading
import time
from collections.abc import Callable

_LOOK_S = 0.002
"""How often a full pipe is tried while it is waited for."""


def _told(lines: int) -> str:
    return f"log_lines_dropped lines={lines}"


class LineLogger:
    """Write each message as one line, with one system call where it fits.

    Several processes and threads share one standard error, and a line that is written in two pieces
    may have another's line between them. A log that cannot be written to must neither end a call
    nor hold it up: what a full pipe or socket does not take in time is dropped and counted, and the
    first line that goes through afterwards says how many were.

    Args:
        descriptor: a file descriptor that stays open.
        wait_s: how long a full pipe or socket is waited for; once only, until it takes lines again.
        tell: returns the line about so many that were dropped.
    """

    def __init__(
        self, descriptor: int, wait_s: float = 0.0, tell: Callable[[int], str] = _told
    ) -> None:
        self._descriptor = descriptor
        self._wait_s = wait_s
        self._tell = tell
        mode = os.fstat(descriptor).st_mode
        self._socket = stat.S_ISSOCK(mode)
        self._own = _reopened(descriptor) if stat.S_ISFIFO(mode) else None
        self._rest = memoryview(b"")
        """What a full pipe has yet to take of a line that it has begun to take."""
        self._dropped = 0
        self._full = self._inside = False
        # a destructor may log while its thread is inside: it must not wait for itself
        self._lock = threading.RLock()

    def msg(self, message: str) -> None:
        """Write one message; a newline is added."""
        with self._lock:
            if self._inside:
                self._dropped += 1
                return
            self._inside = True
            try:
                self._take(message)
            finally:
                self._inside = False

    debug = info = warning = error = critical = exception = log = fatal = msg

    def close(self) -> None:
        """Give back what was opened beside the descriptor, which stays open."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            os.close(own)

    def _take(self, message: str) -> None:
        dropped = self._dropped
        self._push()
        # in one write: a pipe that is full to the last hundred bytes would take the first alone
        text = f"{self._tell(dropped)}\n{message}" if dropped else message
        if self._rest or not self._write(text):
            self._dropped += 1
        else:
            self._dropped -= dropped

    def _write(self, text: str) -> bool:
        """Begin a line; say whether any of it was taken, the rest is for later then."""
        line = memoryview((text + "\n").encode("utf-8", "backslashreplace"))
        self._rest = line
        self._push()
        if len(self._rest) < len(line):
            return True
        self._rest = memoryview(b"")
        return False

    def _push(self) -> None:
        """Write what there is, as far as it is taken in time."""
        until = time.monotonic() + (0.0 if self._full else self._wait_s)
        while self._rest:
            try:
                self._rest = self._rest[self._send() :]
                self._full = False
            except BlockingIOError:
                self._full = True
                if (left := until - time.monotonic()) <= 0:
                    return
                time.sleep(min(left, _LOOK_S))
            except OSError:  # whoever read it is gone, and the line with them
                self._rest = memoryview(b"")
                return

    def _send(self) -> int:
        if not self._socket:
            return os.write(self._descriptor if self._own is None else self._own, self._rest)
        line = socket.socket(fileno=self._descriptor)
        try:
            return line.send(self._rest, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        finally:
            line.detach()


def _reopened(descriptor: int) -> int | None:
    """Open a pipe once more, never to wait: the flag of the other is shared with other processes.

    Returns:
        A descriptor, or None where there is no /proc or nobody reads the pipe.
    """
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


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
