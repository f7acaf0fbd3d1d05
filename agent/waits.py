"""Know how long calls wait for the engines, by watching the engines' sessions (no engine knows).

What counts is what a conversation feels: the words of an utterance, the first token of an answer,
the first audio of a clause. A wait that still lasts counts with its age, so that an engine that
answers nobody is seen at once. Waits that were given up say nothing and are forgotten.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from agent.engines.base import (
    ChatMessage,
    Dialogue,
    RecognizerSession,
    Samples,
    Transcript,
    TurnModel,
    Voice,
)
from agent.streams import closing

MS = 1_000_000
REMEMBERED_MS = 5_000


class Waits:
    """The waits for all engines of the process.

    Args:
        clock: monotonic nanoseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._running: dict[int, tuple[str, int]] = {}
        self._over: deque[tuple[int, str, float]] = deque()

    def begin(self, job: str) -> int:
        """Begin to wait; return the wait's number."""
        number = next(self._numbers)
        self._running[number] = (job, self._clock())
        return number

    def end(self, number: int) -> None:
        """What was waited for came; said again, it came the first time."""
        if (wait := self._running.pop(number, None)) is not None:
            now_ns = self._clock()
            self._over.append((now_ns, wait[0], (now_ns - wait[1]) / MS))

    def forget(self, number: int) -> None:
        """Nobody waits any more."""
        self._running.pop(number, None)

    def by_job(self) -> dict[str, float]:
        """Return ms per job: mean of the last 5 s, or the longest wait now if that is more."""
        now_ns = self._clock()
        while self._over and self._over[0][0] < now_ns - REMEMBERED_MS * MS:
            self._over.popleft()
        lengths: dict[str, list[float]] = {}
        for _, job, length_ms in self._over:
            lengths.setdefault(job, []).append(length_ms)
        waits = {job: sum(each) / len(each) for job, each in lengths.items()}
        for job, since_ns in self._running.values():
            waits[job] = max(waits.get(job, 0.0), (now_ns - since_ns) / MS)
        return waits


class WatchedRecognizer:
    """A recogniser's session whose final words are waited for."""

    def __init__(self, session: RecognizerSession, waits: Waits) -> None:
        self._session = session
        self._waits = waits

    def receive(self, samples: Samples) -> None:
        """Take audio of the current utterance."""
        self._session.receive(samples)

    async def partial(self) -> Transcript:
        """Return the words so far."""
        return await self._session.partial()

    async def finish(self) -> Transcript:
        """Return the words of the utterance."""
        wait = self._waits.begin("recognizer")
        try:
            transcript = await self._session.finish()
            self._waits.end(wait)
        finally:
            self._waits.forget(wait)
        return transcript

    def start(self) -> None:
        """Begin a new utterance."""
        self._session.start()

    def close(self) -> None:
        """Release the session."""
        self._session.close()


class WatchedTurnModel:
    """A turn model whose verdicts are waited for."""

    def __init__(self, model: TurnModel, waits: Waits) -> None:
        self._model = model
        self._waits = waits

    async def complete_probability(self, samples: Samples) -> float:
        """Return P(turn is complete)."""
        wait = self._waits.begin("turn_model")
        try:
            probability = await self._model.complete_probability(samples)
            self._waits.end(wait)
        finally:
            self._waits.forget(wait)
        return probability


@dataclass(slots=True, eq=False)
class _Unasked:
    """An answer in the making."""

    wait: int | None = None
    """Somebody's wait for it."""


class WatchedDialogue:
    """A dialogue whose first tokens are waited for, once somebody waits."""

    def __init__(self, dialogue: Dialogue, waits: Waits) -> None:
        self._dialogue = dialogue
        self._waits = waits
        self._unasked: _Unasked | None = None
        """What is being generated without anybody who waits."""

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Put messages into the cache; nobody waits for that."""
        await self._dialogue.prefill(messages)

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        urgent: bool = True,
        likely: Sequence[str] = (),
        grammar: str | None = None,
    ) -> AsyncIterator[str]:
        """Stream the answer's text pieces."""
        mine = _Unasked()
        self._unasked = mine
        if urgent:
            self._begin_wait()
        tokens = self._dialogue.generate(
            messages, max_tokens=max_tokens, urgent=urgent, likely=likely, grammar=grammar
        )
        try:
            async with closing(tokens) as pieces:
                async for piece in pieces:
                    self._forget_unasked(mine)
                    if mine.wait is not None:
                        self._waits.end(mine.wait)
                    yield piece
        finally:
            self._forget_unasked(mine)
            if mine.wait is not None:
                self._waits.forget(mine.wait)

    def hurry(self) -> None:
        """Count the wait from now on; nobody felt it before."""
        self._begin_wait()
        self._dialogue.hurry()

    def _begin_wait(self) -> None:
        if self._unasked is not None:
            self._unasked.wait = self._waits.begin("language_model")
            self._unasked = None

    def _forget_unasked(self, mine: _Unasked) -> None:
        if self._unasked is mine:
            self._unasked = None

    def close(self) -> None:
        """Give the sequence back."""
        self._dialogue.close()


class WatchedVoice:
    """A voice whose first audio is waited for."""

    def __init__(self, voice: Voice, waits: Waits) -> None:
        self.name = voice.name
        self._voice = voice
        self._waits = waits

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        """Stream one clause or sentence as 8 kHz audio."""
        wait = self._waits.begin("voice")
        try:
            async with closing(self._voice.synthesize(text)) as parts:
                async for part in parts:
                    self._waits.end(wait)
                    yield part
        finally:
            self._waits.forget(wait)
