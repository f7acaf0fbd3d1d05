"""Cut a stream of the model's tokens into clauses that can be spoken while it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent.engines.speech_text_clauses import ClauseSplitter


async def clauses(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield clauses of a token stream; what is left at its end is the last one."""
    splitter = ClauseSplitter()
    async for token in tokens:
        for clause in splitter.receive(token):
            yield clause
    for clause in splitter.flush():
        yield clause
