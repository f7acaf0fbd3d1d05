from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.engines.llama_context import BatchToken
from agent.engines.llama_engine import LlamaEngine
from agent.engines.llama_job import Job, JobStats
from agent.engines.llama_schedule import Rank
from media import LocalError

pytestmark = pytest.mark.unit

END = 0


class Counting:
    """A context whose model counts upward: after token n comes n + 1, after 9 the end.

    It refuses batches whose positions do not continue what the sequence holds.
    """

    def __init__(self, *, cells: int = 1_000, can_cut: bool = True) -> None:
        self.held: dict[int, list[int]] = {}
        self.batches: list[list[BatchToken]] = []
        self.cells = cells
        self.can_cut = can_cut
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def decode(self, tokens: Sequence[BatchToken]) -> bool:
        """Take a batch."""
        self.gate.wait(5)
        if self.broken:
            self.broken = False
            raise LocalError("llama_decode failed")
        if sum(map(len, self.held.values())) + len(tokens) > self.cells:
            return False
        self.batches.append(list(tokens))
        for each in tokens:
            row = self.held.setdefault(each.sequence, [])
            assert each.position == len(row)
            row.append(each.token)
        return True

    def logits(self, index: int) -> NDArray[np.float32]:
        """Prefer the successor of the batch's token."""
        assert self.batches[-1][index].logits
        row = np.zeros(16, np.float32)
        token = self.batches[-1][index].token
        row[token + 1 if token < 9 else END] = 5.0
        return row

    def share(self, source: int, target: int, tokens: int) -> None:
        """Copy a sequence's start."""
        self.held[target] = self.held[source][:tokens]

    def cut(self, sequence: int, keep: int) -> bool:
        """Cut a sequence, if this kind of model can."""
        if self.can_cut:
            del self.held[sequence][keep:]
        return self.can_cut

    def clear(self, sequence: int) -> None:
        """Forget a sequence."""
        self.held.pop(sequence, None)


class Letters:
    """Token n is the letter n of the alphabet; 0 ends."""

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the letter."""
        return bytes([96 + token])

    def ends(self, token: int) -> bool:
        """Return whether it is the end."""
        return token == END


class Answer:
    """Collects one job's outcome."""

    def __init__(self) -> None:
        self.text = ""
        self.stats = JobStats()
        self.fault: Exception | None = None
        self.done = threading.Event()

    def job(self, prompt: list[int], *, max_tokens: int = 20, rank: Rank = Rank.FIRST) -> Job:
        """Return a job that reports here."""
        return Job(prompt, max_tokens, rank, self._on_text, self._on_end)

    def wait(self) -> Answer:
        """Wait for the end."""
        assert self.done.wait(5)
        return self

    def _on_text(self, text: str) -> None:
        self.text += text

    def _on_end(self, stats: JobStats, fault: Exception | None) -> None:
        self.stats, self.fault = stats, fault
        self.done.set()


@pytest.fixture
def context() -> Counting:
    """Return a fresh context."""
    return Counting()


@pytest.fixture
def engine(context: Counting) -> Iterator[LlamaEngine]:
    """Return a running engine."""
    made = LlamaEngine(context, Letters())
    yield made
    context.gate.set()
    made.stop()


def ask(engine: LlamaEngine, sequence: int, prompt: list[int], **more: int) -> Answer:
    """Submit a prompt and wait for its answer."""
    answer = Answer()
    engine.submit(sequence, answer.job(prompt, **more))
    return answer.wait()


def test_an_answer_ends_at_the_end_token(engine: LlamaEngine) -> None:
    """Tokens are streamed up to the end token, which is not text."""
    answer = ask(engine, 1, [1, 2, 3])
    assert answer.text == "defghi"
    assert answer.stats.generated_tokens == 6
    assert answer.stats.prefilled_tokens == 3
    assert answer.fault is None


def test_max_tokens_ends_an_answer(engine: LlamaEngine) -> None:
    """An answer stops after as many tokens as were allowed."""
    assert ask(engine, 1, [1], max_tokens=2).text == "bc"


def test_the_next_prompt_reuses_the_answer(engine: LlamaEngine, context: Counting) -> None:
    """History that is in the cache already is not computed again."""
    ask(engine, 1, [1, 2, 3], max_tokens=3)
    answer = ask(engine, 1, [1, 2, 3, 4, 5, 7], max_tokens=1)
    assert (answer.stats.reused_tokens, answer.stats.prefilled_tokens) == (5, 1)
    assert context.held[1] == [1, 2, 3, 4, 5, 7]


def test_a_model_that_cannot_cut_starts_over(engine: LlamaEngine, context: Counting) -> None:
    """Where the cache cannot be rolled back it is computed anew, with the same answer."""
    context.can_cut = False
    ask(engine, 1, [1, 2, 3])
    answer = ask(engine, 1, [1, 5])
    assert answer.text == "fghi"
    assert answer.stats.reused_tokens == 0


def test_a_shared_prefix_is_not_computed_again(engine: LlamaEngine, context: Counting) -> None:
    """A sequence that sees another's prefix only computes what follows it."""
    ask(engine, 0, [1, 2, 3], max_tokens=0)
    engine.share(0, 4)
    answer = ask(engine, 4, [1, 2, 3, 6])
    assert answer.text == "ghi"
    assert answer.stats.reused_tokens == 3


