"""Does the packaged language model put the right callers through, and the others not."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.answering import Answer, Answering
from agent.engines.llama import LlamaLanguageModel, LlamaOptions
from agent.handover import Handover
from agent.models.store import ModelStore
from agent.persona import Persona
from agent.speech import Speech
from media.config.load import load_config
from media.paths import models_dir
from tests.agent.test_answers import SilentVoice

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

DEPLOYED = Path(__file__).parents[2] / "deploy" / "cordboard.yaml"
TRANSFERS = {
    "billing": "a wrong charge on the card, charged twice, a question about an invoice or payment",
    "sales": "an offer for many devices, a business, a hotel or an apartment building, a discount",
}
WANTED = [
    ("I was charged twice this month", "billing"),
    ("there is a wrong charge on my card", "billing"),
    ("I need a copy of my invoice", "billing"),
    ("the payment did not go through", "billing"),
    ("why is there a charge of forty dollars", "billing"),
    ("my invoice has the wrong address", "billing"),
    ("we want an offer for our apartment building", "sales"),
    ("I run a hotel and want to buy thirty cameras", "sales"),
    ("is there a discount for a business", "sales"),
    ("can you make an offer for twelve doorbells", "sales"),
]
NOT_WANTED = [
    "How long does the battery last?",
    "My doorbell keeps losing the Wi-Fi.",
    "How do I charge the battery?",
    "Is water damage covered by the warranty?",
    "I cannot charge the doorbell with my cable",
    "how do I install the camera on a building with brick walls",
    "how many devices can I have in the app",
    "Who won the football game yesterday?",
]


async def test_the_model_knows_when_a_person_is_needed() -> None:
    """Most who need a queue get it, never a wrong one, and few others are put through."""
    config = load_config(DEPLOYED)
    choice = ModelStore(models_dir(config)).choose_language_model()
    persona_config = replace(config.agents["support"], transfers=TRANSFERS)
    persona = Persona("support", persona_config, Speech(SilentVoice()), list(TRANSFERS))
    model = LlamaLanguageModel.load(choice.path, LlamaOptions(dialogues=1, prefixes=1))
    dialogue = await model.open(persona.prefix)
    handover = Handover(persona.human_queue, persona_config)

    async def ask(words: str) -> str:
        answer = Answer(words, 0)
        began = time.perf_counter()
        answering = Answering(persona, dialogue, time.monotonic_ns, handover=handover)
        await answering.fill(answer, [], "", lambda _: None)
        ms = (time.perf_counter() - began) * 1e3
        said = " ".join(each.text for each in answer.pieces if each.text)
        print(f"{answer.then:18} {ms:5.0f} ms {words!r} -> {said!r} ({answer.reason})")
        assert "<" not in said
        return answer.then.removeprefix("transfer:") if ":" in answer.then else ""

    wanted = [(await ask(words), queue) for words, queue in WANTED]
    others = [await ask(words) for words in NOT_WANTED]
    dialogue.close()
    model.close()
    right = sum(queue == expected for queue, expected in wanted)
    print(f"put through {right}/{len(wanted)}, others let be {others.count('')}/{len(others)}")
    assert all(queue in ("", expected) for queue, expected in wanted)
    assert right >= 0.7 * len(wanted)
    assert others.count("") >= 0.75 * len(others)
