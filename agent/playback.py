"""Know what of the agent's words has been heard (sans-IO).

One clip is one thing said; it grows by parts (a clause and its audio) while it already plays. What
was heard follows from the position that media reports when the clip is held, cleared or finished.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.engines.speech_text_heard import heard_text

SAMPLE_HZ = 8_000


class ClipState(StrEnum):
    """Where a clip stands."""

    QUEUED = "queued"
    PLAYING = "playing"
    FINISHED = "finished"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a clip and its words."""

    text: str
    start_samples: int
    length_samples: int


@dataclass(slots=True)
class Clip:
    """One thing that the agent says."""

    number: int
    """From 1, per stream."""
    source: str
    """``greeting``, ``model``, ``fast_lane`` ... as in :class:`media.messages.Turn`."""
    state: ClipState = ClipState.QUEUED
    parts: list[Part] = field(default_factory=list)
    length_samples: int = 0
    ended: bool = False
    """No more parts will come."""
    started_ns: int = 0
    finished_ns: int = 0
    heard_samples: int = 0
    playing_since_ns: int = 0
    """When it last began to sound: at its start, after a hold, after more audio came."""
    played_samples: int = 0
    """What had been played before that."""

    @property
    def dry_ns(self) -> int | None:
        """When it falls (or fell) silent although more of it is to come; None while it is held."""
        if self.ended or not self.playing_since_ns:
            return None
        left = self.length_samples - self.played_samples
        return self.playing_since_ns + left * 1_000_000_000 // SAMPLE_HZ

    def left_ms(self, now_ns: int) -> int:
        """Return how much of its audio was not heard yet."""
        played = self.played_samples
        if self.playing_since_ns:
            played += (now_ns - self.playing_since_ns) * SAMPLE_HZ // 1_000_000_000
        return max(0, self.length_samples - played) * 1_000 // SAMPLE_HZ

    @property
    def text(self) -> str:
        """All words of it."""
        return " ".join(each.text for each in self.parts)

    def heard_text(self) -> str:
        """Return the words that had been played at ``heard_samples``."""
        if (
            self.state is ClipState.FINISHED
            or self.ended
            and self.heard_samples >= self.length_samples > 0
        ):
            return self.text
        heard = [
            heard_text(each.text, self.heard_samples - each.start_samples, each.length_samples)
            for each in self.parts
        ]
        return " ".join(each for each in heard if each)


class Playback:
    """The clips of one stream, in the order of their opening.

    Args:
        last_number: clips are counted from the next one.
    """

    def __init__(self, last_number: int = 0) -> None:
        self.clips: list[Clip] = []
        self._last_number = last_number

    def open(self, source: str) -> Clip:
        """Begin a clip."""
        self._last_number += 1
        clip = Clip(self._last_number, source)
        self.clips.append(clip)
        return clip

    def append(self, clip: Clip, text: str, samples: int, at_ns: int = 0) -> int:
        """Add words and the length of their audio; return the position they start at.

        Args:
            clip: an open clip.
            text: words of this stretch; empty where it goes on with the last ones.
            samples: length of the audio.
            at_ns: now.
        """
        start = clip.length_samples
        if clip.dry_ns is not None and clip.dry_ns < at_ns:
            clip.playing_since_ns, clip.played_samples = at_ns, start
        if text or not clip.parts:
            clip.parts.append(Part(text, start, samples))
        else:
            last = clip.parts[-1]
            clip.parts[-1] = Part(last.text, last.start_samples, last.length_samples + samples)
        clip.length_samples += samples
        return start

    def started(self, number: int, sent_ns: int) -> Clip | None:
        """Take media's ClipStarted; a clip that was cleared meanwhile is gone."""
        clip = self._find(number)
        if clip is not None:
            clip.state = ClipState.PLAYING
            clip.started_ns = clip.playing_since_ns = sent_ns
        return clip

    def finished(self, number: int, sent_ns: int) -> Clip | None:
        """Take media's ClipFinished."""
        clip = self._find(number)
        if clip is not None:
            clip.state = ClipState.FINISHED
            clip.heard_samples = clip.length_samples
            clip.finished_ns = sent_ns
            self.clips.remove(clip)
        return clip

    def held(self, number: int, position_samples: int) -> None:
        """Take where media holds a clip."""
        clip = self._find(number)
        if clip is not None:
            clip.heard_samples = clip.played_samples = position_samples
            clip.playing_since_ns = 0

    def resumed(self, at_ns: int) -> None:
        """Note that the clip that was held goes on."""
        for clip in self.clips:
            if clip.started_ns and not clip.playing_since_ns:
                clip.playing_since_ns = at_ns

    def cleared(
        self, number: int, position_samples: int, at_ns: int, up_to: int | None = None
    ) -> list[Clip]:
        """Take media's PlaybackCleared; return the clips that are gone, with what was heard.

        Args:
            number: the clip that was being played, 0 if none was.
            position_samples: how much of it was.
            at_ns: when.
            up_to: the last clip that had been opened when the clearing was asked for.
        """
        last = self._last_number if up_to is None else up_to
        gone = [each for each in self.clips if each.number <= last]
        self.clips = [each for each in self.clips if each.number > last]
        for clip in gone:
            clip.state = ClipState.CLEARED
            clip.finished_ns = at_ns
            clip.heard_samples = position_samples if clip.number == number else 0
        return gone

    @property
    def last_number(self) -> int:
        """Number of the clip opened last."""
        return self._last_number

    @property
    def busy(self) -> bool:
        """Whether anything plays or waits to."""
        return bool(self.clips)

    def _find(self, number: int) -> Clip | None:
        return next((each for each in self.clips if each.number == number), None)