def test_prefill_makes_no_text(engine: LlamaEngine, context: Counting) -> None:
    """A job without tokens to say fills the cache and samples nothing."""
    answer = ask(engine, 1, [1, 2, 3], max_tokens=0)
    assert answer.text == ""
    assert context.held[1] == [1, 2, 3]
    assert not any(each.logits for batch in context.batches for each in batch)


def test_cancelling_stops_at_the_next_step(engine: LlamaEngine, context: Counting) -> None:
    """A cancelled answer ends within one decode and says nothing more."""
    answer = Answer()
    job = answer.job([1])
    context.gate.clear()
    engine.submit(1, job)
    job.cancelled = True
    context.gate.set()
    answer.wait()
    assert answer.text == ""
    assert answer.fault is None
    assert len(context.batches) <= 1


def test_a_newer_job_replaces_the_older(engine: LlamaEngine, context: Counting) -> None:
    """A sequence has one job: the older ends when a newer comes."""
    old, new = Answer(), Answer()
    context.gate.clear()
    engine.submit(1, old.job([1]))
    engine.submit(1, new.job([1, 8]))
    context.gate.set()
    assert new.wait().text == "i"
    assert old.wait().text == ""


def test_calls_are_decoded_together(engine: LlamaEngine, context: Counting) -> None:
    """Running answers of two calls share batches and do not mix."""
    first, second = Answer(), Answer()
    context.gate.clear()
    engine.submit(1, first.job([1]))
    engine.submit(2, second.job([4, 5]))
    context.gate.set()
    assert first.wait().text == "bcdefghi"
    assert second.wait().text == "fghi"
    together = [batch for batch in context.batches if len({t.sequence for t in batch}) == 2]
    assert len(together) >= 3


def test_a_full_cache_ends_one_job(engine: LlamaEngine, context: Counting) -> None:
    """Where there is no room the youngest job fails and the others go on."""
    context.cells = 4
    answer = ask(engine, 1, [1, 2, 3])
    assert isinstance(answer.fault, LocalError)
    context.cells = 100
    assert ask(engine, 2, [7]).text == "hi"


def test_a_broken_batch_does_not_end_the_engine(engine: LlamaEngine, context: Counting) -> None:
    """A failed computation ends its answers with the fault; the next answer works."""
    context.broken = True
    assert isinstance(ask(engine, 1, [1, 2]).fault, LocalError)
    assert ask(engine, 1, [1, 8]).text == "i"


def test_stopping_ends_every_job(context: Counting) -> None:
    """When the engine stops, whoever waits is told."""
    freed = threading.Event()
    engine = LlamaEngine(context, Letters(), on_stop=freed.set)
    answer = Answer()
    context.gate.clear()
    engine.submit(1, answer.job([1]))
    threading.Timer(0.02, context.gate.set).start()
    engine.stop()
    assert answer.wait() and freed.is_set()


def test_a_broken_command_does_not_end_the_engine(
    engine: LlamaEngine, context: Counting, tmp_path: Path
) -> None:
    """A sequence that cannot be saved is told to who asked; the next answer works."""
    ask(engine, 1, [1, 2])
    with pytest.raises(AttributeError):
        engine.save(1, tmp_path / "prefix").result(5)
    assert ask(engine, 1, [1, 8]).text == "i"


def test_a_cancelled_save_does_not_end_the_engine(
    engine: LlamaEngine, context: Counting, tmp_path: Path
) -> None:
    """Who stops waiting for a file harms nobody."""
    context.gate.clear()
    answer = Answer()
    engine.submit(1, answer.job([1, 8]))
    assert engine.save(1, tmp_path / "prefix").cancel()
    context.gate.set()
    assert answer.wait().text == "i"
    assert ask(engine, 1, [1, 8]).text == "i"


def test_an_engine_that_cannot_go_on_says_so(context: Counting) -> None:
    """Where even giving up fails, the owner is told instead of waiting for ever."""
    lost = threading.Event()
    engine = LlamaEngine(context, Letters(), on_loss=lost.set)

    def refuse(sequence: int) -> None:
        raise OSError("the context is gone")

    context.clear = refuse  # type: ignore[method-assign]  # the fault under test
    context.broken = True
    engine.submit(1, Answer().job([1, 2]))
    assert lost.wait(5)


def test_an_answer_that_somebody_waits_for_now_goes_first(
    engine: LlamaEngine, context: Counting
) -> None:
    """A job's rank may change while it is computed: the younger one overtakes."""
    answers = {1: Answer(), 2: Answer()}
    jobs = {key: each.job([1] * 299 + [7], rank=Rank.EARLY) for key, each in answers.items()}
    context.gate.clear()
    for key, job in jobs.items():
        engine.submit(key, job)
    jobs[2].rank = Rank.FIRST
    context.gate.set()
    assert {each.wait().text for each in answers.values()} == {"hi"}
    computed = [each.sequence for batch in context.batches for each in batch]
    assert computed[::-1].index(2) > computed[::-1].index(1)
