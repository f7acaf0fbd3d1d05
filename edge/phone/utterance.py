"""One item of the script while it is being sent, 20 ms at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.phone.audio import FRAME_SAMPLES, Samples
from edge.phone.hearing import audible_frames
from edge.phone.rtp import dtmf_payloads


@dataclass(slots=True)
class Utterance:
    """Speech, or digits, and how much of it has left."""

    index: int
    frames: Sequence[Samples]
    """``int16[160]`` each, none for digits."""
    audible: Sequence[bool]
    """Per frame; every frame of digits counts as audible."""
    digits: Sequence[tuple[bytes, int]] = ()
    position: int = 0
    first_ns: int | None = None
    last_ns: int = 0
    reported: bool = False

    @classmethod
    def voiced(cls, index: int, samples: Samples) -> Utterance:
        """Return an utterance of ``int16[n]`` at 8 kHz; a last short frame is padded."""
        audible = [bool(each) for each in audible_frames(samples)] or [False]
        padded = np.zeros(len(audible) * FRAME_SAMPLES, dtype=np.int16)
        padded[: len(samples)] = samples
        return cls(index, list(padded.reshape(-1, FRAME_SAMPLES)), audible)

    @classmethod
    def dialled(cls, index: int, digits: str) -> Utterance:
        """Return an utterance of DTMF digits."""
        frames = dtmf_payloads(digits)
        return cls(index, (), [True] * len(frames), frames)

    def next_frame(self, noise: Samples) -> tuple[Samples, tuple[bytes, int] | None]:
        """Return the next 20 ms over the phone's noise, and the DTMF event instead, if one is."""
        position = self.position
        self.position += 1
        if self.digits:
            event = self.digits[position]
            return noise, event if event[0] else None
        mixed = self.frames[position].astype(np.int32) + noise
        return np.clip(mixed, -32_768, 32_767).astype(np.int16), None

    def stamp(self, now_ns: int) -> bool:
        """Take the departure of the frame just returned; True for the first audible one."""
        if not self.audible[self.position - 1]:
            return False
        self.last_ns = now_ns
        if self.first_ns is None:
            self.first_ns = now_ns
            return True
        return False

    @property
    def nothing_audible_left(self) -> bool:
        """True once the last audible frame has left."""
        return not any(self.audible[self.position :])

    @property
    def over(self) -> bool:
        """True once every frame has left."""
        return self.position >= len(self.audible)
