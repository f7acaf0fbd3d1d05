"""Read the call records of a service that runs."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any


def call_records(path: Path) -> list[dict[str, Any]]:
    """Return every call record of a database file."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        database.row_factory = sqlite3.Row
        return [dict(each) for each in database.execute("SELECT * FROM calls")]
    finally:
        database.close()


def one_record(path: Path, sip_call_id: str, timeout_s: float = 6.0) -> dict[str, Any]:
    """Return the one closed record of a call; wait for it."""
    deadline = time.monotonic() + timeout_s
    while True:
        rows = [each for each in call_records(path) if each["sip_call_id"] == sip_call_id]
        if len(rows) == 1 and rows[0]["ended_at"] is not None:
            return rows[0]
        if time.monotonic() > deadline:
            raise AssertionError(f"records of {sip_call_id}: {rows}")
        time.sleep(0.05)
