"""Every question of the lists of ``test_answers``, with the packaged language model: slow."""

from __future__ import annotations

import pytest

from tests.agent.test_answers import HELD_OUT, KNOWN, UNSEEN, ask_all, grade

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("questions", "least"),
    [(KNOWN, 0.9), (HELD_OUT, 0.9), (UNSEEN, 0.8)],
    ids=["known", "held out", "unseen"],
)
async def test_the_shipped_persona_answers_from_its_facts(
    questions: list[tuple[str, str]], least: float
) -> None:
    """The right fact is said to nearly every question that has one."""
    outcomes = await ask_all([question for question, _ in questions])
    right = [grade(outcome, *each) for outcome, each in zip(outcomes, questions, strict=True)]
    print(f"{sum(right)}/{len(right)}")
    assert sum(right) >= least * len(right)
    assert all(len(outcome.text.split()) <= 30 for outcome in outcomes)
