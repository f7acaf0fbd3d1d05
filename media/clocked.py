"""Read a leg's audio on another leg's clock, for joining them.

The eager buffer hands audio on as it comes, in order; here it waits just long enough that a packet
can be taken every packet time. The depth adapts: an empty buffer deepens it, a second in which it
was never needed makes it shallower, by skipping a quiet packet's worth.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from media.concealment import Concealer
from media.g711 import Codec, Samples, decode, encode
from media.jitter import HeardFrame

_WINDOW_SAMPLES = 8_000
_SLACK_SAMPLES = 40
"""5 ms: what the two clocks' packets may wander against each other unheard."""
_MAX_SAMPLES = 4_000
"""Never more than 500 ms behind."""
_QUIET_RMS = 300.0


@dataclass(frozen=True, slots=True)
class ReadAudio:
    """What is to be heard for one packet time."""

    samples: Samples
    payload: bytes | None
    """The G.711 octets as they came, where all of them did."""
    codec: Codec
    is_voice: bool
    """Some of it came from the far end; else it stands in for what did not."""


class ClockedReader:
    """A first-in first-out buffer with an adaptive depth."""

    def __init__(self) -> None:
        self.underruns = 0
        self.skipped_samples = 0
        self._runs: deque[HeardFrame] = deque()
        self._level = 0
        self._priming = True
        self._extra = 0
        self._lowest = _MAX_SAMPLES
        self._window = 0
        self._concealer = Concealer()
        self._spread_samples = 0

    @property
    def level_samples(self) -> int:
        """How much waits."""
        return self._level

    def receive(self, frame: HeardFrame, spread_ms: float) -> None:
        """Take a frame of the other leg.

        Args:
            frame: in order.
            spread_ms: how late its packets may come (:attr:`media.delay.DelayEstimate.spread_ms`).
        """
        self._runs.append(frame)
        self._level += len(frame.samples)
        self._spread_samples = int(min(spread_ms, 120.0) * 8)
        while self._level > _MAX_SAMPLES:
            self._skip(self._level - _MAX_SAMPLES // 2)

    def pop(self, length: int) -> ReadAudio | None:
        """Return ``length`` samples, None where the other leg has nothing to say yet."""
        if self._priming:
            if self._level < length + self._spread_samples + _SLACK_SAMPLES + self._extra:
                return None
            self._priming = False
            self._lowest, self._window = self._level, 0
        if self._level < length:
            return self._underrun(length)
        self._adapt(length)
        return self._take(length)

    def _underrun(self, length: int) -> ReadAudio:
        self.underruns += 1
        self._extra = min(self._extra + 80, 960)
        self._priming = True
        return ReadAudio(self._concealer.conceal(length), None, Codec.PCMU, is_voice=False)

    def _adapt(self, length: int) -> None:
        self._lowest = min(self._lowest, self._level - length)
        self._window += length
        if self._window < _WINDOW_SAMPLES:
            return
        spare = self._lowest - self._spread_samples - _SLACK_SAMPLES
        if spare >= length:
            head = self._runs[0].samples
            if float(np.std(head)) < _QUIET_RMS or spare >= 4 * length:
                self._skip(length)
                self._extra = max(0, self._extra - 40)
            else:
                return
        self._lowest, self._window = self._level, 0

    def _skip(self, length: int) -> None:
        self.skipped_samples += length
        self._take(length)

    def _take(self, length: int) -> ReadAudio:
        parts: list[HeardFrame] = []
        wanted = length
        while wanted:
            frame = self._runs.popleft()
            size = len(frame.samples)
            if size > wanted:
                parts.append(_cut(frame, 0, wanted))
                self._runs.appendleft(_cut(frame, wanted, size))
                size = wanted
            else:
                parts.append(frame)
            wanted -= size
        self._level -= length
        samples = (
            parts[0].samples
            if len(parts) == 1
            else np.concatenate([each.samples for each in parts])
        )
        codec = parts[0].codec
        payload: bytes | None = None
        if all(each.payload is not None and each.codec is codec for each in parts):
            payload = b"".join(each.payload or b"" for each in parts)
        self._concealer.receive(samples)
        return ReadAudio(samples, payload, codec, any(not each.concealed for each in parts))


def _cut(frame: HeardFrame, start: int, stop: int) -> HeardFrame:
    return HeardFrame(
        frame.position_samples + start,
        frame.samples[start:stop],
        frame.wire_ns,
        frame.concealed,
        None if frame.payload is None else frame.payload[start:stop],
        frame.codec,
    )


def mix(first: Samples, *others: Samples) -> Samples:
    """Add up what is heard at the same time, saturating."""
    total = first.astype(np.int32)
    for each in others:
        total = total + each
    return total.clip(-32_768, 32_767).astype(np.int16)


def octets(audio: ReadAudio, codec: Codec) -> bytes:
    """Return the audio in a codec, the very octets that came wherever that is possible."""
    if audio.payload is not None:
        if audio.codec is codec:
            return audio.payload
        return encode(codec, decode(audio.codec, audio.payload))
    return encode(codec, audio.samples)
