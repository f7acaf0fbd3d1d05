"""Bring into the log what Python and its libraries would write to standard error by themselves.

=========================================  ====================  ==================================
who                                        event                 through
=========================================  ====================  ==================================
asyncio, SQLAlchemy and any other library  ``library_logged``    a handler of the root logger
``warnings``                               ``library_logged``    ``logging.captureWarnings``
an exception that ends the process         ``process_crashed``   ``sys.excepthook``
an exception that ends a thread            ``thread_crashed``    ``threading.excepthook``
an exception in a destructor or callback   ``exception_ignored`` ``sys.unraisablehook``
anybody who writes to ``sys.stderr``       ``stderr_written``    a stream in its place (JSON only)
=========================================  ====================  ==================================

asyncio's own exception handler logs through the library. Left alone are faulthandler and native
code: they write to the descriptor.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

import structlog

from media.log_lines import LineStream

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from threading import ExceptHookArgs

log = structlog.get_logger()


class _Forwarder(logging.Handler):
    """Give on what libraries log; their levels are ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # its arguments do not fit its format
            message = f"{record.msg} {record.args!r}"
        facts: dict[str, Any] = {"library": record.name, "message": message.strip()}
        if record.exc_info and record.exc_info[1] is not None:
            facts["exc_info"] = record.exc_info[1]
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.ERROR)
        log.log(level, "library_logged", **facts)


def capture_python(*, as_lines: bool) -> None:
    """Send to structlog, as configured, what this process's Python writes from now on.

    Args:
        as_lines: text that is written to ``sys.stderr`` becomes log lines, too.
    """
    root = logging.getLogger()
    for each in list(root.handlers):
        root.removeHandler(each)
    root.addHandler(_Forwarder())
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_ignored
    if as_lines:
        sys.stderr = LineStream(sys.stderr.fileno(), _log_text)


def _log_crash(
    _: type[BaseException], error: BaseException, __: TracebackType | None = None
) -> None:
    log.error("process_crashed", exc_info=error)


def _log_thread(args: ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread is not None else ""
        log.error("thread_crashed", thread=name, exc_info=args.exc_value)


def _log_ignored(args: UnraisableHookArgs) -> None:
    what = f"{args.err_msg or 'Exception ignored in'}: {args.object!r}"
    log.error("exception_ignored", message=what, exc_info=args.exc_value)


def _log_text(line: str) -> None:
    log.warning("stderr_written", text=line)
