"""Queue the clips that are played to a leg; sample-exact positions, cleared within one packet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from media.g711 import Samples

MAX_QUEUED_SAMPLES = 8_000 * 600
"""Ten minutes of speech; an agent that sends more is out of its mind."""


class ClipStage(StrEnum):
    """What happened to a clip."""

    STARTED = "started"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class ClipEvent:
    """A clip's first or last sample is in the packet that is just being made."""

    clip: int
    stage: ClipStage


@dataclass(frozen=True, slots=True)
class PlayoutPosition:
    """Where playback stands."""

    clip: int
    """0 where no clip has begun."""
    position_samples: int
    """Samples of it that have left."""


class _Clip:
    def __init__(self, clip: int, *, ended: bool = False, loop: bool = False) -> None:
        self.clip = clip
        self.runs: deque[Samples] = deque()
        self.ended = ended
        self.loop = loop
        self.position = 0
        self.started = False


class PlayoutQueue:
    """Clips in order of their opening.

    A clip that runs dry before its end keeps its place; its gap is the caller's to fill. A clip
    that loops is the background: every other clip is heard before it, and it goes on afterwards.
    """

    def __init__(self) -> None:
        self.paused = False
        self.refused_samples = 0
        self._clips: deque[_Clip] = deque()
        self._background: _Clip | None = None
        self._closed: set[int] = set()
        self._queued_samples = 0

    @property
    def empty(self) -> bool:
        """True where no clip is open or waiting."""
        return not self._clips and self._background is None

    @property
    def looping(self) -> int | None:
        """The clip that is the background, None where there is none."""
        return self._background.clip if self._background is not None else None

    @property
    def position(self) -> PlayoutPosition:
        """The clip being played and how much of it has left."""
        playing = self._clips[0] if self._clips else self._background
        if playing is not None and playing.started:
            return PlayoutPosition(playing.clip, playing.position)
        return PlayoutPosition(0, 0)

    def append(self, clip: int, samples: Samples) -> bool:
        """Add audio to a clip, opening it if it is new.

        Returns:
            False where it was refused: the clip is over (ended, cleared) or the queue is full.
        """
        open_clip = self._find(clip)
        if open_clip is None or open_clip.ended:
            return False
        if self._queued_samples + len(samples) > MAX_QUEUED_SAMPLES:
            self.refused_samples += len(samples)
            return False
        if len(samples):
            open_clip.runs.append(samples)
            self._queued_samples += len(samples)
        return True

    def end(self, clip: int) -> None:
        """Mark a clip as complete; one without any audio finishes in its turn all the same."""
        open_clip = self._find(clip)
        if open_clip is not None:
            open_clip.ended = True

    def end_all(self) -> None:
        """Mark every clip as complete: who made them is gone."""
        for clip in self._clips:
            clip.ended = True

    def play(self, clip: int, samples: Samples, *, loop: bool) -> None:
        """Drop what is queued and play this instead."""
        self.clear()
        self.paused = False
        whole = _Clip(clip, ended=True, loop=loop and len(samples) > 0)
        whole.runs.append(samples)
        if whole.loop:
            self._background = whole
            return
        self._queued_samples = len(samples)
        self._clips.append(whole)

    def clear(self, *, keep_loop: bool = False) -> PlayoutPosition:
        """Drop everything, or everything but what loops; return where playback was."""
        position = self.position
        self._closed.update(clip.clip for clip in self._clips)
        if self._background is not None and not keep_loop:
            self._closed.add(self._background.clip)
            self._background = None
        self._clips.clear()
        self._queued_samples = 0
        return position

    def pop(self, length: int) -> tuple[Samples | None, int, list[ClipEvent]]:
        """Take the next packet's samples.

        Returns:
            ``int16[length]`` with zeros after the last one (None where nothing plays), how many
            are a clip's, and the events, in order.
        """
        if self.paused or not self._clips:
            return (None, 0, []) if self.paused else self._pop_background(length)
        first = self._clips[0].runs[0] if self._clips[0].runs else None
        if first is not None and len(first) > length and self._clips[0].started:
            return self._pop_fast(length), length, []
        out = np.zeros(length, dtype=np.int16)
        filled = 0
        events: list[ClipEvent] = []
        while self._clips:
            clip = self._clips[0]
            if not clip.started and (clip.runs or clip.ended):
                if filled >= length:
                    break
                clip.started = True
                events.append(ClipEvent(clip.clip, ClipStage.STARTED))
            filled = self._take(clip, out, filled)
            if clip.runs or not clip.ended:
                break
            self._clips.popleft()
            self._closed.add(clip.clip)
            events.append(ClipEvent(clip.clip, ClipStage.FINISHED))
        return (out if filled else None), filled, events

    def _pop_background(self, length: int) -> tuple[Samples | None, int, list[ClipEvent]]:
        clip = self._background
        if clip is None:
            return None, 0, []
        events = [] if clip.started else [ClipEvent(clip.clip, ClipStage.STARTED)]
        clip.started = True
        out = np.zeros(length, dtype=np.int16)
        return out, self._take(clip, out, 0), events

    def _pop_fast(self, length: int) -> Samples:
        clip = self._clips[0]
        run = clip.runs[0]
        clip.runs[0] = run[length:]
        clip.position += length
        self._queued_samples -= length
        return run[:length]

    def _take(self, clip: _Clip, out: Samples, filled: int) -> int:
        while clip.runs and filled < len(out):
            run = clip.runs.popleft()
            part = run[: len(out) - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            clip.position += len(part)
            if len(part) < len(run):
                clip.runs.appendleft(run[len(part) :])
            if clip.loop:
                clip.runs.append(part)
            else:
                self._queued_samples -= len(part)
        return filled

    def _find(self, clip: int) -> _Clip | None:
        if self._background is not None and self._background.clip == clip:
            return self._background
        for each in self._clips:
            if each.clip == clip:
                return each
        if clip in self._closed:
            return None
        opened = _Clip(clip)
        self._clips.append(opened)
        return opened
