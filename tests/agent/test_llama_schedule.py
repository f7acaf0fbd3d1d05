from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.llama_schedule import BatchPlan, Rank, Slice, Work

pytestmark = pytest.mark.unit

MS = 1_000_000
PLAN = BatchPlan(urgent_tokens=64, background_tokens=32, alone_tokens=128, patience_ns=250 * MS)


def test_first_tokens_go_before_later_ones() -> None:
    """A call that waits for its first word does not share its batch with a running answer."""
    works = [Work(1, Rank.LATER, 1, 0), Work(2, Rank.FIRST, 12, 0)]
    assert PLAN.choose(works, 10 * MS) == [Slice(2, 12)]


def test_a_starved_answer_is_let_in() -> None:
    """A running answer that was passed over for 250 ms gets its token in beside urgent work."""
    works = [Work(1, Rank.LATER, 1, 0), Work(2, Rank.FIRST, 12, 0)]
    assert PLAN.choose(works, 250 * MS) == [Slice(2, 12), Slice(1, 1)]


def test_urgent_prompts_are_computed_one_after_the_other() -> None:
    """The first of two long ones gets nearly all of a batch, the short one is not cut."""
    works = [Work(1, Rank.FIRST, 500, 0), Work(2, Rank.FIRST, 500, 0), Work(3, Rank.FIRST, 4, 0)]
    assert PLAN.choose(works, 0) == [Slice(1, 56), Slice(2, 4), Slice(3, 4)]


@pytest.mark.parametrize(("late_ms", "first"), [(0, 2), (1_900, 2), (2_100, 1)])
def test_a_short_prompt_overtakes_a_long_one_that_has_just_begun(late_ms: int, first: int) -> None:
    """400 tokens less make up for 2 s."""
    works = [
        Work(1, Rank.FIRST, 500, 0, since_ns=0),
        Work(2, Rank.FIRST, 100, 0, since_ns=late_ms * MS),
    ]
    assert max(PLAN.choose(works, 0), key=lambda each: each.tokens).sequence == first


def test_running_answers_go_on_beside_what_nobody_waits_for_yet() -> None:
    """A provisional prompt passes over no token of an answer that is being heard."""
    works = [Work(1, Rank.LATER, 1, 0), Work(2, Rank.EARLY, 300, 0), Work(3, Rank.WORDS, 80, 0)]
    assert PLAN.choose(works, 10 * MS) == [Slice(2, 63), Slice(1, 1)]


class Machine:
    """Compute batches in virtual time: 10 ms, and 2 ms for each token."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.works: dict[int, Work] = {}
        self.done_ms: dict[int, float] = {}

    def ask(self, sequence: int, rank: Rank, tokens: int) -> None:
        """Submit a prompt."""
        self.works[sequence] = Work(sequence, rank, tokens, self.now_ns, self.now_ns)

    def step(self) -> None:
        """Compute a batch."""
        slices = PLAN.choose(list(self.works.values()), self.now_ns)
        self.now_ns += (10 + 2 * sum(each.tokens for each in slices)) * MS
        for each in slices:
            work = self.works.pop(each.sequence)
            if work.tokens == each.tokens:
                self.done_ms[each.sequence] = self.now_ns / MS
            else:
                self.works[each.sequence] = replace(
                    work, tokens=work.tokens - each.tokens, served_ns=self.now_ns
                )

    def run(self) -> dict[int, float]:
        """Compute everything; return when each prompt was done."""
        while self.works:
            self.step()
        return self.done_ms


def test_a_released_answer_does_not_wait_for_provisional_ones() -> None:
    """Three calls: with two provisional prompts before it, it has its first token as if alone."""
    alone = Machine()
    alone.ask(3, Rank.FIRST, 200)
    machine = Machine()
    machine.ask(1, Rank.EARLY, 200)
    machine.ask(2, Rank.EARLY, 200)
    machine.step()
    machine.ask(3, Rank.FIRST, 200)
    asked_ms = machine.now_ns / MS
    done_ms = machine.run()
    batch_ms = 10 + 2 * 16  # what is let in of the others, once in 250 ms
    assert done_ms[3] - asked_ms <= alone.run()[3] + 2 * batch_ms
    assert done_ms[3] < min(done_ms[1], done_ms[2])


def test_an_answer_that_is_released_overtakes() -> None:
    """What was provisional until then goes first from the next batch on."""
    machine = Machine()
    machine.ask(1, Rank.EARLY, 200)
    machine.ask(2, Rank.EARLY, 200)
    machine.step()
    machine.works[2] = replace(machine.works[2], rank=Rank.FIRST)
    done_ms = machine.run()
    assert done_ms[2] < done_ms[1]


def test_three_prompts_at_once_are_not_all_late() -> None:
    """The last of three is done when it would be anyway, the first in about a third of that."""
    machine = Machine()
    for sequence in (1, 2, 3):
        machine.ask(sequence, Rank.FIRST, 200)
    first, second, last = sorted(machine.run().values())
    assert first < 0.45 * last and second < 0.75 * last


def test_background_rides_along_with_answers() -> None:
    """While answers run, a caller's words and a prefix fill the rest of a small batch."""
    works = [Work(1, Rank.LATER, 1, 0), Work(2, Rank.PREFIX, 900, 0), Work(3, Rank.WORDS, 3, 0)]
    assert PLAN.choose(works, 0) == [Slice(1, 1), Slice(3, 3), Slice(2, 28)]


def test_a_prefix_alone_takes_large_steps() -> None:
    """With nothing else to do a prefix is computed in large steps."""
    assert PLAN.choose([Work(0, Rank.PREFIX, 900, 0)], 0) == [Slice(0, 128)]


def test_nothing_to_do() -> None:
    """Without work there is no batch."""
    assert PLAN.choose([], 0) == []


WORKS = st.lists(
    st.builds(
        Work,
        sequence=st.integers(0, 9),
        rank=st.sampled_from(Rank),
        tokens=st.integers(1, 400),
        served_ns=st.integers(0, 300 * MS),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda work: work.sequence,
)


@given(WORKS, st.integers(300 * MS, 700 * MS))
def test_batches_are_sound(works: list[Work], now_ns: int) -> None:
    """A batch holds the most urgent work, is never empty and fits the context's batch."""
    slices = PLAN.choose(works, now_ns)
    known = {each.sequence: each for each in works}
    assert len({each.sequence for each in slices}) == len(slices)
    assert 0 < sum(each.tokens for each in slices) <= 256
    assert all(each.tokens <= known[each.sequence].tokens for each in slices)
    top = min(each.rank for each in works)
    served = {each.sequence for each in slices if each.tokens}
    assert any(known[each].rank == top for each in served)


@given(WORKS)
def test_nobody_starves(works: list[Work]) -> None:
    """All work is done after finitely many steps, though urgent work comes all the time."""
    left = {each.sequence: each for each in works}
    urgent = max(left) + 1
    now_ns = 400 * MS
    for _ in range(2_000):
        if not left:
            break
        newcomer = Work(urgent, Rank.FIRST, 64, now_ns)
        for piece in PLAN.choose([*left.values(), newcomer], now_ns):
            if piece.sequence == urgent:
                continue
            work = left.pop(piece.sequence)
            if work.tokens > piece.tokens:
                rest = work.tokens - piece.tokens
                left[work.sequence] = Work(work.sequence, work.rank, rest, now_ns)
        now_ns += 50 * MS
    assert not left
