"""Print the summary of ``cordboard calls stats``."""

from __future__ import annotations

import json
import re
import time

from edge.records.reader import RecordReader
from edge.records.statistics import PARTS, Spread, Statistics, summarize
from edge.records.writer import utc_text
from media import ConfigError

UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}


def show(reader: RecordReader, since: str | None, as_json: bool) -> str:
    """Return the summary of the calls since a time.

    Raises:
        ConfigError: the time cannot be understood.
    """
    first = None if since is None else parse_since(since, time.time_ns())
    calls, turns = reader.since(first)
    statistics = summarize(calls, turns)
    if as_json:
        return json.dumps({"since": first, **statistics.as_json()}, ensure_ascii=False)
    return as_text(statistics, first)


def parse_since(text: str, now_ns: int) -> str:
    """Return a time as the records write it.

    Args:
        text: ``30m``, ``2h``, ``7d`` ago, or the beginning of a UTC time, ``2026-01-31T12:00``.
        now_ns: wall clock.

    Raises:
        ConfigError: it is neither.
    """
    if ago := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return utc_text(now_ns - int(ago[1]) * UNITS_S[ago[2]] * 1_000_000_000)
    if re.fullmatch(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?)?)?", text):
        return text.replace(" ", "T")
    raise ConfigError(
        [f'--since "{text}" is no time; expected 30m, 2h, 7d or a UTC time as 2026-01-31T12:00']
    )


def as_text(statistics: Statistics, since: str | None) -> str:
    """Return the summary for people; times in ms from the caller's last audible packet."""
    s = statistics
    if not s.calls:
        return "no calls" + (f" since {since}" if since else "")
    endings = ", ".join(f"{reason} {count}" for reason, count in s.endings.items())
    share = s.cut_offs / max(s.caller_turns, 1)
    minutes = max(s.minutes, 1e-9)
    wasted = f" ({s.wasted_s / minutes:.1f} s per call minute)" * bool(s.minutes)
    silent = f", silent after {_cell(s.barge_in)} ms" * bool(s.barge_in)
    lines = [
        f"calls       {s.calls}, answered {s.answered}, {s.minutes:.1f} minutes"
        + (f", since {since}" if since else ""),
        f"ended       {endings}",
        f"cut off     {s.cut_offs} ({share:.1%} of {s.caller_turns} turns)",
        f"wasted      {s.wasted_s:.1f} s of work on answers thrown away{wasted}",
        f"interrupted {s.interrupted}{silent}",
    ]
    if s.by_source:
        lines += ["", _row("p50 / p95, ms", "turns", [each.replace("_", " ") for each in PARTS])]
    for source, parts in s.by_source.items():
        response = parts.get("response")
        if response is not None:
            cells = [_cell(parts.get(part)) for part in PARTS]
            lines.append(_row(source, str(response.count), cells))
    return "\n".join(lines)


def _row(name: str, count: str, cells: list[str]) -> str:
    return (f"{name:<14}{count:>6}  " + "".join(f"{each:>15}" for each in cells)).rstrip()


def _cell(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.p50:.0f} / {spread.p95:.0f}"
