"""Cut a stream of text into clauses that can be spoken, the first one early."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

_SENTENCE = re.compile(r"[.!?]+[\"')\]]*(?=\s)")
_CLAUSE = re.compile(r"[,;:](?=\s)")
_LEAST_WORDS = 4
"""A first clause of fewer words sounds chopped and says too little to be checked."""


def cut_clause(text: str, first: bool) -> int:
    """Return where the first speakable clause of a text ends, 0 where none has ended yet."""
    ends = [each.end() for each in _SENTENCE.finditer(text)]
    if first:
        ends += [
            each.end()
            for each in _CLAUSE.finditer(text)
            if len(text[: each.end()].split()) >= _LEAST_WORDS
        ]
    return min((each for each in ends if text[:each].strip()), default=0)


async def clauses(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield clauses of a token stream; what is left at its end is the last one."""
    text = ""
    first = True
    async for token in tokens:
        text += token
        while end := cut_clause(text, first):
            yield text[:end].strip()
            text = text[end:]
            first = False
    if text.strip():
        yield text.strip()
