"""Stereo recordings."""

from __future__ import annotations

import time
import wave
from pathlib import Path

import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from media.recording import AGENT, CALLER, Recording, RecordingWriter, StereoTimeline, Tapes

pytestmark = pytest.mark.unit


def read(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Read a stereo file with the standard library."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8_000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def test_channels_are_aligned_by_position() -> None:
    """What never came is silence, what came out of step is in its place."""
    timeline = StereoTimeline()
    timeline.add(AGENT, 100, np.full(50, 5, dtype=np.int16))
    timeline.add(CALLER, 20, np.full(10, 3, dtype=np.int16))
    stereo = timeline.take(200)
    assert stereo.shape == (200, 2)
    assert np.flatnonzero(stereo[:, AGENT]).tolist() == list(range(100, 150))
    assert np.flatnonzero(stereo[:, CALLER]).tolist() == list(range(20, 30))


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 900)), max_size=30))
def test_taking_in_pieces_is_taking_at_once(runs: list[tuple[int, int]]) -> None:
    """However often the front is taken, the sum is the same."""
    whole, pieces = StereoTimeline(), StereoTimeline()
    taken = []
    for position, length in sorted(runs):
        samples = np.arange(1, length + 1).astype(np.int16)
        whole.add(CALLER, position, samples)
        pieces.add(CALLER, position, samples)
        taken.append(pieces.take(position))
    taken.append(pieces.take(50_000))
    assert np.array_equal(whole.take(50_000), np.concatenate(taken))


def test_file_is_valid_while_it_grows(tmp_path: Path) -> None:
    """The header is right before the recording is closed, as after a kill."""
    writer = RecordingWriter()
    path = tmp_path / "deep" / "call.wav"
    recording = Recording(path, writer)
    for n in range(100):
        recording.add(CALLER, 160 * n, np.full(160, 100, dtype=np.int16))
        recording.add(AGENT, 160 * n, np.full(160, 200, dtype=np.int16))
    recording.flush(16_000)
    deadline = time.monotonic() + 5
    while not path.exists() or path.stat().st_size < 44 + 4 * 12_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stereo = read(path)
    assert len(stereo) == 12_000
    assert stereo.min(axis=0).tolist() == [100, 200]
    recording.close(16_000)
    writer.close()
    assert len(read(path)) == 16_000
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_message_begins_where_it_was_begun(tmp_path: Path) -> None:
    """A message left late in a call has none of the call before it, and the call goes on."""
    writer = RecordingWriter()
    tapes = Tapes()
    tapes.set_call(Recording(tmp_path / "call.wav", writer), 0)
    tapes.add(CALLER, 0, np.full(160, 1, dtype=np.int16))
    tapes.set_message(Recording(tmp_path / "message.wav", writer, 80_000), 80_000)
    tapes.add(CALLER, 80_000, np.full(160, 7, dtype=np.int16))
    tapes.set_message(None, 80_160)
    tapes.close(80_320)
    writer.close()
    with wave.open(str(tmp_path / "message.wav")) as file:
        left = np.frombuffer(file.readframes(1_000), dtype="<i2").reshape(-1, 2)[:, 0]
    assert list(left) == [7] * 160
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert file.getnframes() == 80_320


def test_a_recording_that_cannot_be_made_has_no_path(tmp_path: Path) -> None:
    """The record must not name a file that was never there, and the log says why once."""
    (tmp_path / "full").write_text("a file where the folder should be")
    writer, tapes = RecordingWriter(), Tapes()
    tapes.set_call(Recording(tmp_path / "full" / "call.wav", writer), 0)
    with structlog.testing.capture_logs() as lines:
        for second in range(1, 4):
            tapes.add(CALLER, second * 8_000, np.full(160, 1, dtype=np.int16))
            tapes.flush(second * 8_000)
        tapes.close(32_000)
        writer.close()
    assert tapes.path is None
    assert [each["event"] for each in lines] == ["recording_failed"]


def test_a_recording_has_its_path_after_the_end(tmp_path: Path) -> None:
    """Also while its file is still to be written."""
    writer, tapes = RecordingWriter(), Tapes()
    tapes.set_call(Recording(tmp_path / "call.wav", writer), 0)
    assert tapes.path == str(tmp_path / "call.wav")
    tapes.close(160)
    writer.close()
    assert tapes.path == str(tmp_path / "call.wav")
