"""Print the summary of ``cordboard calls stats``."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict

from edge.records.reader import RecordReader
from edge.records.statistics import PARTS, Spread, Statistics, summarize
from edge.records.transfer_statistics import TransferStatistics, summarize_transfers
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
    transfers = summarize_transfers(reader.attempts_since(first))
    if as_json:
        shown = {"since": first, **statistics.as_json(), "transfers": asdict(transfers)}
        return json.dumps(shown, ensure_ascii=False)
    lines = [as_text(statistics, first), *transfer_lines(transfers)]
    return "\n".join(lines)


def transfer_lines(transfers: TransferStatistics) -> list[str]:
    """Return what people want to know of transfers, nothing where there were none."""
    t = transfers
    if not t.attempts:
        return []
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in t.outcomes.items())
    in_time = f"{t.summarized / t.first_rings:.0%} of {t.first_rings}" if t.first_rings else "-"
    return [
        "",
        f"transfers   {t.attempts} attempts: {outcomes}",
        f"music       {_cell(t.music)} ms after the decision (p50 / p95)",
        f"two voices  {_cell(t.two_way)} ms after the key, sent both ways (p50 / p95)",
        f"summary     there at the first ring in {in_time}",
    ]


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
