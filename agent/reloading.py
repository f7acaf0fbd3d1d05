"""Make the personas of a changed configuration with the engines that are loaded."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from agent.loading import Engines
from agent.persona import Persona
from media import ConfigError
from media.config.load import load_config
from media.config.model import AgentConfig, Config

MakePersona = Callable[[str, AgentConfig], Awaitable[Persona]]


async def reload_personas(
    path: Path,
    config: Config,
    engines: Engines,
    personas: Mapping[str, Persona],
    make: MakePersona,
) -> tuple[Config, dict[str, Persona], tuple[str, ...]]:
    """Return the configuration, all its personas, and the names of those that are new or changed.

    Args:
        path: the file.
        config: in force.
        engines: loaded.
        personas: in force; those that did not change are kept with their audio.
        make: makes a persona ready to greet.

    Raises:
        ConfigError: the file is wrong, or a persona needs an engine that is not loaded.
    """
    fresh = await asyncio.to_thread(load_config, path)
    changed = [name for name, each in fresh.agents.items() if config.agents.get(name) != each]
    missing = [
        f"agents.{name}: its voice or language is not loaded; it needs a restart"
        for name in changed
        if not _is_loaded(engines, fresh.agents[name])
    ]
    if missing:
        raise ConfigError(missing)
    made = {name: await make(name, fresh.agents[name]) for name in changed}
    kept = {name: personas[name] for name in fresh.agents if name not in made}
    for name, persona in kept.items():
        persona.retune(fresh.agents[name].turn)  # the file's settings are back
    return dataclasses.replace(config, agents=fresh.agents), {**kept, **made}, tuple(changed)


def _is_loaded(engines: Engines, persona: AgentConfig) -> bool:
    try:
        engines.voice_of(persona)
        engines.recognizer_of(persona)
    except KeyError:
        return False
    return True
