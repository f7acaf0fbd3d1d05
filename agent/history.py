"""Keep what was really said in one call, for the language model (sans-IO).

Only words that were heard are kept; an answer that was cut off says so, and words of one side that
follow each other are one message.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.engines.base import ChatMessage
from media.messages import Speaker

CUT_MARK = " --"
"""Ends an answer that the caller interrupted."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said and heard."""

    speaker: Speaker
    text: str
    interrupted: bool = False


class History:
    """What was said so far.

    Args:
        kept_words: older exchanges beyond so many words are left out of the messages, whole
            exchanges at a time; the rules and facts are not part of them.
    """

    def __init__(self, kept_words: int = 350) -> None:
        self.said: list[Said] = []
        self._kept_words = kept_words

    def add(self, speaker: Speaker, text: str, interrupted: bool = False) -> None:
        """Add what was heard; nothing heard is nothing said."""
        if text.strip():
            self.said.append(Said(speaker, text.strip(), interrupted))

    def last(self, speaker: Speaker) -> str:
        """Return the last words of one side, empty if there are none."""
        return next((each.text for each in reversed(self.said) if each.speaker is speaker), "")

    def messages(self) -> list[ChatMessage]:
        """Return the kept exchanges, oldest first."""
        merged: list[ChatMessage] = []
        for each in self.said:
            role = "user" if each.speaker is Speaker.CALLER else "assistant"
            text = each.text + (CUT_MARK if each.interrupted else "")
            if merged and merged[-1].role == role:
                merged[-1] = ChatMessage(role, f"{merged[-1].text} {text}")
            else:
                merged.append(ChatMessage(role, text))
        return self._newest(merged)

    def _newest(self, messages: list[ChatMessage]) -> list[ChatMessage]:
        words = 0
        start = len(messages)
        for index in range(len(messages) - 1, -1, -1):
            words += len(messages[index].text.split())
            if words > self._kept_words:
                break
            start = index
        return messages[start:]
