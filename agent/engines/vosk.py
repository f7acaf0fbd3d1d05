"""Speech to text by Vosk, streaming: audio is decoded as it comes, in threads.

``AcceptWaveform`` returns at once mostly and takes up to 0.8 s at times, so it never runs on the
event loop. Each session's work is a queue that one thread at a time drains, in order. Vosk's own
endpointer closes segments inside an utterance; their words are kept and joined.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import structlog
import vosk

from agent.engines.base import Samples, Transcript
from media import LocalError
from media.realtime import step_back

_RATE_HZ = 16_000
"""The models are trained at 16 kHz and refuse to upsample themselves."""

_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Finish:
    done: Future[Transcript] = field(default_factory=Future)


class VoskRecognizer:
    """One language's model and its threads; see :class:`agent.engines.base.RecognizerModel`.

    Args:
        path: the model's folder.
        language: BCP 47 tag it is for.
        threads: sessions that are decoded at the same time.
    """

    def __init__(self, path: Path, language: str, threads: int = 2) -> None:
        vosk.SetLogLevel(-1)
        self.name = path.name
        self.language = language
        self._model: Any = vosk.Model(str(path))
        self._threads = ThreadPoolExecutor(threads, "vosk", initializer=step_back)
        first = vosk.KaldiRecognizer(self._model, _RATE_HZ)
        first.AcceptWaveform(bytes(_RATE_HZ))  # the first words ever take a second longer
        first.FinalResult()

    def open(
        self, likely: Sequence[str] = (), may_repeat: Callable[[], bool] = lambda: True
    ) -> VoskSession:
        """Open a session for one call; what is likely changes nothing here, nothing is repeated."""
        return VoskSession(self._model, self._threads)

    def close(self) -> None:
        """End the threads after what is running."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class VoskSession:
    """One call's recognition; see :class:`agent.engines.base.RecognizerSession`."""

    def __init__(self, model: Any, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._queue: deque[Samples | _Finish] = deque()
        self._draining = False
        self._closed = False
        self._fresh = True
        self._received_samples = 0
        self._partial = Transcript("", 0.0, 0)
        self._decoder: Any = vosk.KaldiRecognizer(model, _RATE_HZ)
        self._decoder.SetWords(True)
        self._forget()

    def start(self) -> None:
        """Begin a new utterance; audio that waits is forgotten."""
        with self._lock:
            self._drop_queue()
            self._fresh = True
            self._received_samples = 0
            self._partial = Transcript("", 0.0, 0)

    def close(self) -> None:
        """Release the session."""
        with self._lock:
            self._closed = True
            self._drop_queue()

    def receive(self, samples: Samples) -> None:
        """Queue audio of the current utterance; never waits."""
        with self._lock:
            self._received_samples += len(samples)
            self._put(samples.copy())

    async def partial(self) -> Transcript:
        """Return the newest words; never waits."""
        return self._partial

    async def finish(self) -> Transcript:
        """Return the words of all audio of the utterance; it stays open.

        Raises:
            LocalError: the session is closed, or Vosk failed.
        """
        request = _Finish()
        with self._lock:
            if self._closed:
                raise LocalError("the recognizer session is closed")
            if not self._received_samples:
                return Transcript("", 0.0, 0)
            self._put(request)
        waited = asyncio.wrap_future(request.done)
        try:
            await asyncio.wait({waited})
        finally:
            request.done.cancel()
        return Transcript("", 0.0, 0) if waited.cancelled() else waited.result()

    def _put(self, item: Samples | _Finish) -> None:
        """Queue work and have it drained; the caller holds the lock."""
        if self._closed:
            return
        self._queue.append(item)
        if not self._draining:
            self._draining = True
            self._threads.submit(self._drain)

    def _drop_queue(self) -> None:
        for each in self._queue:
            if isinstance(each, _Finish):
                each.done.cancel()
        self._queue.clear()

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._draining = False
                    return
                audio = self._take_audio()
                request = None if len(audio) else self._queue.popleft()
                fresh, self._fresh = self._fresh, False
            try:
                if fresh:
                    self._forget()
                if len(audio):
                    self._accept(audio)
                elif isinstance(request, _Finish) and request.done.set_running_or_notify_cancel():
                    request.done.set_result(self._finish())
            except Exception as error:  # the thread outlives one call's failure
                _log.error("recognition_failed", exc_info=True)
                if isinstance(request, _Finish) and not request.done.done():
                    request.done.set_exception(LocalError(f"Vosk failed: {error}"))

    def _take_audio(self) -> Samples:
        """Take all audio up to the next request, so that a backlog is one call into Vosk."""
        waiting: list[Samples] = []
        while self._queue and not isinstance(self._queue[0], _Finish):
            chunk = self._queue.popleft()
            assert not isinstance(chunk, _Finish)
            waiting.append(chunk)
        return np.concatenate(waiting) if waiting else np.zeros(0, dtype=np.int16)

    def _forget(self) -> None:
        self._decoder.Reset()
        self._segments: list[tuple[str, float]] = []
        self._decoded_samples = 0
        self._new_resampler()

    def _new_resampler(self) -> None:
        self._resampler: Any = soxr.ResampleStream(8_000, _RATE_HZ, 1, dtype="int16")

    def _accept(self, samples: Samples) -> None:
        self._decoded_samples += len(samples)
        self._feed(self._resampler.resample_chunk(samples))
        unfinished = json.loads(self._decoder.PartialResult()).get("partial", "")
        self._tell(unfinished)

    def _feed(self, audio: Samples) -> None:
        if len(audio) and self._decoder.AcceptWaveform(audio.tobytes()):
            self._keep(self._decoder.Result())

    def _finish(self) -> Transcript:
        """Flush resampler and decoder: audio that follows is a new segment."""
        self._feed(self._resampler.resample_chunk(np.zeros(0, dtype=np.int16), last=True))
        self._new_resampler()
        self._keep(self._decoder.FinalResult())
        return self._tell("")

    def _keep(self, result: str) -> None:
        parsed = json.loads(result)
        text = parsed.get("text", "").strip()
        if text:
            sure = [float(each["conf"]) for each in parsed.get("result", ())]
            self._segments.append((text, sum(sure) / len(sure) if sure else 0.5))

    def _tell(self, unfinished: str) -> Transcript:
        texts = [text for text, _ in self._segments] + ([unfinished] if unfinished else [])
        confidences = [confidence for _, confidence in self._segments]
        confidence = sum(confidences) / len(confidences) if confidences else 0.0
        told = Transcript(" ".join(texts), confidence, self._decoded_samples)
        with self._lock:
            if not self._fresh:
                self._partial = told
        return told
