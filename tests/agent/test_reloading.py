from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from agent.loading import Engines
from agent.persona import Persona
from agent.reloading import reload_personas
from agent.speech import Speech
from media import ConfigError
from media.config.load import load_config
from media.config.model import AgentConfig
from tests.agent.fakes import FakeModel, FakeVoice

pytestmark = pytest.mark.unit


class Activity:
    """Opens nothing: no call is made here."""

    def open(self) -> object:
        raise NotImplementedError


def write(path: Path, **greetings: str) -> None:
    agents = "\n".join(
        f"  {name}: {{greeting: '{text}', instructions: Be brief.}}"
        for name, text in greetings.items()
    )
    path.write_text(f"agents:\n{agents}\ndialplan: [{{agent: {next(iter(greetings))}}}]\n")


def engines() -> Engines:
    voice, recognizer = FakeVoice(), object()
    return Engines(
        Activity(),  # type: ignore[arg-type]
        None,
        FakeModel([]),
        {"en": recognizer},  # type: ignore[dict-item]
        {("en", None): voice},
    )


async def make(name: str, config: AgentConfig, queues: Collection[str]) -> Persona:
    return Persona(name, config, Speech(FakeVoice(), None), queues)


async def test_only_changed_personas_are_made_anew(tmp_path: Path) -> None:
    """Who stays as they were is the same object, its audio learnt; new ones come, others go."""
    path = tmp_path / "cordboard.yaml"
    write(path, desk="Hello.", night="Good night.", gone="Bye.")
    config = load_config(path)
    personas = {name: await make(name, each, ()) for name, each in config.agents.items()}
    write(path, desk="Hello.", night="Good evening.", fresh="Hi.")
    after, fresh, changed = await reload_personas(path, config, engines(), personas, make)
    assert fresh["desk"] is personas["desk"]
    assert fresh["night"] is not personas["night"]
    assert sorted(fresh) == ["desk", "fresh", "night"]
    assert changed == ("night", "fresh")
    assert after.agents["night"].greeting == "Good evening."


async def test_personas_learn_that_queues_have_changed(tmp_path: Path) -> None:
    """Whose own queue has come or gone is made anew with it; the others are kept."""
    path = tmp_path / "cordboard.yaml"
    write(path, desk="Hello.", shop="Good day.")
    chosen = path.read_text().replace("day.', ", "day.', handover: {queue: shop}, ")
    path.write_text(chosen + "queues: {shop: {}}\n")
    config = load_config(path)
    personas = {n: await make(n, each, config.queues) for n, each in config.agents.items()}
    assert personas["desk"].human_queue is None
    path.write_text(chosen + "queues: {desk: {}, shop: {}}\n")
    after, fresh, changed = await reload_personas(path, config, engines(), personas, make)
    assert fresh["desk"].human_queue == "desk"
    assert fresh["shop"] is personas["shop"]
    assert changed == ("desk",)
    assert list(after.queues) == ["desk", "shop"]


async def test_a_persona_whose_voice_is_not_loaded_is_refused(tmp_path: Path) -> None:
    """Nothing is made, and the message names the persona and what it needs."""
    path = tmp_path / "cordboard.yaml"
    write(path, desk="Hello.")
    config = load_config(path)
    text = path.read_text().replace("greeting: 'Hello.'", "greeting: Hallo., language: de")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        await reload_personas(path, config, engines(), {}, make)
    assert caught.value.problems == [
        "agents.desk: its voice or language is not loaded; it needs a restart"
    ]
