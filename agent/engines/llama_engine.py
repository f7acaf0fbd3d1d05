"""Run one llama.cpp context in one thread, for many sequences.

Everything that touches the context happens in the engine's thread; other threads only put closures
into its queue. A step is: take commands, choose a batch (:mod:`agent.engines.llama_schedule`),
decode it, sample for every sequence that is due, tell the listeners. A cancelled job is gone at
the next step.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from agent.engines.llama_cache import SequenceCache
from agent.engines.llama_context import BatchToken
from agent.engines.llama_draft import Draft
from agent.engines.llama_job import Job, JobStats, TokenContext, TokenModel
from agent.engines.llama_sample import Sampler, TextStream
from agent.engines.llama_schedule import BatchPlan, Rank, Slice, Work
from media import LocalError
from media.realtime import step_back

_log = structlog.get_logger(__name__)

_FIRST_TOKENS = 16
"""An answer's first clause: until then it goes before other calls' later tokens. Nothing is heard
of an answer whose first clause is not whole."""


@dataclass(slots=True)
class _Lane:
    """One sequence and its job."""

    sequence: int
    cache: SequenceCache = field(default_factory=SequenceCache)
    job: Job | None = None
    pending: list[int] = field(default_factory=list)
    """Tokens to compute, in order; while an answer runs, its newest token."""
    sampler: Sampler | None = None
    draft: Draft = field(default_factory=Draft)
    drafted: list[int] = field(default_factory=list)
    """Guessed tokens in the batch, behind the pending ones."""
    text: TextStream = field(default_factory=TextStream)
    generated: int = 0
    served_ns: int = 0
    reused: int = 0
    prefilled: int = 0
    first_token_ms: float | None = None


class LlamaEngine:
    """The thread that owns a context."""

    def __init__(
        self,
        context: TokenContext,
        model: TokenModel,
        *,
        plan: BatchPlan | None = None,
        on_stop: Callable[[], None] = lambda: None,
        on_loss: Callable[[], None] = lambda: os._exit(70),
    ) -> None:
        """Start the thread.

        Args:
            context: from now on used by the engine's thread only.
            model: its vocabulary.
            plan: how batches are made.
            on_stop: called in the thread after the last step, to free the context.
            on_loss: called in the thread when it cannot go on; ends the process (EX_SOFTWARE).
        """
        self._context = context
        self._model = model
        self._plan = plan or BatchPlan()
        self._on_stop = on_stop
        self._on_loss = on_loss
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lanes: dict[int, _Lane] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="llama", daemon=True)
        self._thread.start()

    def submit(self, sequence: int, job: Job) -> None:
        """Give a sequence a job; the one it had is cancelled."""
        job.submitted_ns = time.monotonic_ns()
        self._commands.put(lambda: self._begin(sequence, job))

    def share(self, source: int, target: int) -> None:
        """Make ``target`` a copy of what ``source`` holds."""
        self._commands.put(lambda: self._share(source, target))

    def clear(self, sequence: int) -> None:
        """Forget a sequence and its job."""
        self._commands.put(lambda: self._clear(sequence))

    def save(self, sequence: int, path: Path) -> Future[bool]:
        """Write what a sequence holds to a file; the future says whether that worked."""
        done: Future[bool] = Future()

        def write() -> bool:
            tokens = self._lane(sequence).cache.tokens
            return bool(tokens) and self._context.save(sequence, path, tokens)

        self._commands.put(lambda: _settle(done, write))
        return done

    def restore(self, sequence: int, path: Path, tokens: Sequence[int]) -> Future[bool]:
        """Fill a sequence from a file; the future says whether it holds these tokens now."""
        done: Future[bool] = Future()

        def read() -> bool:
            self._clear(sequence)
            found = self._context.restore(sequence, path, tokens)
            if found:
                self._lane(sequence).cache.append(tokens)
            return found

        self._commands.put(lambda: _settle(done, read))
        return done

    def wake(self) -> None:
        """Let the thread look for cancelled jobs."""
        self._commands.put(lambda: None)

    def stop(self) -> None:
        """End the thread; jobs end with an error."""

        def _stop() -> None:
            self._stopping = True

        self._commands.put(_stop)
        self._thread.join()

    def _run(self) -> None:
        step_back()
        try:
            self._serve()
        except BaseException:
            # without this thread every caller would wait for ever: the process ends, loudly, and
            # the supervisor starts another, while the edge plays the apology
            _log.critical("language_model_thread_lost", exc_info=True)
            self._on_loss()
            return
        self._fail_all(LocalError("the language model stopped"))
        self._on_stop()

    def _serve(self) -> None:
        while not self._stopping:
            self._take_commands()
            self._drop_cancelled()
            try:
                self._step(time.monotonic_ns())
            except Exception as fault:  # one broken batch ends its calls' answers, not the engine
                _log.error("language_model_failed", exc_info=True)
                self._fail_all(fault)

    def _take_commands(self) -> None:
        idle = not any(lane.pending for lane in self._lanes.values())
        if idle and not self._stopping:
            self._obey(self._commands.get())
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            self._obey(command)

    def _obey(self, command: Callable[[], None]) -> None:
        try:
            command()
        except Exception as fault:  # one broken command ends the answers, not the engine
            _log.error("language_model_failed", exc_info=True)
            self._fail_all(fault)

    def _drop_cancelled(self) -> None:
        for lane in self._lanes.values():
            if lane.job is not None and lane.job.cancelled:
                self._end(lane, None)

    def _fail_all(self, fault: Exception) -> None:
        for lane in self._lanes.values():
            if lane.job is not None:
                self._end(lane, fault)
            self._forget(lane)

    def _lane(self, sequence: int) -> _Lane:
        return self._lanes.setdefault(sequence, _Lane(sequence))

    def _forget(self, lane: _Lane) -> None:
        self._context.clear(lane.sequence)
        lane.cache.cut(0)

    def _clear(self, sequence: int) -> None:
        lane = self._lane(sequence)
        if lane.job is not None:
            self._end(lane, None)
        self._forget(lane)

    def _share(self, source: int, target: int) -> None:
        origin, lane = self._lane(source), self._lane(target)
        self._clear(target)
        if origin.cache.tokens:
            self._context.share(source, target, len(origin.cache.tokens))
            lane.cache.append(origin.cache.tokens)

    def _begin(self, sequence: int, job: Job) -> None:
        lane = self._lane(sequence)
        if lane.job is not None:
            self._end(lane, None)
        rollback = lane.cache.plan(job.prompt, answer=job.max_tokens > 0)
        keep = rollback.keep
        if rollback.cut and not self._context.cut(sequence, keep):
            self._forget(lane)
            keep = 0
        lane.cache.cut(keep)
        lane.job = job
        lane.pending = job.prompt[keep:] if rollback.append else []
        lane.sampler = Sampler(job.sampling)
        lane.draft = Draft(() if job.grammar is not None else job.likely)
        lane.drafted = []
        lane.text = TextStream()
        lane.generated = 0
        lane.served_ns = job.submitted_ns
        lane.reused, lane.prefilled = keep, len(lane.pending)
        lane.first_token_ms = None
        if not lane.pending:
            self._end(lane, None)

    def _end(self, lane: _Lane, fault: Exception | None) -> None:
        job, lane.job = lane.job, None
        lane.pending = []
        if job is None:
            return
        if job.grammar is not None:
            job.grammar.close()
        rest = lane.text.flush()
        if rest and not job.cancelled:
            job.on_text(rest)
        total_ms = (time.monotonic_ns() - job.submitted_ns) / 1e6
        job.on_end(
            JobStats(lane.reused, lane.prefilled, lane.generated, lane.first_token_ms, total_ms),
            fault,
        )

    def _work(self, lane: _Lane) -> Work:
        assert lane.job is not None
        rank = lane.job.rank
        if rank <= Rank.EARLY and lane.generated >= _FIRST_TOKENS:
            rank = Rank.LATER
        return Work(lane.sequence, rank, len(lane.pending), lane.served_ns, lane.job.submitted_ns)

    def _step(self, now_ns: int) -> None:
        works = [self._work(lane) for lane in self._lanes.values() if lane.pending]
        slices = [each for each in self._plan.choose(works, now_ns) if each.tokens]
        if not slices:
            return
        batch, due = self._compose(slices)
        if not self._context.decode(batch):
            self._no_room(slices)
            return
        for each in slices:
            lane = self._lanes[each.sequence]
            lane.cache.append([*lane.pending[: each.tokens], *lane.drafted])
            lane.pending = lane.pending[each.tokens :]
            lane.served_ns = now_ns
        for sequence, index in due.items():
            self._advance(self._lanes[sequence], index)

    def _compose(self, slices: Sequence[Slice]) -> tuple[list[BatchToken], dict[int, int]]:
        """Return the batch, and the batch index of every sequence's last token if all are in."""
        batch: list[BatchToken] = []
        due: dict[int, int] = {}
        for each in slices:
            lane = self._lanes[each.sequence]
            start = len(lane.cache.tokens)
            complete = each.tokens == len(lane.pending)
            for offset, token in enumerate(lane.pending[: each.tokens]):
                wanted = complete and offset == each.tokens - 1 and self._answers(lane)
                batch.append(BatchToken(token, start + offset, each.sequence, wanted))
            lane.drafted = []
            if complete:
                due[each.sequence] = len(batch) - 1
                lane.drafted = self._guess(lane)
            for offset, token in enumerate(lane.drafted):
                batch.append(BatchToken(token, start + each.tokens + offset, each.sequence, True))
        return batch, due

    def _guess(self, lane: _Lane) -> list[int]:
        if lane.job is None or lane.job.max_tokens == 0:
            return []
        return lane.draft.guess()[: lane.job.max_tokens - lane.generated - 1]

    @staticmethod
    def _answers(lane: _Lane) -> bool:
        return lane.job is not None and lane.job.max_tokens > 0

    def _no_room(self, slices: Sequence[Slice]) -> None:
        """End the youngest job of the batch: the cache is full."""
        lanes = [self._lanes[each.sequence] for each in slices]
        youngest = max(lanes, key=lambda lane: lane.job.submitted_ns if lane.job else 0)
        _log.error("language_model_cache_full", sequence=youngest.sequence)
        self._end(youngest, LocalError("the language model's cache is full"))
        self._forget(youngest)

    def _advance(self, lane: _Lane, index: int) -> None:
        """Sample what follows the tokens of a sequence that are all computed.

        Guessed tokens stay as far as the model would have said the same; its own next token is
        known then without another step.
        """
        drafted, lane.drafted = lane.drafted, []
        job = lane.job
        if job is None or job.cancelled or job.max_tokens == 0:
            self._unguess(lane, len(drafted))
            self._end(lane, None)
            return
        for right in range(len(drafted) + 1):
            token = self._sample(lane, job, index + right)
            over = token is None or lane.generated >= job.max_tokens
            if over or right == len(drafted) or drafted[right] != token:
                self._unguess(lane, len(drafted) - right)
                break
        if token is None or over:
            self._end(lane, None)
        else:
            lane.pending = [token]

    def _unguess(self, lane: _Lane, wrong: int) -> None:
        """Take wrongly guessed tokens out of the cache."""
        keep = len(lane.cache.tokens) - wrong
        if wrong and not self._context.cut(lane.sequence, keep):
            raise LocalError("this model cannot take tokens back")
        lane.cache.cut(keep)

    def _sample(self, lane: _Lane, job: Job, index: int) -> int | None:
        """Say the next token; None where the answer ends."""
        assert lane.sampler is not None
        logits = self._context.logits(index)
        token = lane.sampler.choose(logits)
        if job.grammar is not None:
            token = job.grammar.choose(logits, token)
        if lane.first_token_ms is None:
            lane.first_token_ms = (time.monotonic_ns() - job.submitted_ns) / 1e6
        if self._model.ends(token):
            return None
        lane.sampler.accept(token)
        lane.draft.accept(token)
        if job.grammar is not None:
            job.grammar.accept(token)
        lane.generated += 1
        if text := lane.text.receive(self._model.piece(token)):
            job.on_text(text)
        return token


def _settle(done: Future[bool], work: Callable[[], bool]) -> None:
    """Do what a future was promised for, unless nobody waits any more."""
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(work())
    except Exception as fault:  # whoever waits is told
        done.set_exception(fault)
