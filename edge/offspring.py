"""Start a program that dies with its parent: ``offspring.py PARENT NICENESS SIGNAL PROGRAM ...``.

Linux tells a process that its parent has died only if it asks (prctl(2), PR_SET_PDEATHSIG), and
keeps the request across execve. Asking in the child after fork is not safe where the parent has
threads, so this file is run in between, by an isolated interpreter, and gives way to the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # this file is run before every child: it starts with as little as it can
    from asyncio.subprocess import Process

_PR_SET_PDEATHSIG = 1


def command(program: list[str], niceness: int = 0, death_signal: int = signal.SIGKILL) -> list[str]:
    """Return the command line that runs a program as our offspring.

    Args:
        program: what to run, with its arguments.
        niceness: added to our own (nice(2)).
        death_signal: what it gets when we die; another than SIGKILL lets it end its own children.
    """
    me = str(Path(__file__).resolve())
    numbers = [str(os.getpid()), str(niceness), str(int(death_signal))]
    return [sys.executable, "-I", "-S", me, *numbers, *program]


def signal_child(process: Process, number: int) -> None:
    """Send a signal to a child of this process; nothing happens where it has died.

    ``Process.kill`` polls the child first (before Python 3.13), which takes the exit status of one
    that has just died away from asyncio's watcher: that then tells of 255 (CPython gh-87744).
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def main(arguments: list[str]) -> int:
    """Bind this process's life to its parent's and become the program."""
    parent, niceness, death_signal = (int(each) for each in arguments[:3])
    program = arguments[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        print(f"offspring: prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 1
    if os.getppid() != parent:  # it died before we asked
        return 1
    os.nice(niceness)
    os.execvp(program[0], program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
