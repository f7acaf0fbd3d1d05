"""Keep a long call inside its share of the cache without forgetting the rules.

Sans-IO. The prefix (rules, persona, knowledge) and the newest turns always stay; the oldest turns
are replaced by one line that says what they were about. How many are replaced only ever grows, and
in steps, so that the cache behind the line stays valid for many turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.engines.base import ChatMessage

_TURN_WORDS = 12
"""Words of each old turn that the line keeps."""
_LINE_WORDS = 60
"""Words of the whole line; the oldest are dropped."""
_ROOMY = 0.6
"""After turns were replaced, at most this share of the budget is used."""


def summarize(turns: Sequence[ChatMessage]) -> str:
    """Return one line that says what old turns were about.

    Args:
        turns: oldest first.
    """
    parts: list[str] = []
    count = 0
    for each in reversed(turns):
        words = each.text.split()
        clipped = " ".join(words[:_TURN_WORDS]) + ("…" if len(words) > _TURN_WORDS else "")
        count += min(len(words), _TURN_WORDS)
        if parts and count > _LINE_WORDS:
            break
        who = "caller" if each.role == "user" else "you"
        parts.append(f"{who}: {clipped}")
    return "Earlier in this call: " + " | ".join(reversed(parts))


class HistoryFitter:
    """Fits one call's messages into a budget of tokens."""

    def __init__(
        self, prefix: int, budget: int, measure: Callable[[Sequence[ChatMessage]], int]
    ) -> None:
        """Start a call.

        Args:
            prefix: how many messages at the start are never touched.
            budget: most tokens of the prompt.
            measure: tokens of a list of messages.
        """
        self._prefix = prefix
        self._budget = budget
        self._measure = measure
        self._replaced = 0

    def fit(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Return the messages, with the oldest turns as one line where they do not fit.

        The last message always stays, whatever its length.

        Args:
            messages: the prefix, the history, and the caller's words last.
        """
        turns = list(messages[self._prefix :])
        self._replaced = min(self._replaced, max(0, len(turns) - 1))
        fitted = self._with_replaced(messages, self._replaced)
        if self._measure(fitted) <= self._budget:
            return fitted
        for replaced in range(self._replaced + 1, len(turns)):
            if turns[replaced].role != "user":
                continue
            fitted = self._with_replaced(messages, replaced)
            self._replaced = replaced
            if self._measure(fitted) <= self._budget * _ROOMY:
                break
        return fitted

    def _with_replaced(self, messages: Sequence[ChatMessage], count: int) -> list[ChatMessage]:
        if count == 0:
            return list(messages)
        start = self._prefix
        line = ChatMessage("system", summarize(messages[start : start + count]))
        return [*messages[:start], line, *messages[start + count :]]
