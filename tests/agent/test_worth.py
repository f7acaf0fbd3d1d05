from __future__ import annotations

import pytest

from agent.endpointing import Expectation
from agent.turn_taking import TurnEnded
from agent.worth import MAX_DURATION, Worth, weigh_turn

pytestmark = pytest.mark.unit


def weigh(
    text: str, *, doubtful: bool, leaving: str = "", over_agent: bool = False, speech_ms: int = 300
) -> Worth:
    """Return what a turn without a question before it is worth."""
    ended = TurnEnded(text, 0, 1, 2, 380, speech_ms, 0)
    return weigh_turn(
        ended,
        Expectation.OPEN,
        leaving=leaving,
        over_agent=over_agent,
        listening=False,
        doubtful=doubtful,
    )


def test_a_goodbye_that_was_hardly_heard_ends_no_call() -> None:
    """It is asked about; one that was heard well is answered, by our goodbye."""
    assert weigh("Bye bye.", doubtful=True) is Worth.ASK_AGAIN
    assert weigh("Bye bye.", doubtful=False) is Worth.ANSWER


def test_a_doubt_changes_nothing_else() -> None:
    """Other words are answered, and behind our own goodbye, or over the agent, nothing is asked."""
    assert weigh("Battery.", doubtful=True) is Worth.ANSWER
    assert weigh("Bye.", doubtful=True, leaving="agent_goodbye") is Worth.NOTE
    assert weigh("Bye.", doubtful=True, leaving=MAX_DURATION) is Worth.NOTE
    assert weigh("Bye.", doubtful=True, over_agent=True) is Worth.ANSWER
    assert weigh("", doubtful=True, speech_ms=100) is Worth.NOTHING
