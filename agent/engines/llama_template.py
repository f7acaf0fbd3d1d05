"""Write a dialogue as the token stream that a model was trained on.

Every message is tokenised on its own and words never become control tokens, so what a caller says
cannot end a message, and a longer dialogue always begins with the tokens of the shorter one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from agent.engines.base import ChatMessage
from agent.engines.llama_native import chat_format


class Tokenizer(Protocol):
    """Text to tokens."""

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Return the tokens; control tokens are read only where ``special``."""
        ...


class ChatTemplate(Protocol):
    """How a model wants its dialogue written."""

    def dialogue(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of whole messages."""
        ...

    def prompt(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of messages and of the opening of the agent's answer."""
        ...

    def unfinished(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of messages of which the last one may still grow."""
        ...


class ChatMlTemplate:
    """``<|im_start|>role``, text, ``<|im_end|>``: Qwen and many others."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Prepare the frame's tokens.

        Args:
            tokenizer: the model's own.
        """
        self._tokenizer = tokenizer
        self._end = tokenizer.tokenize("<|im_end|>\n")
        self._begin: dict[str, list[int]] = {}
        self._known: dict[ChatMessage, list[int]] = {}

    def dialogue(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of whole messages."""
        tokens: list[int] = []
        for each in messages:
            tokens += self._open(each.role) + self._words(each) + self._end
        return tokens

    def prompt(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of messages and of the opening of the agent's answer."""
        return self.dialogue(messages) + self._open("assistant")

    def unfinished(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of messages of which the last one may still grow."""
        if not messages:
            return []
        last = messages[-1]
        words = self._tokenizer.tokenize(last.text, special=False)
        return self.dialogue(messages[:-1]) + self._open(last.role) + words

    def _open(self, role: str) -> list[int]:
        if role not in self._begin:
            self._begin[role] = self._tokenizer.tokenize(f"<|im_start|>{role}\n")
        return self._begin[role]

    def _words(self, message: ChatMessage) -> list[int]:
        found = self._known.get(message)
        if found is None:
            if len(self._known) > 512:
                self._known.clear()
            found = self._tokenizer.tokenize(message.text, special=False)
            self._known[message] = found
        return found


class MetadataTemplate:
    """Any other model: the Jinja template in its file."""

    def __init__(
        self, tokenizer: Tokenizer, template: str, *, begin: str, end: str, bos: int | None
    ) -> None:
        """Compile the template.

        Args:
            tokenizer: the model's own.
            template: Jinja source, ``tokenizer.chat_template``.
            begin: text of the begin-of-sequence token.
            end: text of the end-of-sequence token.
            bos: token that must come first and is not in the template's text.
        """
        self._tokenizer = tokenizer
        self._bos = [] if bos is None or begin in template or "bos_token" in template else [bos]
        self._answer = self._formatter(template, begin, end, answer=True)
        self._plain = self._formatter(template, begin, end, answer=False)

    @staticmethod
    def _formatter(
        template: str, begin: str, end: str, *, answer: bool
    ) -> Callable[[Sequence[ChatMessage]], str]:
        formatter = chat_format.Jinja2ChatFormatter(
            template=template, bos_token=begin, eos_token=end, add_generation_prompt=answer
        )

        def render(messages: Sequence[ChatMessage]) -> str:
            # Templates are tokenised whole; without "<" no word can become a control token.
            rows: Any = [
                {"role": each.role, "content": each.text.replace("<", " ")} for each in messages
            ]
            return str(formatter(messages=rows).prompt)

        return render

    def dialogue(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of whole messages."""
        return self._bos + self._tokenizer.tokenize(self._plain(messages))

    def prompt(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of messages and of the opening of the agent's answer."""
        return self._bos + self._tokenizer.tokenize(self._answer(messages))

    def unfinished(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the tokens of messages of which the last one may still grow."""
        if not messages:
            return []
        text = self._plain(messages)
        last = messages[-1].text.strip()
        cut = text.rfind(last) + len(last) if last and last in text else len(text)
        return self._bos + self._tokenizer.tokenize(text[:cut])


def choose_template(
    tokenizer: Tokenizer, template: str | None, *, begin: str, end: str, bos: int | None
) -> ChatTemplate:
    """Return the template of a model.

    Args:
        tokenizer: the model's own.
        template: the file's Jinja source; none takes ChatML.
        begin: text of the begin-of-sequence token.
        end: text of the end-of-sequence token.
        bos: token that must come first, where the model wants one.
    """
    if template is None or "<|im_start|>" in template:
        return ChatMlTemplate(tokenizer)
    return MetadataTemplate(tokenizer, template, begin=begin, end=end, bos=bos)
