"""What is done between being ready and the first call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from agent.engines.base import Samples
from agent.persona import Persona
from agent.speech import Speech
from agent.warm_up import learn_reviewed
from media.config.model import AgentConfig, ExampleConfig
from tests.agent.fakes import FakeVoice, run_virtual

pytestmark = pytest.mark.unit

CONFIG = AgentConfig(
    greeting="Hello.",
    instructions="Answer.",
    knowledge=("It is blue.", "It is round."),
    examples=(ExampleConfig("Which colour?", "It is blue."),),
)


@dataclass
class Kept:
    """A store in memory."""

    texts: dict[str, Samples] = field(default_factory=dict)

    def load(self, text: str) -> Samples | None:
        return self.texts.get(text)

    def save(self, text: str, samples: Samples) -> None:
        self.texts[text] = samples


def test_every_reviewed_text_is_said_once_and_kept() -> None:
    """What is in the store already is not synthesised again; the rest is, and then known."""
    voice = FakeVoice()
    kept = Kept({"It is round.": np.ones(8, dtype=np.int16)})
    persona = Persona("p", CONFIG, Speech(voice, kept))
    asyncio.run(learn_reviewed(persona, lambda: True))
    assert voice.spoken == ["It is blue."]
    assert all(persona.speech.known(each) is not None for each in CONFIG.knowledge)


def test_a_call_comes_before_learning() -> None:
    """While somebody is on the line nothing is synthesised that nobody waits for."""
    voice = FakeVoice()
    persona = Persona("p", CONFIG, Speech(voice))
    busy = [True]

    async def call() -> None:
        learning = asyncio.create_task(learn_reviewed(persona, lambda: not busy))
        await asyncio.sleep(5)
        assert not voice.spoken
        busy.clear()
        await learning

    run_virtual(call())
    assert sorted(voice.spoken) == ["It is blue.", "It is round."]
