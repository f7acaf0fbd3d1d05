from __future__ import annotations

import sqlite3
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.harness.baresip import call_with_baresip
from tests.harness.outside_phone import level_dbfs, tone
from tests.harness.service import Service

pytestmark = pytest.mark.integration


def test_a_softphone_hears_the_greeting_and_is_heard(service: Service, tmp_path: Path) -> None:
    """Baresip, PCMA: its sine is in the recording by frequency, the agent's speech in its ear."""
    uri = f"sip:100@{service.host}:{service.port}"
    heard = call_with_baresip(tmp_path, uri, tone(700, 8.0), seconds=5)
    assert level_dbfs(heard) > -40
    deadline = time.monotonic() + 5
    row = None
    while row is None and time.monotonic() < deadline:
        time.sleep(0.2)
        with sqlite3.connect(service.folder / "calls.db") as database:
            row = database.execute(
                "SELECT codec, reason, recording FROM calls WHERE caller LIKE '%desk@%' "
                "AND ended_at IS NOT NULL"
            ).fetchone()
        database.close()
    assert row is not None
    assert row[:2] == ("PCMA", "caller_hangup")
    with wave.open(row[2], "rb") as file:
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    spectrum = np.abs(np.fft.rfft(both[:, 0]))
    assert int(np.argmax(spectrum)) * 8_000 / len(both) == pytest.approx(700, abs=10)
