from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.engines.base import ChatMessage
from agent.engines.llama_history import HistoryFitter, summarize

pytestmark = pytest.mark.unit

PREFIX = [ChatMessage("system", "rules " * 20)]


def words(messages: Sequence[ChatMessage]) -> int:
    """Measure messages in words."""
    return sum(len(each.text.split()) for each in messages)


def turns(count: int) -> list[ChatMessage]:
    """Return question and answer pairs of eight words each."""
    made = []
    for index in range(count):
        made.append(ChatMessage("user", f"question {index} about the doorbell at home"))
        made.append(ChatMessage("assistant", f"answer {index} about the doorbell at home"))
    return made


def test_a_short_call_is_left_alone() -> None:
    """What fits goes through unchanged."""
    messages = [*PREFIX, *turns(3)]
    assert HistoryFitter(1, 500, words).fit(messages) == messages


def test_rules_and_newest_words_stay() -> None:
    """Of a long call the rules and the newest words stay and the oldest turns become one line."""
    messages = [*PREFIX, *turns(40), ChatMessage("user", "and the last question")]
    fitted = HistoryFitter(1, 200, words).fit(messages)
    assert fitted[0] == PREFIX[0]
    assert fitted[-1].text == "and the last question"
    assert fitted[1].role == "system"
    assert fitted[1].text.startswith("Earlier in this call: ")
    assert fitted[2].role == "user"
    assert words(fitted) <= 200


def test_the_cut_moves_rarely() -> None:
    """Turn after turn the line stays the same, so that the cache behind it stays valid."""
    fitter = HistoryFitter(1, 300, words)
    lines = []
    for count in range(1, 60):
        fitted = fitter.fit([*PREFIX, *turns(count), ChatMessage("user", "next")])
        assert words(fitted) <= 300
        lines.append(fitted[1].text)
    assert 2 <= len(set(lines)) <= 12


def test_the_last_message_always_stays() -> None:
    """Words that are too long on their own are passed on; the engine refuses them."""
    messages = [*PREFIX, *turns(2), ChatMessage("user", "word " * 900)]
    assert HistoryFitter(1, 100, words).fit(messages)[-1] == messages[-1]


def test_the_line_is_short_and_newest() -> None:
    """The line names who said what, keeps the newest turns and clips long ones."""
    line = summarize([*turns(30), ChatMessage("user", "long " * 50)])
    assert line.count("\n") == 0
    assert len(line.split()) <= 90
    assert line.endswith("caller: " + " ".join(["long"] * 12) + "…")
    assert "answer 29" in line
    assert "answer 0 " not in line
