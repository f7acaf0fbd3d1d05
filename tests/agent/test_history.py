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
    history.add(Speaker.AGENT, "The battery", interrupted=True)
    assert history.messages() == [
        ChatMessage("assistant", "Hello."),
        ChatMessage("user", "How long does the battery last?"),
        ChatMessage("assistant", f"The battery{CUT_MARK}"),
    ]


def test_nothing_heard_is_nothing_said() -> None:
    """An answer that was cleared before its first word leaves no trace."""
    history = History()
    history.add(Speaker.AGENT, "", interrupted=True)
    assert history.said == [] and history.last(Speaker.AGENT) == ""


def test_old_exchanges_are_left_out() -> None:
    """Only the newest messages that fit are kept, whole."""
    history = History(kept_words=5)
    for words in ("one two three", "four five", "six seven eight"):
        history.add(Speaker.CALLER, words)
        history.add(Speaker.AGENT, "ok")
    assert [each.text for each in history.messages()] == ["ok", "six seven eight", "ok"]
