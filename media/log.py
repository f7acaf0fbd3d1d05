"""Set up the log: structlog, JSON or console, ``pii_*`` keys dropped unless they are wanted."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog

from media.config.model import LogConfig, LogFormat
from media.log_capture import capture_python
from media.log_lines import LineLogger

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


WAIT_S = 0.2
"""A process may wait so long, once, for a log that nobody reads; one in real time may not."""


def configure_log(config: LogConfig, role: str, *, wait_s: float = WAIT_S) -> None:
    """Configure logging of this process once, to standard error; each event is one whole line.

    Args:
        config: the ``log`` section.
        role: which process speaks; every line carries it.
        wait_s: how long a full pipe is waited for before lines are dropped.
    """

    def add_role(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event.setdefault("role", role)
        return event

    def drop_pii(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        if not config.pii:
            for key in [each for each in event if each.startswith("pii_")]:
                del event[key]
        return event

    console = config.format is LogFormat.CONSOLE or (
        config.format is LogFormat.AUTO and sys.stderr.isatty()
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )

    def tell_dropped(lines: int) -> str:
        now = datetime.now(UTC).isoformat()
        event = {"lines": lines, "event": "log_lines_dropped", "role": role, "level": "warning"}
        return json.dumps({**event, "timestamp": now}) if not console else f"{now} {event}"

    lines = LineLogger(sys.stderr.fileno(), wait_s, tell_dropped)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_role,
        drop_pii,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not console:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            _LEVELS.get(config.level, logging.INFO)
        ),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    capture_python(as_lines=not console)
