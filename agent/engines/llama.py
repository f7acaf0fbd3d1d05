"""Offer a GGUF model as the language model of many calls at once.

A persona's prefix is computed once into a sequence of its own and shared by all its calls. Each
call's history stays in the call's sequence, so a turn costs only its new tokens.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from agent.engines.base import ChatMessage
from agent.engines.llama_cache import common_length
from agent.engines.llama_context import ContextOptions, LlamaContext, LlamaModel
from agent.engines.llama_engine import LlamaEngine
from agent.engines.llama_grammar import GrammarSampler
from agent.engines.llama_history import HistoryFitter
from agent.engines.llama_job import Grammar, Job, JobStats
from agent.engines.llama_prefixes import PrefixFiles
from agent.engines.llama_sample import SamplingOptions
from agent.engines.llama_schedule import Rank
from agent.engines.llama_submit import finisher, post, run_prefill
from agent.engines.llama_template import ChatTemplate, choose_template
from media import LocalError, RemoteError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How a model is shared."""

    dialogues: int = 4
    """Calls at once."""
    prefixes: int = 4
    """Personas whose prompt is kept computed."""
    dialogue_tokens: int = 1_536
    """Most tokens of a call beyond its prefix: history, prompt and answer."""
    prefix_tokens: int = 1_536
    """Room for each persona's prompt."""
    threads: int = 2
    quantized_cache: bool = False
    prefix_dir: Path | None = None
    """Where computed prefixes are kept over restarts; none computes them each time."""
    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    @property
    def context_tokens(self) -> int:
        """Return the cells that are needed for all of it."""
        wanted = self.dialogues * self.dialogue_tokens + self.prefixes * self.prefix_tokens
        return (wanted + 255) // 256 * 256


@dataclass(slots=True)
class _Prefix:
    """A persona's prompt in the cache."""

    sequence: int
    tokens: list[int]
    ready: asyncio.Task[JobStats]
    users: int = 0
    used: int = 0
    """Counts up with every use, to find the one unused for longest."""


