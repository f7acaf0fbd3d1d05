"""Bring an answer from its first idea to the caller's ear (thin shell).

An answer is *prepared* at each pause of the caller, *released* by the end of the turn and then
played as it grows, or *discarded* when the caller goes on. Nothing is played before the release.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agent.answering import Answer, Answering
from agent.endpointing import Grasp
from agent.exchange import Exchange, Telling
from agent.history import History
from agent.playback import Clip
from agent.speaking import Speaking
from agent.words import same_words
from media.messages import Speaker

MS = 1_000_000


class Delivery:
    """The answers of one call, one at a time.

    Args:
        answering: works them out.
        speaking: plays them.
        history: what was said before.
        tellings: why each clip is played, by number; filled here.
        spawn: starts a task of this call.
        on_progress: called when an answer has more audio or is finished.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        answering: Answering,
        speaking: Speaking,
        history: History,
        tellings: dict[int, Telling],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_progress: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self.wasted_ms = 0.0
        """Work on answers that were thrown away, since the last release."""
        self._answering = answering
        self._speaking = speaking
        self._history = history
        self._tellings = tellings
        self._spawn = spawn
        self._on_progress = on_progress
        self._clock = clock
        self._answer: Answer | None = None
        self._released: Exchange | None = None
        self._clip: Clip | None = None
        self._pushed = 0
        self._done_ns = 0
        """When the work on the answer was over; waiting for the caller is no work."""

    @property
    def due(self) -> bool:
        """Whether the caller waits for (the rest of) an answer."""
        return self._released is not None

    @property
    def started(self) -> bool:
        """Whether audio of the released answer is on its way."""
        return self._clip is not None

    @property
    def forming(self) -> bool:
        """Whether words of the released answer are coming and none of its audio is there yet."""
        answer = self._answer
        return (
            answer is not None
            and self.due
            and not answer.failed
            and answer.first_token_ns is not None
            and answer.first_audio_ns is None
        )

    @property
    def complete(self) -> bool:
        """Whether an answer is ready to the last word but not released."""
        return self._answer is not None and self._answer.finished

    @property
    def exchange(self) -> Exchange | None:
        """The caller's turn whose answer is due; its first audio is timed by it."""
        return self._released if self._clip is None else None

    @property
    def dry_ns(self) -> int | None:
        """When the caller hears nothing more of an answer that is still being worked out."""
        return self._clip.dry_ns if self._clip is not None else None

    @property
    def fallback(self) -> str:
        """The fact that may be said instead of an answer that does not come."""
        return self._answer.fallback if self._answer is not None else ""

    @property
    def _works(self) -> bool:
        """Whether an answer is being worked out: a call has one sequence, and it would be cut."""
        return self._answer is not None and not self._answer.finished

    def context(self) -> str:
        """Return what the caller said before, for questions that say "it"."""
        return self._history.last(Speaker.CALLER)

    def prepare(self, text: str) -> Answer:
        """Begin to work on an answer that may not be wanted; the same words keep the same one."""
        if self._answer is not None and same_words(self._answer.words, text):
            return self._answer
        before = self._answer.task if self._answer is not None else None
        self.discard()
        answer, self._done_ns = Answer(text, self._clock()), 0
        self._answer = answer
        answer.task = self._spawn(self._work(answer, before))
        return answer

    def grasp(self, text: str) -> Grasp:
        """Say whether these words can be answered."""
        return self._answering.grasp(text, self.context())

    async def foresee(self, text: str) -> None:
        """Make the model ready for these unfinished words, unless it works on an answer."""
        if self._works:
            return
        await self._answering.foresee(text, self._history.messages(), self.context())

    async def remember(self) -> None:
        """Put what was said so far into the model's cache, unless it works on an answer."""
        if self._works:
            return
        await self._answering.remember(self._history.messages())

    def discard(self) -> None:
        """Throw an answer away; what was played of it is the playback's matter."""
        answer, self._answer = self._answer, None
        if self._clip is not None:
            self._speaking.end(self._clip)
        self._released, self._clip, self._pushed = None, None, 0
        if answer is not None:
            answer.cancel()
            self.wasted_ms += ((self._done_ns or self._clock()) - answer.begun_ns) / MS

    def release(self, exchange: Exchange) -> None:
        """Let the prepared answer be heard: the caller's turn is over."""
        self._released = exchange
        if self._answer is not None:
            self._answering.release(self._answer)
        self.pump()

    def pump(self) -> None:
        """Play what is there of a released answer, unless the caller is being heard out."""
        answer = self._answer
        if answer is None or self._released is None or self._speaking.held:
            return
        for piece in answer.pieces[self._pushed :]:
            self._pushed += 1
            if self._clip is None:
                self._clip = self._speaking.open(answer.source)
                self._tellings[self._clip.number] = Telling(self._released, answer.then)
            self._speaking.push(self._clip, piece.text, piece.samples, self._clock())
        if self._clip is not None and self._clip.number in self._tellings:
            # an answer that failed half-way may lead elsewhere than it was going to
            self._tellings[self._clip.number].then = answer.then
        if answer.finished and self._pushed == len(answer.pieces):
            if self._clip is not None:
                self._speaking.end(self._clip)
            self._answer, self._released, self._clip, self._pushed = None, None, None, 0

    def go_on(self) -> None:
        """Play what came while the caller was heard out; nobody waits for it any more."""
        self.pump()
        self._on_progress()

    async def _work(self, answer: Answer, before: asyncio.Task[None] | None) -> None:
        history, context = self._history.messages(), self.context()
        # one sequence of the model per call: the work before must have let go of it
        if before is not None and not before.done():
            await asyncio.wait([before])
        await self._answering.fill(answer, history, context, self._changed)
        if answer is self._answer:
            self._done_ns = self._clock()

    def _changed(self, answer: Answer) -> None:
        if answer is self._answer:
            self.pump()
            self._on_progress()
