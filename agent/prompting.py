"""Write the language model's messages so that their beginning never changes during a call.

Order: rules and persona, examples, what was said so far, and last the caller's words with the
facts that they are about. The first two are the *prefix*, prefilled once and shared by all calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.engines.base import ChatMessage
from agent.knowledge import Knowledge
from media.config.model import AgentConfig

RULES = (
    "You are a voice on the telephone. Answer in one short spoken sentence of at most "
    "{max_words} words. State only what the facts say. Plain words, no lists, no markup."
)
PROMPT_EXAMPLES = 5
"""Examples beyond these are found by the words like facts, but do not lengthen the prompt."""


def write_prefix(persona: AgentConfig, knowledge: Knowledge) -> list[ChatMessage]:
    """Return the messages that every call of a persona begins with."""
    rules = RULES.format(max_words=persona.limits.max_words)
    messages = [ChatMessage("system", f"{rules}\n{persona.instructions}")]
    for example in persona.examples[:PROMPT_EXAMPLES]:
        facts = [each.text for each in knowledge.find(example.caller)]
        messages.append(ChatMessage("user", write_question(example.caller, facts)))
        messages.append(ChatMessage("assistant", example.agent))
    return messages


def write_question(words: str, facts: Sequence[str]) -> str:
    """Return the caller's words with the facts that may answer them."""
    if not facts:
        return words
    return f"Facts: {' '.join(facts)}\nCaller: {words}"
