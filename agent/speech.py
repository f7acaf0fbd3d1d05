"""Speak: known sentences from the cache, everything else from the voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np

from agent.engines.base import Samples, Voice


class SentenceStore(Protocol):
    """Where the audio of known sentences survives a restart."""

    def load(self, text: str) -> Samples | None:
        """Return the audio, None where it is not there."""
        ...

    def save(self, text: str, samples: Samples) -> None:
        """Keep the audio."""
        ...


class Speech:
    """A voice that knows some sentences by heart.

    Args:
        voice: the engine.
        store: keeps known sentences; none keeps them in memory only.
    """

    def __init__(self, voice: Voice, store: SentenceStore | None = None) -> None:
        self._voice = voice
        self._store = store
        self._known: dict[str, Samples] = {}

    async def recall(self, text: str) -> bool:
        """Take a sentence from the store; say whether it is known now."""
        if text not in self._known and self._store is not None:
            samples = await asyncio.to_thread(self._store.load, text)
            if samples is not None:
                self._known[text] = samples
        return text in self._known

    async def learn(self, text: str) -> Samples:
        """Synthesise a sentence once; from then on :meth:`known` has it."""
        samples = self._known[text] if await self.recall(text) else None
        if samples is None:
            parts = [part async for part in self._voice.synthesize(text)]
            samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)
            if self._store is not None:
                await asyncio.to_thread(self._store.save, text, samples)
        self._known[text] = samples
        return samples

    def known(self, text: str) -> Samples | None:
        """Return the audio of a learnt sentence."""
        return self._known.get(text)

    async def say(self, text: str) -> AsyncIterator[Samples]:
        """Stream a text as ``int16[n]``, mono, 8 kHz."""
        samples = self._known.get(text)
        if samples is not None:
            yield samples
            return
        async for part in self._voice.synthesize(text):
            yield part
