from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.llama_cache import Rollback, SequenceCache, common_length

pytestmark = pytest.mark.unit

TOKENS = st.lists(st.integers(0, 3), max_size=20)


@pytest.mark.parametrize(
    ("held", "wanted", "answer", "plan"),
    [
        ([], [1, 2, 3], True, Rollback(0, 0, 3)),
        ([1, 2], [1, 2, 3], True, Rollback(2, 0, 1)),
        ([1, 2, 9, 9], [1, 2, 3], True, Rollback(2, 2, 1)),
        ([1, 2, 3], [1, 2, 3], True, Rollback(2, 1, 1)),
        ([1, 2, 3, 4], [1, 2, 3], True, Rollback(2, 2, 1)),
        ([1, 2, 3, 4], [1, 2, 3], False, Rollback(4, 0, 0)),
        ([1, 2, 9], [1, 2, 3], False, Rollback(2, 1, 1)),
        ([5], [6], False, Rollback(0, 1, 1)),
    ],
)
def test_plan(held: list[int], wanted: list[int], answer: bool, plan: Rollback) -> None:
    """Only what differs is cut, and an answer always has a last token to be computed."""
    assert SequenceCache(list(held)).plan(wanted, answer=answer) == plan


@given(TOKENS, TOKENS.filter(bool), st.booleans())
def test_plan_ends_in_the_prompt(held: list[int], wanted: list[int], answer: bool) -> None:
    """Whatever was held, cutting and appending as planned gives the prompt."""
    cache = SequenceCache(list(held))
    plan = cache.plan(wanted, answer=answer)
    cache.cut(plan.keep)
    cache.append(wanted[plan.keep :])
    assert cache.tokens[: len(wanted)] == wanted
    assert plan.keep + plan.cut == len(held)
    if answer:
        assert cache.tokens == wanted
        assert plan.append >= 1


@given(TOKENS, TOKENS)
def test_common_length(left: list[int], right: list[int]) -> None:
    """Texts are alike up to the common length and not one token further."""
    length = common_length(left, right)
    assert left[:length] == right[:length]
    assert left[length : length + 1] != right[length : length + 1] or length in (
        len(left),
        len(right),
    )
