"""Shapes of the engines; the conversation knows these and nothing of what is behind them.

Audio is ``int16[n]``, mono, 8 kHz everywhere. A *model* is loaded once per process and shared; a
*session* belongs to one call. Coroutines never block the event loop: engines work in their own
threads. Cancelling the awaiting task stops the work as soon as the engine can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words recognised in one utterance."""

    text: str
    """Plain words with the engine's punctuation, empty where nothing was understood."""
    confidence: float
    """0 to 1."""
    audio_samples: int
    """How much of the utterance's audio the words cover, from its start."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a dialogue."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    text: str


class VoiceActivitySession(Protocol):
    """Speech or not, for one call."""

    window_samples: int
    """Samples per verdict: 256 (32 ms) for Silero at 8 kHz."""

    def receive(self, samples: Samples) -> list[float]:
        """Take audio (any length) and return one speech probability per completed window.

        Cheap (0.2 ms a window): the one engine call that is made on the event loop.
        """
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


class RecognizerSession(Protocol):
    """Speech to text for one call, an utterance at a time."""

    def receive(self, samples: Samples) -> None:
        """Take audio of the current utterance; returns at once, work goes on in a thread."""
        ...

    async def partial(self) -> Transcript:
        """Return the words so far; may be slightly old, never blocks on a whole recognition."""
        ...

    async def finish(self) -> Transcript:
        """Return the words of all audio received since :meth:`start`; may be called again later.

        The utterance stays open: more audio may follow (the caller went on) and finish() be
        called once more.
        """
        ...

    def start(self) -> None:
        """Begin a new utterance; what was received before is forgotten."""
        ...

    def close(self) -> None:
        """Release the session."""
        ...


class RecognizerModel(Protocol):
    """A loaded recognizer."""

    name: str
    language: str

    def open(
        self, likely: Sequence[str] = (), may_repeat: Callable[[], bool] = lambda: True
    ) -> RecognizerSession:
        """Open a session for one call.

        Args:
            likely: words that may well be all that a caller says.
            may_repeat: asked, in any thread, right before a short answer is heard a second time;
                False leaves it at the first.
        """
        ...


class TurnModel(Protocol):
    """Does the caller's voice sound finished."""

    async def complete_probability(self, samples: Samples) -> float:
        """Return P(turn is complete) for the last (at most) 8 s of the utterance."""
        ...


class Dialogue(Protocol):
    """One call's sequence in the language model's cache."""

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Put messages into the cache ahead of :meth:`generate`; what differs is rolled back.

        The last message may be a user's unfinished words.
        """
        ...

    def generate(
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
            urgent: somebody waits for it: its first tokens go before all that nobody waits for yet
                and before later tokens of other calls.
            likely: texts that the answer may repeat, likeliest first; they change how fast it
                comes, never what it says.
            grammar: GBNF that the answer must follow, where the engine can; what comes is to be
                checked all the same.
        """
        ...

    def hurry(self) -> None:
        """Make what is being generated urgent: now somebody waits for it."""
        ...

    def close(self) -> None:
        """Give the sequence back."""
        ...


class LanguageModel(Protocol):
    """A loaded language model."""

    name: str

    async def open(self, prefix: Sequence[ChatMessage]) -> Dialogue:
        """Open a dialogue whose messages will start with ``prefix``.

        The prefix is prefilled once and shared by every call that has the same one.

        Raises:
            media.RemoteError: all sequences are taken (sip_status 503).
        """
        ...


class Voice(Protocol):
    """A loaded voice."""

    name: str

    def synthesize(self, text: str) -> AsyncIterator[Samples]:
        """Stream one clause or sentence as 8 kHz audio, the first part as early as it can be.

        Numbers, money, dates, phone numbers and letters are spoken properly. Levelled to
        -20 dBFS speech level, no clipping.
        """
        ...
