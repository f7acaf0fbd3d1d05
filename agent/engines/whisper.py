"""Speech to text by Whisper as if it streamed: partial words while the caller speaks.

Two threads take what is urgent (finals, then pauses), one takes partials and computes at a lower
priority: a final neither waits behind a partial nor shares a core with it. A recognition that has
begun cannot be stopped before its encoder is done, so one that proved to be too early (a stop
consonant sounds like a pause) leaves the second thread to the one that follows it. Of every session
at most one recognition is queued or running; who was served longest ago comes next.

A partial begins when 0.8 s of new speech has come. As soon as the caller pauses, a recognition of
all that was said replaces it: its words are most likely the final ones, and
:meth:`WhisperSession.finish` a moment later returns them, because only silence has followed.

| finish() finds | it does |
|---|---|
| no voice | returns an empty text |
| newest words cover all voiced audio | returns them |
| a recognition that will cover it, queued or running | makes it urgent, waits for it |
| an older one running | abandons it between encoder and decoder, queues an urgent one |
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import structlog

from agent.engines.base import Samples, Transcript
from agent.engines.silero import WINDOW_SAMPLES, SileroModel
from agent.engines.utterance import MARGIN_SAMPLES, Utterance
from agent.engines.whisper_decode import Abandoned, WhisperDecoder, Words
from media import ConfigError, LocalError
from media.realtime import step_back

_PARTIAL_EVERY_SAMPLES = 6_400
_URGENT_THREADS = 2
_URGENT_NICENESS = 2
"""Before the language model (5): it works ahead while the last words are being recognised."""
_AHEAD_NICENESS = 8
_PAUSE_SAMPLES = MARGIN_SAMPLES
"""64 ms of silence: the caller has perhaps finished. In every third utterance it is a stop
consonant; the words recognised then serve as partial ones."""

_log = structlog.get_logger()


class _Rank(IntEnum):
    FINAL = 0
    PAUSE = 1
    PARTIAL = 2


@dataclass(slots=True, eq=False)
class _Job:
    session: WhisperSession
    utterance: Utterance
    rank: _Rank
    done: Future[None] = field(default_factory=Future)
    covered_samples: int | None = None
    """What it hears, fixed when it starts."""
    decoder: WhisperDecoder | None = None
    """What computes it, fixed when it starts."""
    unwanted: bool = False
    waiting: int = 0


class WhisperModel:
    """The network and its threads, shared by every call and language.

    Args:
        path: the model's folder.
        voice_activity: says where in the audio a voice is.
    """

    def __init__(self, path: Path, voice_activity: SileroModel) -> None:
        self.name = path.name
        self.urgent = WhisperDecoder(path, workers=_URGENT_THREADS, niceness=_URGENT_NICENESS)
        self.ahead = WhisperDecoder(path, niceness=_AHEAD_NICENESS)
        self.voice_activity = voice_activity
        self.lock = threading.Condition()
        self._queue: list[_Job] = []
        self._turns = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(urgent,), name=f"whisper-{number}")
            for number, urgent in enumerate([True] * _URGENT_THREADS + [False])
        ]
        for each in self._threads:
            each.daemon = True
            each.start()

    def recognizer(self, language: str, prompt: str = "") -> WhisperRecognizer:
        """Return the recognizer of one language.

        Args:
            language: BCP 47 tag.
            prompt: words likely to be said; empty is best unless measured otherwise.

        Raises:
            ConfigError: Whisper does not know the language.
        """
        if not self.urgent.speaks(language):
            raise ConfigError([f"{self.name} does not know the language {language!r}"])
        return WhisperRecognizer(self, language, prompt)

    def close(self) -> None:
        """End the threads after what is running."""
        with self.lock:
            self._closed = True
            for job in self._queue:
                job.done.cancel()
            self._queue.clear()
            self.lock.notify_all()
        for each in self._threads:
            each.join(timeout=5)

    def submit(self, job: _Job) -> None:
        """Queue a recognition; the caller holds the lock."""
        if self._closed:
            raise LocalError(f"{self.name} is closed")
        self._queue.append(job)
        self.lock.notify_all()

    @property
    def busy(self) -> bool:
        """Whether somebody waits for a thread that takes what is urgent."""
        with self.lock:
            return any(each.rank is not _Rank.PARTIAL for each in self._queue)

    def withdraw(self, job: _Job) -> None:
        """Forget a queued recognition or let a running one stop; the caller holds the lock."""
        job.unwanted = True
        if job in self._queue:
            self._queue.remove(job)
            job.done.cancel()

    def _work(self, urgent: bool) -> None:
        step_back()
        while True:
            with self.lock:
                while (job := self._next(urgent)) is None:
                    if self._closed:
                        return
                    self.lock.wait()
                self._queue.remove(job)
                self._turns += 1
                job.session.served = self._turns
                job.covered_samples = job.utterance.samples
                job.decoder = self.urgent if urgent else self.ahead
            self._run(job)

    def _next(self, urgent: bool) -> _Job | None:
        fit = [each for each in self._queue if urgent is (each.rank is not _Rank.PARTIAL)]
        return min(fit, key=lambda each: (each.rank, each.session.served), default=None)

    def _run(self, job: _Job) -> None:
        failure: Exception | None = None
        try:
            job.session.recognize(job)
        except Abandoned:
            pass
        except Exception as error:  # the thread outlives one call's failure; finish() raises it
            _log.error("recognition_failed", exc_info=True)
            failure = error
        with self.lock:
            job.session.drop(job)
            self.lock.notify_all()
        if failure is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(failure)


class WhisperRecognizer:
    """Whisper in one language; see :class:`agent.engines.base.RecognizerModel`."""

    def __init__(self, model: WhisperModel, language: str, prompt: str) -> None:
        self.name = model.name
        self.language = language
        self._model = model
        self._prompt = prompt

    def open(
        self, likely: Sequence[str] = (), may_repeat: Callable[[], bool] = lambda: True
    ) -> WhisperSession:
        """Open a session for one call."""
        return WhisperSession(self._model, self.language, self._prompt, likely, may_repeat)


class WhisperSession:
    """One call's recognition; see :class:`agent.engines.base.RecognizerSession`."""

    def __init__(
        self,
        model: WhisperModel,
        language: str,
        prompt: str,
        likely: Sequence[str] = (),
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> None:
        self.served = 0
        """When the model last worked for this session, in jobs."""
        self._model = model
        self._language = language
        self._prompt = prompt
        self._likely = f"{', '.join(likely).capitalize()}." if likely else ""
        self._may_repeat = may_repeat
        self._voice = model.voice_activity.open()
        self._job: _Job | None = None
        self.start()

    def start(self) -> None:
        """Begin a new utterance; work on the one before is abandoned."""
        with self._model.lock:
            self._abandon()
            self._utterance = Utterance()
            self._words = Words("", 0.0)
            self._covered_samples = 0
            self._frozen: list[Words] = []
            self._frozen_samples = 0
        self._voice.reset()

    def close(self) -> None:
        """Release the session."""
        with self._model.lock:
            self._abandon()

    def receive(self, samples: Samples) -> None:
        """Take audio of the current utterance; 0.2 ms per 32 ms of audio."""
        probabilities = self._voice.receive(samples)
        with self._model.lock:
            self._utterance.receive(samples, probabilities)
            if probabilities and self._utterance.has_voice and not self._is_covered():
                self._work_ahead()

    async def partial(self) -> Transcript:
        """Return the newest words; never waits."""
        with self._model.lock:
            return self._transcript(self._covered_samples)

    async def finish(self) -> Transcript:
        """Return the words of all audio of the utterance; it stays open.

        Raises:
            LocalError: the model is closed.
        """
        utterance = self._utterance
        while True:
            with self._model.lock:
                if utterance is not self._utterance:
                    return Transcript("", 0.0, 0)
                if not utterance.has_voice:
                    return Transcript("", 0.0, utterance.samples)
                if self._is_covered():
                    return self._transcript(utterance.samples)
                job = self._final_job()
                job.waiting += 1
            try:
                await asyncio.wait({waited := asyncio.wrap_future(job.done)})
            finally:
                with self._model.lock:
                    job.waiting -= 1
                    if not job.waiting and not job.done.done():
                        self._model.withdraw(job)
                        self.drop(job)
            if waited.cancelled():
                if not job.unwanted:
                    raise LocalError(f"{self._model.name} is closed")
            elif (error := waited.exception()) is not None:
                raise LocalError(f"{self._model.name}: recognition failed") from error

    def recognize(self, job: _Job) -> None:
        """Do a job on the calling (worker) thread.

        Raises:
            Abandoned: nobody wants it any more.
        """
        with self._model.lock:
            if job.unwanted:
                raise Abandoned
            start, cut = self._frozen_samples, job.utterance.cut(self._frozen_samples)
        while cut is not None:
            words = self._recognize_span(job, start, cut, self._model.urgent)
            with self._model.lock:
                if job.unwanted or job.utterance is not self._utterance:
                    raise Abandoned
                self._frozen.append(words)
                start = self._frozen_samples = cut
                cut = job.utterance.cut(start)
        words = self._recognize_span(job, start, job.covered_samples, job.decoder)
        with self._model.lock:
            if job.utterance is self._utterance and not job.unwanted:
                self._words = words
                self._covered_samples = job.covered_samples or 0

    def drop(self, job: _Job) -> None:
        """Forget a job that is over; the caller holds the lock."""
        if self._job is job:
            self._job = None

    def _recognize_span(
        self, job: _Job, start: int, end: int | None, decoder: WhisperDecoder | None
    ) -> Words:
        with self._model.lock:
            whole = job.utterance.samples if end is None else end
            if not job.utterance.voiced_between(start, whole):
                return Words("", 0.0)
            samples = job.utterance.audio(start, whole)
        assert decoder is not None

        def may_repeat() -> bool:
            # a partial one's words are looked at for a moment, and nobody waits for a luxury
            return job.rank is not _Rank.PARTIAL and not self._model.busy and self._may_repeat()

        return decoder.recognize(
            samples, self._language, self._prompt, lambda: job.unwanted, self._likely, may_repeat
        )

    def _work_ahead(self) -> None:
        utterance, job = self._utterance, self._job
        if utterance.silence_samples >= _PAUSE_SAMPLES:
            if job is None or not self._will_cover(job):
                self._abandon()
                self._submit(_Rank.PAUSE)
            elif job.rank is _Rank.PARTIAL:
                self._promote(job, _Rank.PAUSE)
        elif (
            job is None
            and utterance.silence_samples < WINDOW_SAMPLES
            and utterance.samples - self._covered_samples >= _PARTIAL_EVERY_SAMPLES
        ):
            self._submit(_Rank.PARTIAL)

    def _is_covered(self) -> bool:
        covered = self._covered_samples
        return covered > 0 and covered >= self._utterance.to_cover_samples

    def _final_job(self) -> _Job:
        job = self._job
        if job is not None and self._will_cover(job):
            self._promote(job, _Rank.FINAL)
            return job
        self._abandon()
        return self._submit(_Rank.FINAL)

    def _will_cover(self, job: _Job) -> bool:
        """Say whether a job's words will be all there are, and come soon."""
        heard = job.covered_samples
        return heard is None or (
            job.rank is not _Rank.PARTIAL and heard >= self._utterance.to_cover_samples
        )

    def _promote(self, job: _Job, rank: _Rank) -> None:
        job.rank = rank
        self._model.lock.notify_all()

    def _submit(self, rank: _Rank) -> _Job:
        self._job = _Job(self, self._utterance, rank)
        self._model.submit(self._job)
        return self._job

    def _abandon(self) -> None:
        if self._job is not None:
            self._model.withdraw(self._job)
            self._job = None

    def _transcript(self, audio_samples: int) -> Transcript:
        said = [each for each in (*self._frozen, self._words) if each.text]
        confidence = min((each.confidence for each in said), default=0.0)
        return Transcript(" ".join(each.text for each in said), confidence, audio_samples)
