"""Clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.playout import MAX_QUEUED_SAMPLES, ClipEvent, ClipStage, PlayoutPosition, PlayoutQueue

pytestmark = pytest.mark.unit
STARTED, FINISHED = ClipStage.STARTED, ClipStage.FINISHED


def ramp(length: int, start: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Samples that say where they are."""
    return np.arange(start, start + length).astype(np.int16)


def test_clip_is_told_started_and_finished_in_the_right_packets() -> None:
    """Started comes with the first samples, finished with the last."""
    queue = PlayoutQueue()
    queue.append(1, ramp(400))
    queue.end(1)
    assert queue.pop(160)[1:] == (160, [ClipEvent(1, STARTED)])
    assert queue.position == PlayoutPosition(1, 160)
    assert queue.pop(160)[1:] == (160, [])
    samples, filled, events = queue.pop(160)
    assert (filled, events) == (80, [ClipEvent(1, FINISHED)])
    assert samples is not None
    assert samples[:80].tolist() == list(range(320, 400))
    assert queue.pop(160) == (None, 0, [])


def test_clips_follow_each_other_without_a_seam() -> None:
    """The next clip begins in the very packet in which the one before ends."""
    queue = PlayoutQueue()
    for clip, start in ((1, 0), (2, 100)):
        queue.append(clip, ramp(100, start))
        queue.end(clip)
    samples, filled, events = queue.pop(160)
    assert samples is not None
    assert samples.tolist() == list(range(160))
    assert filled == 160
    assert events == [ClipEvent(1, STARTED), ClipEvent(1, FINISHED), ClipEvent(2, STARTED)]


def test_dry_clip_waits_and_goes_on() -> None:
    """A clip without audio yet keeps its place and its position."""
    queue = PlayoutQueue()
    queue.append(1, ramp(100))
    assert queue.pop(160)[1] == 100
    assert queue.pop(160) == (None, 0, [])
    queue.append(1, ramp(160, 100))
    samples, filled, _ = queue.pop(160)
    assert samples is not None
    assert (filled, int(samples[0])) == (160, 100)


def test_cleared_clip_does_not_come_back() -> None:
    """Audio of a clip that was on its way when it was cleared is refused."""
    queue = PlayoutQueue()
    queue.append(1, ramp(1_000))
    queue.pop(160)
    assert queue.clear() == PlayoutPosition(1, 160)
    assert not queue.append(1, ramp(10))
    assert queue.pop(160) == (None, 0, [])
    assert queue.append(2, ramp(10))


def test_pause_holds_position() -> None:
    """While paused nothing is taken; afterwards it goes on at the same sample."""
    queue = PlayoutQueue()
    queue.append(1, ramp(480))
    queue.pop(160)
    queue.paused = True
    assert queue.pop(160) == (None, 0, [])
    queue.paused = False
    samples, _, _ = queue.pop(160)
    assert samples is not None
    assert int(samples[0]) == 160


def test_loop_goes_round() -> None:
    """Hold music starts again without a gap and never finishes."""
    queue = PlayoutQueue()
    queue.append(1, ramp(50))
    queue.play(9, ramp(100), loop=True)
    out = [queue.pop(160) for _ in range(5)]
    heard = np.concatenate([each[0] for each in out if each[0] is not None])
    assert heard.tolist() == [n % 100 for n in range(800)]
    assert [event for each in out for event in each[2]] == [ClipEvent(9, STARTED)]


def test_empty_clip_finishes_in_its_turn() -> None:
    """A clip that ends without audio is told as started and finished."""
    queue = PlayoutQueue()
    queue.end(4)
    assert queue.pop(160) == (None, 0, [ClipEvent(4, STARTED), ClipEvent(4, FINISHED)])


def test_queue_is_bounded() -> None:
    """Ten minutes and no more."""
    queue = PlayoutQueue()
    whole = np.zeros(MAX_QUEUED_SAMPLES, dtype=np.int16)
    assert queue.append(1, whole)
    assert not queue.append(1, ramp(1))
    assert queue.refused_samples == 1


def test_all_ended_when_the_agent_is_gone() -> None:
    """What is queued still plays, then it is over."""
    queue = PlayoutQueue()
    queue.append(1, ramp(100))
    queue.end_all()
    assert queue.pop(160)[2] == [ClipEvent(1, STARTED), ClipEvent(1, FINISHED)]
    assert queue.empty


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8), st.sampled_from([80, 160, 480]))
def test_every_sample_leaves_once_and_in_order(sizes: list[int], length: int) -> None:
    """However a clip comes in pieces, it leaves whole."""
    queue = PlayoutQueue()
    at = 0
    for size in sizes:
        queue.append(1, ramp(size, at))
        at += size
    queue.end(1)
    out: list[int] = []
    while not queue.empty:
        samples, filled, _ = queue.pop(length)
        assert samples is not None
        out += samples[:filled].tolist()
    assert out == list(range(at))


def test_a_clip_is_heard_over_the_loop_which_then_goes_on() -> None:
    """An announcement interrupts hold music where it is; the music goes on from there."""
    queue = PlayoutQueue()
    queue.play(9, ramp(1_000), loop=True)
    first, _, events = queue.pop(160)
    assert first is not None and [each.clip for each in events] == [9]
    queue.append(1, np.full(160, 77, dtype=np.int16))
    queue.end(1)
    said, _, events = queue.pop(160)
    assert said is not None and set(said) == {77}
    assert [(each.clip, str(each.stage)) for each in events] == [(1, "started"), (1, "finished")]
    after, _, _ = queue.pop(160)
    assert after is not None and list(after) == list(ramp(1_000)[160:320])
    queue.clear()
    assert queue.empty and queue.pop(160) == (None, 0, [])


def test_clearing_may_leave_the_loop() -> None:
    """What is said over the music is dropped, and the music goes on from where it was."""
    queue = PlayoutQueue()
    queue.play(9, ramp(1_000), loop=True)
    queue.pop(160)
    queue.append(1, np.full(320, 7, dtype=np.int16))
    queue.pop(160)
    position = queue.clear(keep_loop=True)
    assert (position.clip, position.position_samples) == (1, 160)
    samples, _, _ = queue.pop(160)
    assert samples is not None and samples.tolist() == ramp(1_000)[160:320].tolist()
    assert not queue.append(1, ramp(10))
    assert queue.looping == 9
    queue.clear()
    assert queue.looping is None and queue.empty
