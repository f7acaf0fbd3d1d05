"""Let the language model put a caller through, and hold it to the queues that it may use (sans-IO).

The model is asked only when the caller's words have something in common with what a queue is for.
It answers under a grammar with one marker or with "none"; a marker in any other answer is cut out.

    <transfer queue="billing" reason="charged twice"/>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent.engines.base import ChatMessage
from agent.guard import numbers
from agent.knowledge import Knowledge, content_stems

NONE = "none"
REASON_LETTERS = 60
EVIDENCE_SHARE = 0.33
"""So many of the caller's meaningful words in a queue's description, and it may be meant."""
MAX_TOKENS = 40
_MARKER = re.compile(r"<\s*transfer\b[^<>]*?/?\s*>", re.IGNORECASE)
_FIELD = re.compile(r"(\w+)\s*=\s*[\"']([^\"'<>]*)[\"']")
_OPENING = "<transfer"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's wish to put the caller through."""

    queue: str
    reason: str


class TransferTool:
    """What one persona's model may do.

    Args:
        transfers: name of a queue to when it is the right one.
    """

    def __init__(self, transfers: Mapping[str, str]) -> None:
        self._transfers = dict(transfers)
        self._names = list(transfers)
        self._uses = Knowledge(list(transfers.values()))

    def candidates(self, words: str, known: Knowledge) -> list[str]:
        """Return the queues that the caller's words may be about, likeliest first.

        Args:
            words: the caller's.
            known: what the agent can answer itself; words that have more in common with that are
                no reason for a person.
        """
        asked = len(set(content_stems(words)))
        if not self._names or not asked:
            return []
        shared = self._uses.shared(words)
        least = max([1, *known.shared(words)])
        ranked = sorted(range(len(shared)), key=lambda each: -shared[each])
        return [
            self._names[each]
            for each in ranked
            if shared[each] >= least and shared[each] >= EVIDENCE_SHARE * asked
        ]

    def dialogue(self, words: str, queues: list[str]) -> list[ChatMessage]:
        """Return the messages that let the model decide; they show it both answers."""
        uses = "; ".join(f"{name}: {self._transfers[name]}" for name in queues)
        asked = f"Which queue of people does the caller need? {uses}."
        messages = [
            ChatMessage("user", f"{asked} Answer with its marker, or none.\nCaller: How are you?"),
            ChatMessage("assistant", NONE),
        ]
        for name in queues:
            example = _clean(self._transfers[name].split(",")[0])
            marker = f'<transfer queue="{name}" reason="{example}"/>'
            messages.append(ChatMessage("user", f"Caller: {example}"))
            messages.append(ChatMessage("assistant", marker))
        return [*messages, ChatMessage("user", f"Caller: {words}")]

    def grammar(self, queues: list[str]) -> str:
        """Return GBNF that allows the markers of these queues and "none"."""
        names = " | ".join(f'"{_escape(name)}"' for name in queues)
        marker = r'"<transfer queue=\"" queue "\" reason=\"" reason "\"/>"'
        return "\n".join(
            [
                f'root ::= "{NONE}" | {marker}',
                f"queue ::= {names}",
                f"reason ::= [a-zA-Z0-9 ,'-]{{3,{REASON_LETTERS}}}",
            ]
        )

    def parse(self, text: str, words: str) -> ToolCall | None:
        """Return the call in a model's answer, None for none and for one that is not allowed.

        Args:
            text: what the model wrote.
            words: the caller's; a reason that is not made of them is replaced by them.
        """
        found = _MARKER.search(text)
        fields = dict(_FIELD.findall(found[0])) if found else {}
        queue = fields.get("queue", "")
        if queue not in self._transfers:
            return None
        reason = _clean(fields.get("reason", ""))
        stems = set(content_stems(reason))
        invented = not stems or not stems <= set(content_stems(words))
        if invented or not numbers(reason) <= numbers(words):
            reason = _clean(words)
        return ToolCall(queue, reason)


class MarkerFilter:
    """Keep markers out of a stream of text pieces.

    A marker may come in many pieces; what might be the beginning of one is held back.
    """

    def __init__(self) -> None:
        self._held = ""
        self.removed = ""
        """The markers that were cut out."""

    def receive(self, piece: str) -> str:
        """Take a piece and return what may be spoken."""
        text = self._held + piece
        self._held = ""
        for found in _MARKER.finditer(text):
            self.removed += found[0]
        text = _MARKER.sub("", text)
        at = text.rfind("<")
        if at >= 0 and _may_be_marker(text[at:]):
            self._held = text[at:]
            text = text[:at]
        return text

    def flush(self) -> str:
        """Return what was held back and was no marker; one that was not closed is dropped."""
        held, self._held = self._held, ""
        if _opens(held):
            self.removed += held
            return ""
        return held


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text).lower()


def _may_be_marker(text: str) -> bool:
    squeezed = _squeeze(text)
    return _OPENING.startswith(squeezed) or _opens(text)


def _opens(text: str) -> bool:
    return _squeeze(text).startswith(_OPENING) and ">" not in text


def _clean(text: str) -> str:
    plain = re.sub(r"[^\w ,'-]+", " ", text)
    short = " ".join(plain.split())
    if len(short) > REASON_LETTERS:
        short = short[: REASON_LETTERS + 1].rsplit(" ", 1)[0][:REASON_LETTERS]
    return short.rstrip(" ,")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
