from __future__ import annotations

import numpy as np
import pytest

from edge.phone.hearing import (
    MS,
    Burst,
    BurstBegan,
    FarEndFinished,
    Hearing,
    audible_frames,
    level_dbfs,
)

pytestmark = pytest.mark.unit

LOUD, QUIET = -20.0, -70.0


def _feed(hearing: Hearing, level: float, start_ms: int, count: int) -> list[object]:
    events: list[object] = []
    for index in range(count):
        events += hearing.receive(level, (start_ms + 20 * index) * MS)
    return events


def test_the_level_of_a_full_scale_square_wave_is_zero() -> None:
    """RMS level is relative to full scale."""
    square = np.tile(np.array([32_767, -32_767], dtype=np.int16), 80)
    assert level_dbfs(square) == pytest.approx(0.0, abs=0.01)
    assert level_dbfs(np.zeros(160, dtype=np.int16)) == -96.0
    assert level_dbfs(np.zeros(0, dtype=np.int16)) == -96.0


def test_a_burst_begins_at_its_first_audible_packet() -> None:
    """Three audible packets open a burst, which is dated back to the first of them."""
    hearing = Hearing()
    assert _feed(hearing, QUIET, 0, 5) == []
    assert _feed(hearing, LOUD, 100, 3) == [BurstBegan(100 * MS)]
    assert hearing.bursts == (Burst(100 * MS, 140 * MS),)


def test_a_click_is_no_speech() -> None:
    """Two audible packets alone open nothing."""
    hearing = Hearing()
    _feed(hearing, QUIET, 0, 5)
    assert _feed(hearing, LOUD, 100, 2) == []
    assert _feed(hearing, QUIET, 140, 100) == []
    assert hearing.bursts == ()


def test_clicks_far_apart_do_not_add_up() -> None:
    """Three clicks, each 200 ms after the other, are still no speech."""
    hearing = Hearing()
    _feed(hearing, QUIET, 0, 5)
    for at_ms in (100, 300, 500):
        assert hearing.receive(LOUD, at_ms * MS) == []


def test_a_short_pause_stays_inside_the_burst_and_a_long_one_splits_it() -> None:
    """Gaps up to 300 ms belong to the burst."""
    hearing = Hearing()
    _feed(hearing, QUIET, 0, 2)
    _feed(hearing, LOUD, 100, 5)
    _feed(hearing, LOUD, 180 + 300, 5)
    assert len(hearing.bursts) == 1
    events = _feed(hearing, LOUD, 560 + 320, 5)
    assert events == [BurstBegan(880 * MS)]
    assert len(hearing.bursts) == 2


def test_the_far_end_has_finished_after_the_silence_and_only_once() -> None:
    """FarEndFinished names the last audible packet and is not repeated."""
    hearing = Hearing(silence_ms=1_200)
    assert hearing.next_deadline_ns is None
    _feed(hearing, QUIET, 0, 2)
    _feed(hearing, LOUD, 100, 5)
    assert hearing.next_deadline_ns == 1_380 * MS
    assert hearing.wake(1_379 * MS) == []
    assert hearing.wake(1_380 * MS) == [FarEndFinished(180 * MS)]
    assert hearing.wake(9_000 * MS) == []


def test_loud_line_noise_raises_the_threshold() -> None:
    """Steady noise above -50 dBFS soon stops counting as speech."""
    hearing = Hearing()
    _feed(hearing, -45.0, 0, 10)
    bursts = hearing.bursts
    _feed(hearing, -45.0, 200, 2_000)
    assert hearing.bursts == bursts == ()
    assert _feed(hearing, LOUD, 50_000, 3) == [BurstBegan(50_000 * MS)]


def test_audible_frames_find_speech_between_silence() -> None:
    """A tone between two silences is audible, the silences are not."""
    tone = (np.sin(np.arange(1_600) / 4) * 8_000).astype(np.int16)
    silence = np.zeros(800, dtype=np.int16)
    audible = audible_frames(np.concatenate([silence, tone, silence]))
    assert audible.tolist() == [False] * 5 + [True] * 10 + [False] * 5


def test_speech_without_any_pause_is_audible_throughout() -> None:
    """A recording that is loud from end to end has no floor above its own speech."""
    tone = (np.sin(np.arange(1_600) / 4) * 8_000).astype(np.int16)
    assert audible_frames(tone).all()
    assert audible_frames(np.zeros(0, dtype=np.int16)).tolist() == []
