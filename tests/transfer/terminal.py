"""A terminal in which a ``cordboard`` command runs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

from tests.harness.service import CORDBOARD, ROOT

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A window of so many columns and rows."""

    def __init__(self, columns: int, rows: int) -> None:
        self.text = ""
        """Everything that was written."""
        self._ours, self._theirs = pty.openpty()
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size."""
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def start(self, *arguments: str) -> Terminal:
        """Run ``cordboard`` with arguments."""
        self._process = subprocess.Popen(
            [*CORDBOARD, *arguments],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            preexec_fn=_heed_interrupts,
        )
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self

    def rows(self) -> str:
        """Return what was drawn last, without escapes."""
        *_, drawn = self.text.rpartition("\x1b[H")
        return _ESCAPES.sub("", drawn)

    async def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self._process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(self._process.wait, 10)
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)
        os.close(self._theirs)
        return code

    def _read(self) -> None:
        self.text += os.read(self._ours, 65_536).decode(errors="replace")


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs in the background ignores them
