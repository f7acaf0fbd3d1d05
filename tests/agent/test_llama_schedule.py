from __future__ import annotations

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


def test_two_urgent_prompts_share_a_batch() -> None:
    """Two long urgent prompts split a batch evenly, the short one is not cut."""
    works = [Work(1, Rank.FIRST, 500, 0), Work(2, Rank.FIRST, 500, 0), Work(3, Rank.FIRST, 4, 0)]
    assert PLAN.choose(works, 0) == [Slice(1, 30), Slice(2, 30), Slice(3, 4)]


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
