from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.sip_matrix.changes import ChangingCall
from tests.sip_matrix.timed import keep_call

pytestmark = pytest.mark.soak

HOUR_S = 3_600


@pytest.mark.timeout(900)
def test_audio_survives_100_changes(tmp_path: Path) -> None:
    """After each of 100 holds and changes of codec and port the tones are heard both ways."""
    call = ChangingCall(tmp_path, (31_040, 31_043), play_s=240)
    try:
        call.invite()
        call.check_both_ways()
        for number in range(100):
            call.check_change(number)
        call.hang_up()
    finally:
        call.close()


@pytest.mark.timeout(HOUR_S + 300)
def test_an_hour_with_session_timers(tmp_path: Path) -> None:
    """Calls with session timers of 90 s last an hour, whoever refreshes."""
    folders = [tmp_path / role for role in ("uac", "uas")]
    for folder in folders:
        folder.mkdir()
    # each in a process of its own: callers and agents of both would share one interpreter's lock,
    # and a peer that is silent for two seconds is taken for dead
    apart = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=apart) as pool:
        by_caller = pool.submit(keep_call, folders[0], (31_044, 31_045), "uac", HOUR_S)
        by_us = pool.submit(keep_call, folders[1], (31_046, 31_047), "uas", HOUR_S)
        assert by_caller.result().by_caller >= HOUR_S // 45
        assert by_us.result().by_us >= HOUR_S // 50
