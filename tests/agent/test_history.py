from __future__ import annotations

import pytest

from agent.engines.base import ChatMessage
from agent.history import CUT_MARK, History
from media.messages import Speaker

pytestmark = pytest.mark.unit


def test_messages_alternate_and_mark_what_was_cut() -> None:
    """Words of one side in a row are one message; an interrupted answer says so."""
    history = History()
    history.add(Speaker.AGENT, "Hello.")
    history.add(Speaker.CALLER, "How long does")
    history.add(Speaker.CALLER, "the battery last?")
    history.add(Speaker.AGENT, "The battery lasts about", interrupted=True)
    assert history.messages() == [
        ChatMessage("assistant", "Hello."),
        ChatMessage("user", "How long does the battery last?"),
        ChatMessage("assistant", f"The battery lasts about{CUT_MARK}"),
    ]


def test_the_model_does_not_learn_to_stop_from_answers_that_were_hardly_begun() -> None:
    """They are part of what was said, not of what the model reads."""
    history = History()
    history.add(Speaker.CALLER, "How long does the battery last?")
    history.add(Speaker.AGENT, "The", interrupted=True)
    history.add(Speaker.CALLER, "No, the warranty.")
    assert history.messages() == [
        ChatMessage("user", "How long does the battery last? No, the warranty.")
    ]
    assert history.last(Speaker.AGENT) == "The"


def test_nothing_heard_is_nothing_said() -> None:
    """An answer that was cleared before its first word leaves no trace."""
    history = History()
    history.add(Speaker.AGENT, "", interrupted=True)
    assert history.said == [] and history.last(Speaker.AGENT) == ""


def test_old_exchanges_become_one_line() -> None:
    """Of a long call the newest exchanges stay whole; what the older ones were about is told."""
    history = History(kept_words=20)
    for topic in ("battery", "warranty", "router", "refund", "chime"):
        history.add(Speaker.CALLER, f"tell me about the {topic} please")
        history.add(Speaker.AGENT, f"this is about the {topic}")
    messages = history.messages()
    assert messages[0].role == "system" and "battery" in messages[0].text
    assert [each.text for each in messages[1:]] == [
        "tell me about the chime please",
        "this is about the chime",
    ]


def test_the_beginning_stays_the_same_for_many_turns() -> None:
    """The model's cache holds as long as the messages only grow at their end."""
    history = History(kept_words=200)
    changes, before = 0, ""
    for number in range(60):
        history.add(Speaker.CALLER, f"question {number} about the doorbell at home")
        history.add(Speaker.AGENT, f"answer {number} about the doorbell at home")
        beginning = history.messages()[0].text
        changes += beginning != before
        before = beginning
    assert 2 <= changes <= 12
    assert sum(len(each.text.split()) for each in history.messages()[1:]) <= 200
