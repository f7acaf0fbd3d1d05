"""Keep what was really said in one call, for the language model (sans-IO).

Only words that were heard are kept; an answer that was cut off says so, but one of which hardly
anything was heard is left out: a small model would learn to stop there. Words of one side that
follow each other are one message. The oldest exchanges of a long call become one line that says
what they were about; how many did only grows, and in steps, so that the model's cache behind the
line stays valid for many turns.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.engines.base import ChatMessage
from agent.engines.llama_history import summarize
from media.messages import Speaker

CUT_MARK = " --"
"""Ends an answer that the caller interrupted."""
FEWEST_CUT_WORDS = 4
"""An interrupted answer of fewer words tells the model nothing but how to stop."""
ROOMY = 0.6
"""After exchanges were replaced, at most this share of the words is kept."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said and heard."""

    speaker: Speaker
    text: str
    interrupted: bool = False


class History:
    """What was said so far.

    Args:
        kept_words: older exchanges beyond so many words become one line, whole exchanges at a
            time; the rules and facts are not part of them.
    """

    def __init__(self, kept_words: int = 350) -> None:
        self.said: list[Said] = []
        self._kept_words = kept_words
        self._replaced = 0

    def add(self, speaker: Speaker, text: str, interrupted: bool = False) -> None:
        """Add what was heard; nothing heard is nothing said."""
        if text.strip():
            self.said.append(Said(speaker, text.strip(), interrupted))

    def last(self, speaker: Speaker) -> str:
        """Return the last words of one side, empty if there are none."""
        return next((each.text for each in reversed(self.said) if each.speaker is speaker), "")

    def messages(self) -> list[ChatMessage]:
        """Return the line about the oldest exchanges, if any, and the kept ones, oldest first."""
        merged: list[ChatMessage] = []
        for each in self.said:
            if each.interrupted and len(each.text.split()) < FEWEST_CUT_WORDS:
                continue
            role = "user" if each.speaker is Speaker.CALLER else "assistant"
            text = each.text + (CUT_MARK if each.interrupted else "")
            if merged and merged[-1].role == role:
                merged[-1] = ChatMessage(role, f"{merged[-1].text} {text}")
            else:
                merged.append(ChatMessage(role, text))
        self._replaced = self._first_kept(merged)
        if not self._replaced:
            return merged
        line = ChatMessage("system", summarize(merged[: self._replaced]))
        return [line, *merged[self._replaced :]]

    def _first_kept(self, messages: list[ChatMessage]) -> int:
        """Return how many of the oldest messages are replaced; the newest exchange always stays."""
        lengths = [len(each.text.split()) for each in messages]
        kept = sum(lengths[self._replaced :])
        if kept <= self._kept_words:
            return self._replaced
        start = self._replaced
        for index in range(self._replaced + 1, len(messages)):
            kept -= lengths[index - 1]
            if messages[index].role != "user":
                continue
            start = index
            if kept <= self._kept_words * ROOMY:
                break
        return start
