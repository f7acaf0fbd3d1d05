"""Keep the personas that may be called, and the engines that they were made ready with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any

from agent.engines.base import Voice
from agent.loading import Engines
from agent.persona import Persona
from agent.reloading import reload_personas
from agent.speech import SentenceStore, Speech
from agent.waits import Waits, WatchedVoice
from agent.warm_up import warm_up
from media import CordboardError
from media.config.model import AgentConfig, Config

LoadEngines = Callable[[Config, Callable[[str], None]], Coroutine[Any, Any, Engines]]
StoreOf = Callable[[Voice], SentenceStore | None]


class PersonaBook:
    """The personas of one process.

    Args:
        config: loaded, paths absolute.
        load: loads the engines; told what to report while it does.
        store_of: opens a voice's store of known sentences; none keeps them in memory only.
        waits: told how long is waited for the voices.
    """

    def __init__(
        self, config: Config, load: LoadEngines, store_of: StoreOf | None, waits: Waits
    ) -> None:
        self._config = config
        self._load = load
        self._store_of = store_of
        self._waits = waits
        self._engines: Engines | None = None
        self._personas: dict[str, Persona] = {}

    @property
    def engines(self) -> Engines:
        """What is loaded.

        Raises:
            CordboardError: nothing yet.
        """
        if self._engines is None:
            raise CordboardError("the engines are not loaded yet")
        return self._engines

    @property
    def engine_names(self) -> dict[str, str]:
        """Which engine does which job; empty while they load."""
        return self._engines.names() if self._engines is not None else {}

    @property
    def personas(self) -> Mapping[str, Persona]:
        """All that can be called, by name."""
        return self._personas

    def get(self, name: str) -> Persona | None:
        """Return a persona, None where there is none."""
        return self._personas.get(name)

    async def load(self, report: Callable[[str], None]) -> None:
        """Load the engines and make every persona ready to greet.

        Args:
            report: told what is being done.

        Raises:
            CordboardError: something is missing; may be tried again.
        """
        self._engines = await self._load(self._config, report)
        for name, config in self._config.agents.items():
            report(f"warming up {name}")
            self._personas[name] = await self._make(name, config, self._config.queues)

    async def warm_up(self, idle: Callable[[], bool]) -> None:
        """Do what would be slow the first time; ``idle`` says that nobody is on the line."""
        await warm_up(list(self._personas.values()), self.engines, idle)

    async def reload(self, path: Path) -> tuple[str, ...]:
        """Take over changed personas; conversations in progress keep theirs.

        Returns:
            The names of those that are new or changed.

        Raises:
            CordboardError: the file is wrong, or a persona needs an engine that is not loaded.
        """
        self._config, self._personas, changed = await reload_personas(
            path, self._config, self.engines, self._personas, self._make
        )
        return changed

    async def _make(self, name: str, config: AgentConfig, queues: Collection[str]) -> Persona:
        voice = self.engines.voice_of(config)
        store = self._store_of(voice) if self._store_of else None
        persona = Persona(name, config, Speech(WatchedVoice(voice, self._waits), store), queues)
        await persona.warm_up(self.engines.language_model)
        return persona
