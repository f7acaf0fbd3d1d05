"""Know which tokens a sequence's cache holds, and what a new prompt costs it.

Sans-IO: the engine thread carries out what is decided here. The cache always mirrors what
llama.cpp holds for the sequence: position *n* of the sequence is ``tokens[n]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two texts begin with alike."""
    limit = min(len(left), len(right))
    for index in range(limit):
        if left[index] != right[index]:
            return index
    return limit


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a new prompt means for a cache."""

    keep: int
    """Tokens that stay; everything from this position on is cut."""
    cut: int
    """Tokens that are thrown away."""
    append: int
    """Tokens that must be computed."""


@dataclass(slots=True)
class SequenceCache:
    """The tokens that one sequence holds."""

    tokens: list[int] = field(default_factory=list)

    def plan(self, wanted: Sequence[int], *, answer: bool) -> Rollback:
        """Compare a prompt with the cache.

        Args:
            wanted: the prompt's tokens.
            answer: whether a token is to be sampled after the prompt. The last token is then
                computed again even when it is there, because its logits are gone.
        """
        keep = common_length(self.tokens, wanted)
        if answer and keep == len(wanted) and keep > 0:
            keep -= 1
        if not answer and keep == len(wanted):
            # The cache already runs beyond an unfinished prompt: nothing is lost by keeping it.
            return Rollback(keep=len(self.tokens), cut=0, append=0)
        return Rollback(keep=keep, cut=len(self.tokens) - keep, append=len(wanted) - keep)

    def cut(self, keep: int) -> None:
        """Forget the tokens from position ``keep`` on."""
        del self.tokens[keep:]

    def append(self, tokens: Sequence[int]) -> None:
        """Note tokens that were computed."""
        self.tokens.extend(tokens)
