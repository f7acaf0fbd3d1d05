"""Read the call records of a service that runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def rows_of(path: Path, query: str, *values: Any) -> list[dict[str, Any]]:
    """Return what a query finds in a database file."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        database.row_factory = sqlite3.Row
        return [dict(each) for each in database.execute(query, values)]
    finally:
        database.close()


def call_records(path: Path) -> list[dict[str, Any]]:
    """Return every call record of a database file."""
    return rows_of(path, "SELECT * FROM calls")


def one_record(
    path: Path, sip_call_id: str, timeout_s: float = 6.0, log: Callable[[], str] = lambda: ""
) -> dict[str, Any]:
    """Return the one closed record of a call; wait for it, and fail with the log without it."""
    deadline = time.monotonic() + timeout_s
    while True:
        rows = rows_of(path, "SELECT * FROM calls WHERE sip_call_id = ?", sip_call_id)
        if len(rows) == 1 and rows[0]["ended_at"] is not None:
            return rows[0]
        if time.monotonic() > deadline:
            raise AssertionError(f"records of {sip_call_id}: {rows}\n{log()}")
        time.sleep(0.05)
