from __future__ import annotations

import numpy as np
import pytest

from agent.audible import AudibleTracker, level_dbfs

pytestmark = pytest.mark.unit
MS = 1_000_000


def tone(dbfs: float, samples: int = 160) -> np.ndarray:
    """Return a square wave of a level."""
    wave = np.where(np.arange(samples) % 8 < 4, 1.0, -1.0)
    return (wave * 32_768 * 10 ** (dbfs / 20)).astype(np.int16)


def feed(tracker: AudibleTracker, start_ms: int, levels: list[float]) -> int:
    """Feed one packet of 20 ms per level; return the time after them."""
    for dbfs in levels:
        start_ms += 20
        tracker.receive(tone(dbfs), start_ms * MS)
    return start_ms


def test_levels_are_measured_against_full_scale() -> None:
    """Half of full scale is -6 dBFS, digital silence -120."""
    assert level_dbfs(tone(-6.0)) == pytest.approx(-6.0, abs=0.1)
    assert level_dbfs(np.zeros(160, dtype=np.int16)) == -120.0


def test_the_last_audible_packet_is_found_again() -> None:
    """Walking back from a moment gives the last packet above the threshold before it."""
    tracker = AudibleTracker()
    end = feed(tracker, 0, [-70] * 50 + [-20] * 10)
    later = feed(tracker, end, [-70] * 20)
    again = feed(tracker, later, [-20])
    assert tracker.last_audible_ns(later * MS) == end * MS
    assert tracker.last_audible_ns(again * MS) == again * MS
    assert tracker.first_audible_ns(later * MS) == again * MS


def test_a_noisy_line_raises_the_threshold() -> None:
    """Noise at -40 dBFS is the floor; only 12 dB above it is audible."""
    tracker = AudibleTracker()
    noisy = feed(tracker, 0, [-40] * 600)
    spoken = feed(tracker, noisy, [-20] * 3)
    end = feed(tracker, spoken, [-40] * 10)
    assert tracker.last_audible_ns(end * MS) == spoken * MS


def test_quiet_below_the_least_level_is_never_audible() -> None:
    """-55 dBFS over a silent line is not speech."""
    tracker = AudibleTracker()
    end = feed(tracker, 0, [-90] * 50 + [-55] * 10)
    assert tracker.last_audible_ns(end * MS) is None


def test_concealed_samples_prove_nothing() -> None:
    """What stands in for lost packets is not the caller's voice."""
    tracker = AudibleTracker()
    tracker.receive(tone(-20), 20 * MS, concealed=True)
    assert tracker.last_audible_ns(100 * MS) is None


def test_packets_of_other_lengths_are_cut_into_frames() -> None:
    """10 ms packets pair up; a 60 ms packet counts as one arrival."""
    tracker = AudibleTracker()
    tracker.receive(tone(-20, 80), 10 * MS)
    assert tracker.last_audible_ns(50 * MS) is None
    tracker.receive(tone(-20, 80), 20 * MS)
    assert tracker.last_audible_ns(50 * MS) == 20 * MS
    tracker.receive(tone(-20, 480), 80 * MS)
    assert tracker.last_audible_ns(90 * MS) == 80 * MS
