"""Guessing an answer's tokens from the facts, and taking back what was wrong."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from agent.engines.llama_draft import FIRST_TOKENS, MOST_TOKENS, Draft
from agent.engines.llama_engine import LlamaEngine
from agent.engines.llama_job import Job, JobStats
from agent.engines.llama_schedule import Rank
from tests.agent.test_llama_engine import Counting, Letters

pytestmark = pytest.mark.unit


def answer(likely: Sequence[Sequence[int]], max_tokens: int = 20) -> tuple[str, Counting, JobStats]:
    """Let the counting model answer [1, 2] with these guesses; it says c to i and ends."""
    context = Counting()
    engine = LlamaEngine(context, Letters())
    said: list[str] = []
    stats: list[JobStats] = []
    over = threading.Event()

    def end(told: JobStats, fault: Exception | None) -> None:
        assert fault is None
        stats.append(told)
        over.set()

    engine.submit(0, Job([1, 2], max_tokens, Rank.FIRST, said.append, end, likely=likely))
    assert over.wait(5)
    held = list(context.held[0])
    engine.stop()
    context.held[0] = held
    return "".join(said), context, stats[0]


def test_guesses_change_the_number_of_steps_and_nothing_else() -> None:
    """Right, half right, wrong and no guesses: the same answer."""
    plain, slow, _ = answer([])
    right, fast, stats = answer([[3, 4, 5, 6, 7, 8, 9]])
    assert plain == right == "cdefghi"
    assert stats.generated_tokens == 7
    assert len(fast.batches) <= 3 < len(slow.batches)
    for wrong in ([[3, 4, 9, 9, 9]], [[8, 8, 8]], [[3, 9], [3, 4, 5, 1]]):
        assert answer(wrong)[0] == plain


def test_what_was_guessed_wrong_is_not_in_the_cache() -> None:
    """After the answer the sequence holds the prompt and what was said, no guess."""
    _, context, _ = answer([[3, 4, 9, 9, 9]])
    assert context.held[0] == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_an_answer_is_never_longer_than_allowed() -> None:
    """Guesses do not carry an answer beyond its limit."""
    said, context, stats = answer([[3, 4, 5, 6, 7, 8, 9]], max_tokens=4)
    assert said == "cdef"
    assert stats.generated_tokens == 4
    assert len(context.held[0]) <= 6


def test_guesses_follow_the_text_that_is_being_said() -> None:
    """First the likeliest text's beginning, then whatever goes on from the last two tokens."""
    likeliest = list(range(5, 30))
    draft = Draft([likeliest, [40, 41, 42, 43]])
    assert draft.guess() == likeliest[:FIRST_TOKENS]
    draft.accept(40)
    assert draft.guess() == [41, 42, 43]
    draft.accept(41)
    assert draft.guess() == [42, 43]
    draft.accept(6)
    assert draft.guess() == []
    draft.accept(7)
    assert draft.guess() == list(range(8, 30))[:MOST_TOKENS]
    assert Draft().guess() == []
