"""Record a leg in stereo: the caller left, what the caller is sent right, on one clock.

Both channels are placed by their position since the stream's start. A timeline holds the last
second; a thread of ordinary priority writes it and renews the header each time, so that the file
can be played even if the process is killed.
"""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from media.g711 import Samples
from media.realtime import yield_priority
from media.wav import HEADER_BYTES, wav_header

HOLD_SAMPLES = 4_000
"""500 ms: what comes later than this after its time is not recorded."""
_JUMP_SAMPLES = 8_000 * 600

log = structlog.get_logger()

CALLER, AGENT = 0, 1


class StereoTimeline:
    """Two channels on one time axis, taken from the front.

    Args:
        base: where it begins, samples since the stream's start.
    """

    def __init__(self, base: int = 0) -> None:
        self._base = base
        self._buffer: NDArray[np.int16] = np.zeros((16_000, 2), dtype=np.int16)

    @property
    def taken_samples(self) -> int:
        """Where the next :meth:`take` begins."""
        return self._base

    def add(self, channel: int, position: int, samples: Samples) -> None:
        """Place samples; what lies before the part already taken is dropped.

        Args:
            channel: 0 caller, 1 agent.
            position: samples since the start.
            samples: ``int16[n]``.
        """
        start = position - self._base
        if start < 0:
            samples = samples[-start:]
            start = 0
        if not len(samples) or start > _JUMP_SAMPLES:
            return
        end = start + len(samples)
        if end > len(self._buffer):
            wider = np.zeros((2 * end, 2), dtype=np.int16)
            wider[: len(self._buffer)] = self._buffer
            self._buffer = wider
        self._buffer[start:end, channel] = samples

    def take(self, until: int) -> NDArray[np.int16]:
        """Return ``int16[n, 2]`` up to a position; what never came is zero."""
        count = until - self._base
        if count <= 0:
            return np.zeros((0, 2), dtype=np.int16)
        taken = np.zeros((count, 2), dtype=np.int16)
        held = min(count, len(self._buffer))
        taken[:held] = self._buffer[:held]
        rest = self._buffer[held:].copy()
        self._buffer[: len(rest)] = rest
        self._buffer[len(rest) :] = 0
        self._base = until
        return taken


@dataclass(frozen=True, slots=True)
class _Block:
    recording: Recording
    octets: bytes
    last: bool = False


class RecordingWriter:
    """One thread that writes every recording of the process."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Block | None] = queue.SimpleQueue()
        self._files: dict[Path, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def write(self, recording: Recording, stereo: NDArray[np.int16], *, last: bool = False) -> None:
        """Append ``int16[n, 2]`` to a recording's file; never blocks."""
        self._queue.put(_Block(recording, stereo.astype("<i2", copy=False).tobytes(), last))

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join(5.0)

    def _run(self) -> None:
        yield_priority()
        while (block := self._queue.get()) is not None:
            try:
                self._append(block)
            except OSError as error:
                if not block.recording.failing:  # once, not twice a second
                    path = str(block.recording.path)
                    log.error("recording_failed", path=path, reason=str(error))
                block.recording.failing = True
        for descriptor, _ in self._files.values():
            os.close(descriptor)

    def _append(self, block: _Block) -> None:
        path = block.recording.path
        if path not in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
            self._files[path] = (os.open(path, flags, 0o600), 0)
            block.recording.made = True
        descriptor, written = self._files[path]
        os.pwrite(descriptor, block.octets, HEADER_BYTES + written)
        written += len(block.octets)
        os.pwrite(descriptor, wav_header(written, 2), 0)
        self._files[path] = (descriptor, written)
        if block.last:
            os.close(descriptor)
            del self._files[path]


class Recording:
    """One leg's recording.

    Args:
        path: the WAV file.
        writer: shared by all recordings.
        start_samples: where it begins, since the stream's start.
    """

    def __init__(self, path: Path, writer: RecordingWriter, start_samples: int = 0) -> None:
        self.path = path
        self.made = False
        """The file is there."""
        self.failing = False
        """The disk did not take a part of it."""
        self._writer = writer
        self._timeline = StereoTimeline(start_samples)
        self._closed = False

    def add(self, channel: int, position: int, samples: Samples) -> None:
        """Place samples of a channel."""
        self._timeline.add(channel, position, samples)

    def flush(self, now_samples: int) -> None:
        """Write what can no longer change.

        Args:
            now_samples: time since the stream's start.
        """
        stereo = self._timeline.take(now_samples - HOLD_SAMPLES)
        if len(stereo) and not self._closed:
            self._writer.write(self, stereo)

    def close(self, now_samples: int) -> None:
        """Write the rest and end the file."""
        if not self._closed:
            self._writer.write(self, self._timeline.take(now_samples), last=True)
            self._closed = True


class Tapes:
    """Every recording of one leg: of the whole call, and of a message the far end leaves."""

    def __init__(self) -> None:
        self.call: Recording | None = None
        self._latest: Recording | None = None
        self._message: Recording | None = None

    @property
    def path(self) -> str | None:
        """Of the call's recording, kept after its end; None where the file could not be made."""
        latest = self._latest
        if latest is None or (latest.failing and not latest.made):
            return None
        return os.fspath(latest.path)

    def set_call(self, recording: Recording | None, now_samples: int) -> None:
        """Begin, go on with, or end the recording of the call."""
        if recording is self.call:
            return
        if self.call is not None:
            self.call.close(now_samples)
        self.call = recording
        self._latest = recording or self._latest

    def set_message(self, recording: Recording | None, now_samples: int) -> None:
        """Begin a message, or end it."""
        if self._message is not None:
            self._message.close(now_samples)
        self._message = recording

    def add(self, channel: int, position: int, samples: Samples) -> None:
        """Place samples of a channel."""
        for each in (self.call, self._message):
            if each is not None:
                each.add(channel, position, samples)

    def flush(self, now_samples: int) -> None:
        """Write what can no longer change."""
        for each in (self.call, self._message):
            if each is not None:
                each.flush(now_samples)

    def close(self, now_samples: int) -> None:
        """End them all."""
        for each in (self.call, self._message):
            if each is not None:
                each.close(now_samples)
