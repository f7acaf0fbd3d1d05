"""Say what a language model's engine is given: a context, a vocabulary, and prompts to work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.engines.llama_context import BatchToken
from agent.engines.llama_sample import SamplingOptions
from agent.engines.llama_schedule import Rank


class TokenModel(Protocol):
    """What the engine needs of a model's vocabulary."""

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the bytes of a token."""
        ...

    def ends(self, token: int) -> bool:
        """Return whether a token ends an answer."""
        ...


class TokenContext(Protocol):
    """What the engine needs of a context; :class:`agent.engines.llama_context.LlamaContext`."""

    def decode(self, tokens: Sequence[BatchToken]) -> bool:
        """Compute a batch; False where there is no room."""
        ...

    def logits(self, index: int) -> NDArray[np.float32]:
        """Return what follows a batch index."""
        ...

    def share(self, source: int, target: int, tokens: int) -> None:
        """Let a sequence see another's first cells."""
        ...

    def cut(self, sequence: int, keep: int) -> bool:
        """Forget a sequence from a position on; False where the model cannot."""
        ...

    def clear(self, sequence: int) -> None:
        """Forget a sequence."""
        ...

    def save(self, sequence: int, path: Path, tokens: Sequence[int]) -> bool:
        """Write a sequence to a file."""
        ...

    def restore(self, sequence: int, path: Path, tokens: Sequence[int]) -> bool:
        """Read a sequence from a file; False where it holds something else."""
        ...


class Grammar(Protocol):
    """Narrows what may be said."""

    def choose(self, logits: NDArray[np.float32], preferred: int) -> int:
        """Return the preferred token where it is allowed, else the likeliest allowed one."""
        ...

    def accept(self, token: int) -> None:
        """Note a token that was said."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


@dataclass(frozen=True, slots=True)
class JobStats:
    """What one prompt cost."""

    reused_tokens: int = 0
    """Tokens of the prompt that were in the cache."""
    prefilled_tokens: int = 0
    generated_tokens: int = 0
    first_token_ms: float | None = None
    """From the submission to the first sampled token."""
    total_ms: float = 0.0


@dataclass(slots=True)
class Job:
    """One prompt, and perhaps its answer. Callbacks are called in the engine's thread."""

    prompt: list[int]
    max_tokens: int
    """0 only fills the cache."""
    rank: Rank
    """May be changed by any thread; obeyed at the next step."""
    on_text: Callable[[str], None]
    on_end: Callable[[JobStats, Exception | None], None]
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    grammar: Grammar | None = None
    likely: Sequence[Sequence[int]] = ()
    """Texts that the answer may repeat; see :mod:`agent.engines.llama_draft`."""
    submitted_ns: int = 0
    cancelled: bool = False
    """Set by any thread; obeyed at the next step."""
