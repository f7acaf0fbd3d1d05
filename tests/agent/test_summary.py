from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.guard import numbers
from agent.history import Said
from agent.summary import LETTERS_PER_S, MAX_WORDS, SHORT_LETTERS, Summary, summarize
from agent.words import split_words
from media.messages import Speaker

pytestmark = pytest.mark.unit

HELD_OUT = yaml.safe_load((Path(__file__).parent / "conversations.yaml").read_text())
LEAST_SHARE = 0.9
UNKNOWN = (
    "I am sorry, I do not know that. Please ask me something else about your doorbell or camera."
)
OFFER = "I am sorry, I do not know that. Shall I connect you with a colleague?"
FRAME = set(
    split_words(
        "the caller says told i had no answer whose number ends in asks for a person and "
        "gave reason"
    )
)


def said(turns: list[dict[str, str]]) -> list[Said]:
    """Return a conversation from its written form."""
    return [Said(Speaker(who), text) for turn in turns for who, text in turn.items()]


def summary_of(conversation: dict[str, Any], max_spoken_s: float = 8.0) -> Summary:
    """Summarize a written conversation."""
    return summarize(
        said(conversation["said"]),
        caller="sip:+493012345@192.0.2.1",
        idle=(UNKNOWN, OFFER),
        max_spoken_s=max_spoken_s,
    )


def names_reason(conversation: dict[str, Any], text: str) -> bool:
    """Say whether a text has a word of every group."""
    return all(
        any(str(word).lower() in text.lower() for word in group) for group in conversation["reason"]
    )


def test_the_callers_reason_is_named() -> None:
    """In nearly all conversations that the code was not made for, the reason is in the summary."""
    with_reason = [each for each in HELD_OUT if each["reason"]]
    named = [each for each in with_reason if names_reason(each, summary_of(each).text)]
    share = len(named) / len(with_reason)
    print(f"{len(named)} of {len(with_reason)} summaries name the reason")
    assert share >= LEAST_SHARE, [
        summary_of(each).text for each in with_reason if each not in named
    ]


@pytest.mark.parametrize("conversation", HELD_OUT, ids=range(len(HELD_OUT)))
def test_a_summary_is_short_and_true(conversation: dict[str, Any]) -> None:
    """It takes 8 s, and no word or number in it is anybody's but the caller's or the agent's."""
    summary = summary_of(conversation)
    assert len(summary.text.split()) <= MAX_WORDS
    assert len(summary.text) <= 8.0 * LETTERS_PER_S
    assert 0 < len(summary.short_reason) <= SHORT_LETTERS
    heard = " ".join(each.text for each in said(conversation["said"]))
    known = set(split_words(heard)) | FRAME | set("2345")
    assert set(split_words(summary.text)) <= known
    assert numbers(summary.text) <= numbers(heard) | set("2345")
    assert set(split_words(summary.short_reason)) <= known
    assert summary.reason_known is bool(conversation["reason"])


@pytest.mark.parametrize(
    "conversation", [each for each in HELD_OUT if "name" in each], ids=lambda each: each["name"]
)
def test_the_callers_name_is_said(conversation: dict[str, Any]) -> None:
    """Who gave a name is called by it."""
    assert summary_of(conversation).text.startswith(f"{conversation['name']} says:")


def test_the_wish_for_a_person_is_no_reason() -> None:
    """The words "agent please" tell a person nothing."""
    summary = summarize([Said(Speaker.CALLER, "Agent, please.")], caller="sip:+4930555@x")
    assert not summary.reason_known
    assert summary.text == (
        "The caller whose number ends in 0 5 5 5 asks for a person and gave no reason."
    )
    assert summarize([]).text == "The caller asks for a person and gave no reason."


def test_a_short_summary_is_short() -> None:
    """What does not fit into the time is left out, and the reason is not."""
    for seconds in (3.0, 5.0):
        for conversation in HELD_OUT:
            summary = summary_of(conversation, seconds)
            if summary.reason_known:
                assert len(summary.text) <= seconds * LETTERS_PER_S + 1


def test_half_an_answer_is_not_told() -> None:
    """The agent's "but not with" is not cut off from what it belongs to."""
    turns = [
        {"caller": "Does it work with Apple?"},
        {"agent": "The devices work with Alexa and Google Home, but not with Apple HomeKit."},
        {"caller": "The box of my new outdoor camera says that it does. An agent please."},
    ]
    text = summarize(said(turns)).text
    assert "not with Apple" in text or "Told" not in text


def test_what_was_tried_is_told_where_there_is_room() -> None:
    """The last useful answer follows the reason."""
    turns = [
        {"caller": "My chime is silent."},
        {"agent": "Please pair it again in the app."},
        {"caller": "Operator!"},
    ]
    assert (
        summarize(said(turns)).text
        == "The caller says: My chime is silent. Told: pair it again in the app."
    )