class LlamaLanguageModel:
    """A loaded GGUF model; :class:`agent.engines.base.LanguageModel`."""

    def __init__(
        self,
        name: str,
        model: LlamaModel,
        engine: LlamaEngine,
        options: LlamaOptions,
        files: PrefixFiles | None = None,
    ) -> None:
        """Wrap a running engine; use :meth:`load`.

        Args:
            name: for logs and records.
            model: its vocabulary and template.
            engine: owns the context.
            options: how it is shared.
            files: prefixes computed by an earlier process.
        """
        self.name = name
        self._files = files
        self.options = options
        self.engine = engine
        self._model = model
        self.template: ChatTemplate = choose_template(
            model,
            model.template,
            begin=model.special_text(end=False),
            end=model.special_text(end=True),
            bos=model.bos_token,
        )
        first = options.prefixes
        self._free = list(range(first, first + options.dialogues))
        self._prefixes: dict[tuple[int, ...], _Prefix] = {}
        self._uses = itertools.count(1)

    @classmethod
    def load(
        cls, path: Path, options: LlamaOptions | None = None, *, name: str | None = None
    ) -> LlamaLanguageModel:
        """Load a GGUF file; takes seconds, call it in a thread.

        Args:
            path: the file.
            options: how the model is shared.
            name: none takes the file's name.

        Raises:
            LocalError: llama.cpp cannot load it.
        """
        chosen = options or LlamaOptions()
        model = LlamaModel(path)
        layout = ContextOptions(
            tokens=chosen.context_tokens,
            sequences=chosen.dialogues + chosen.prefixes,
            threads=chosen.threads,
            quantized_cache=chosen.quantized_cache,
        )
        context = LlamaContext(model, layout)
        engine = LlamaEngine(context, model, on_stop=context.close)
        files = None
        if chosen.prefix_dir is not None:
            cells = f"{layout.flash_attention} {layout.quantized_cache}"
            files = PrefixFiles(chosen.prefix_dir, path, cells)
        return cls(name or path.stem, model, engine, chosen, files)

    def close(self) -> None:
        """Stop the engine and free the memory; open dialogues end with an error."""
        self.engine.stop()
        self._model.close()

    async def open(self, prefix: Sequence[ChatMessage]) -> LlamaDialogue:
        """Open a dialogue whose messages will start with ``prefix``.

        Raises:
            RemoteError: all sequences are taken (503).
            LocalError: the prefix is longer than there is room for.
        """
        if not self._free:
            raise RemoteError("every dialogue of the language model is taken", 503)
        sequence = self._free.pop()
        shared: _Prefix | None = None
        try:
            shared = self._prefix(self.template.dialogue(prefix))
            shared.users += 1
            await asyncio.shield(shared.ready)
        except BaseException:
            self._free.append(sequence)
            if shared is not None:
                shared.users -= 1
            raise
        self.engine.share(shared.sequence, sequence)
        return LlamaDialogue(self, sequence, shared, len(prefix))

    def release(self, sequence: int, shared: _Prefix) -> None:
        """Take a dialogue's sequence back."""
        shared.users -= 1
        self.engine.clear(sequence)
        self._free.append(sequence)

    def _prefix(self, tokens: list[int]) -> _Prefix:
        key = tuple(tokens)
        found = self._prefixes.get(key)
        if found is not None and not (found.ready.done() and _failed(found.ready)):
            found.used = next(self._uses)
            return found
        if len(tokens) > self.options.prefix_tokens:
            raise LocalError(
                f"the persona's prompt has {len(tokens)} tokens; "
                f"there is room for {self.options.prefix_tokens}"
            )
        sequence = self._prefix_sequence()
        ready = asyncio.ensure_future(self._compute_prefix(sequence, tokens))
        made = _Prefix(sequence, tokens, ready, used=next(self._uses))
        self._prefixes[key] = made
        return made

    def _prefix_sequence(self) -> int:
        """Return a free prefix sequence, or take the one unused for longest."""
        for key, each in list(self._prefixes.items()):
            if each.ready.done() and _failed(each.ready) and not each.users:
                del self._prefixes[key]
        taken = {each.sequence for each in self._prefixes.values()}
        for sequence in range(self.options.prefixes):
            if sequence not in taken:
                return sequence
        idle = [item for item in self._prefixes.items() if not item[1].users]
        if not idle:
            raise RemoteError("every persona sequence of the language model is in use", 503)
        key, oldest = min(idle, key=lambda item: item[1].used)
        del self._prefixes[key]
        return oldest.sequence

    async def _compute_prefix(self, sequence: int, tokens: list[int]) -> JobStats:
        if self._files is not None:
            path = self._files.path(tokens)
            if path.exists() and await asyncio.wrap_future(
                self.engine.restore(sequence, path, tokens)
            ):
                _log.info("prefix_restored", sequence=sequence, tokens=len(tokens))
                return JobStats(reused_tokens=len(tokens))
        nearest = max(
            (each for each in self._prefixes.values() if each.ready.done()),
            key=lambda each: common_length(each.tokens, tokens),
            default=None,
        )
        if nearest is not None and nearest.sequence != sequence:
            self.engine.share(nearest.sequence, sequence)
        stats = await run_prefill(self.engine, sequence, tokens, Rank.PREFIX)
        _log.info(
            "prefix_computed",
            sequence=sequence,
            tokens=len(tokens),
            reused_tokens=stats.reused_tokens,
            ms=round(stats.total_ms),
        )
        await self._keep_prefix(sequence, tokens)
        return stats

    async def _keep_prefix(self, sequence: int, tokens: list[int]) -> None:
        if self._files is None:
            return
        path = self._files.path(tokens)
        try:
            partial = self._files.prepare(path)
            if await asyncio.wrap_future(self.engine.save(sequence, partial)):
                self._files.keep(partial, path)
        except OSError as fault:  # without room the next process computes it again
            _log.warning("prefix_not_kept", reason=str(fault))

    def tokens_of(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts that may be guessed; none where guesses cannot be undone."""
        if not self._model.can_cut:
            return []
        return [self._model.tokenize(each, special=False) for each in texts]

    def grammar(self, gbnf: str) -> Grammar:
        """Return a sampler for one answer that must follow a GBNF grammar."""
        return GrammarSampler(self._model, gbnf)


def _failed(task: asyncio.Task[JobStats]) -> bool:
    return task.cancelled() or task.exception() is not None


class LlamaDialogue:
    """One call's sequence; :class:`agent.engines.base.Dialogue`. Used by one event loop."""

    def __init__(
        self, owner: LlamaLanguageModel, sequence: int, shared: _Prefix, prefix_messages: int
    ) -> None:
        """Wrap a sequence that already sees its prefix; use :meth:`LlamaLanguageModel.open`.

        Args:
            owner: the model.
            sequence: the call's own.
            shared: the prefix it was copied from.
            prefix_messages: how many messages the prefix has.
        """
        self._owner = owner
        self._sequence = sequence
        self._shared = shared
        self._closed = False
        self._job: Job | None = None
        """The answer that is being worked out."""
        self.stats = JobStats()
        """What the last prompt cost."""
        budget = len(shared.tokens) + owner.options.dialogue_tokens
        self._budget = budget
        self._fitters: dict[int, HistoryFitter] = {}
        self._prefix_messages = prefix_messages

    def fit(self, messages: Sequence[ChatMessage], *, max_tokens: int = 0) -> list[ChatMessage]:
        """Return the messages, oldest turns as one line where they do not fit the call's share.

        Args:
            messages: the prefix, the history, and the caller's words last.
            max_tokens: room to keep for the answer.
        """
        room = max(max_tokens, 160)
        fitter = self._fitters.get(room)
        if fitter is None:
            fitter = HistoryFitter(
                self._prefix_messages,
                self._budget - room,
                lambda each: len(self._owner.template.prompt(each)),
            )
            self._fitters[room] = fitter
        return fitter.fit(messages)

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Put messages into the cache ahead of :meth:`generate`; what differs is rolled back.

        The last message may be a user's unfinished words. Cancelling stops the work.
        """
        self._check_open()
        tokens = self._owner.template.unfinished(self.fit(messages))
        if len(tokens) <= self._budget:
            self.stats = await run_prefill(self._owner.engine, self._sequence, tokens, Rank.WORDS)

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        urgent: bool = True,
        likely: Sequence[str] = (),
        grammar: str | None = None,
    ) -> AsyncIterator[str]:
        """Stream the answer's text pieces; closing the iterator (``aclose``) cancels it.

        Args:
            messages: system prompt, history, and the caller's words last.
            max_tokens: hard end.
            urgent: somebody waits; see :meth:`hurry`.
            likely: texts that the answer may repeat.
            grammar: GBNF that the answer must follow.

        Raises:
            LocalError: the caller's words alone are longer than the cache, or the engine failed.
        """
        self._check_open()
        owner = self._owner
        tokens = owner.template.prompt(self.fit(messages, max_tokens=max_tokens))
        if len(tokens) + max_tokens > self._budget:
            raise LocalError(f"a prompt of {len(tokens)} tokens does not fit the dialogue")
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[JobStats] = loop.create_future()
        job = Job(
            prompt=tokens,
            max_tokens=max_tokens,
            rank=Rank.FIRST if urgent else Rank.EARLY,
            on_text=lambda text: post(loop, pieces.put_nowait, text),
            on_end=finisher(loop, ended, lambda: pieces.put_nowait(None)),
            sampling=owner.options.sampling,
            grammar=owner.grammar(grammar) if grammar is not None else None,
            likely=owner.tokens_of(likely),
        )
        self._job = job
        owner.engine.submit(self._sequence, job)
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            self.stats = await ended
        finally:
            if self._job is job:
                self._job = None
            if not ended.done():
                job.cancelled = True
                owner.engine.wake()
            # A failure that nobody waits for any more must not be reported as forgotten.
            ended.add_done_callback(lambda done: done.cancelled() or done.exception())

    def hurry(self) -> None:
        """Let the answer that is being worked out go before those that nobody waits for yet."""
        if self._job is not None:
            self._job.rank = Rank.FIRST

    def close(self) -> None:
        """Give the sequence back."""
        if not self._closed:
            self._closed = True
            self._owner.release(self._sequence, self._shared)

    def _check_open(self) -> None:
        if self._closed:
            raise LocalError("the dialogue is closed")
