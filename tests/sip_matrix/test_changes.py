from __future__ import annotations

from pathlib import Path

import pytest

from tests.sip_matrix.changes import ChangingCall

pytestmark = pytest.mark.integration


def test_audio_survives_hold_codec_and_port_changes(tmp_path: Path) -> None:
    """After each of 10 holds and changes of codec and port the tones are heard both ways."""
    call = ChangingCall(tmp_path, (31_040, 31_043), play_s=40)
    try:
        call.invite()
        call.check_both_ways()
        for number in range(10):
            call.check_change(number)
        call.hang_up()
    finally:
        call.close()
