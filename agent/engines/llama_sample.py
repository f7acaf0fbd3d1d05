"""Choose the next token and turn tokens into text."""

from __future__ import annotations

import codecs
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALLEST_TEMPERATURE = 1e-3


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next token is chosen."""

    temperature: float = 0.0
    """0 always takes the likeliest token."""
    top_k: int = 40
    """With a temperature, only so many of the likeliest are in the draw."""
    repetition_penalty: float = 1.1
    """Divides the score of what the answer already said; the prompt is never penalised, because
    facts must be repeated as they stand there."""
    repetition_tokens: int = 64
    """How far back the penalty looks."""
    seed: int = 1


class Sampler:
    """Chooses the tokens of one answer."""

    def __init__(self, options: SamplingOptions) -> None:
        """Start an answer.

        Args:
            options: how to choose.
        """
        self._options = options
        self._said: deque[int] = deque(maxlen=options.repetition_tokens)
        self._random = np.random.default_rng(options.seed)

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Return the next token.

        Args:
            logits: float32[vocabulary]; changed in place.
        """
        self._penalize(logits)
        temperature = self._options.temperature
        if temperature < _SMALLEST_TEMPERATURE:
            return int(np.argmax(logits))
        count = min(self._options.top_k, logits.shape[0])
        best = np.argpartition(logits, -count)[-count:]
        scores = logits[best].astype(np.float64) / temperature
        chances = np.exp(scores - scores.max())
        return int(self._random.choice(best, p=chances / chances.sum()))

    def accept(self, token: int) -> None:
        """Note a token that was said."""
        self._said.append(token)

    def _penalize(self, logits: NDArray[np.float32]) -> None:
        if self._options.repetition_penalty == 1.0 or not self._said:
            return
        said = np.fromiter(set(self._said), dtype=np.int64)
        scores = logits[said]
        penalty = np.float32(self._options.repetition_penalty)
        logits[said] = np.where(scores > 0, scores / penalty, scores * penalty)


class TextStream:
    """Joins tokens' bytes to text; a character that is not whole yet is held back."""

    def __init__(self) -> None:
        """Start empty."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def receive(self, piece: bytes) -> str:
        """Return the text that has become whole with these bytes."""
        return self._decoder.decode(piece)

    def flush(self) -> str:
        """Return what is left, broken characters replaced."""
        return self._decoder.decode(b"", final=True)
