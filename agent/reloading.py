"""Make the personas of a changed configuration with the engines that are loaded."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from agent.handover import choose_queue
from agent.loading import Engines
from agent.persona import Persona
from media import ConfigError
from media.config.load import load_config
from media.config.model import AgentConfig, Config

MakePersona = Callable[[str, AgentConfig, Collection[str]], Awaitable[Persona]]
"""Takes its name, its configuration and the names of the queues of people."""


async def reload_personas(
    path: Path,
    config: Config,
    engines: Engines,
    personas: Mapping[str, Persona],
    make: MakePersona,
) -> tuple[Config, dict[str, Persona], tuple[str, ...]]:
    """Return the configuration, all its personas, and the names of those that are new or changed.

    A persona has changed, too, where another queue of people is now its own.

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
    changed = [
        name
        for name, each in fresh.agents.items()
        if config.agents.get(name) != each
        or _people_of(name, each, fresh) != _people_of(name, each, config)
    ]
    missing = [
        f"agents.{name}: its voice or language is not loaded; it needs a restart"
        for name in changed
        if not _is_loaded(engines, fresh.agents[name])
    ]
    if missing:
        raise ConfigError(missing)
    made = {name: await make(name, fresh.agents[name], fresh.queues) for name in changed}
    kept = {name: personas[name] for name in fresh.agents if name not in made}
    for name, persona in kept.items():
        persona.retune(fresh.agents[name].turn)  # the file's settings are back
    after = dataclasses.replace(config, agents=fresh.agents, queues=fresh.queues)
    return after, {**kept, **made}, tuple(changed)


def _people_of(name: str, persona: AgentConfig, config: Config) -> tuple[str | None, bool]:
    """Return which queue a persona asks for people, and whether there are any at all."""
    return choose_queue(name, persona, config.queues), bool(config.queues)


def _is_loaded(engines: Engines, persona: AgentConfig) -> bool:
    try:
        engines.voice_of(persona)
        engines.recognizer_of(persona)
    except KeyError:
        return False
    return True
