"""Load the engines that a configuration asks for, once per process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.engines.base import (
    LanguageModel,
    RecognizerModel,
    TurnModel,
    Voice,
    VoiceActivitySession,
)
from agent.engines.llama import LlamaLanguageModel, LlamaOptions
from agent.engines.openai import OpenAiLanguageModel
from agent.engines.piper import PiperSpeech
from agent.engines.recognizers import Recognizers
from agent.engines.silero import SileroModel
from agent.engines.smart_turn import SmartTurnModel
from agent.models.store import Choice, ModelStore
from media import ConfigError
from media.config.model import AgentConfig, Config
from media.paths import models_dir

SPARE_DIALOGUES = 1
"""A call that ends while the next one begins still holds its sequence for a moment."""
DEFAULT_CALLS = 3


class VoiceActivityModel(Protocol):
    """A loaded voice activity detector."""

    def open(self) -> VoiceActivitySession:
        """Open a session for one call."""
        ...


@dataclass(slots=True)
class Engines:
    """Everything that is loaded; sessions of calls are opened from it."""

    voice_activity: VoiceActivityModel
    turn_model: TurnModel | None
    language_model: LanguageModel
    recognizers: dict[str, RecognizerModel] = field(default_factory=dict)
    """By language tag."""
    voices: dict[tuple[str, str | None], Voice] = field(default_factory=dict)
    """By language tag and the voice that the persona names."""
    notes: list[str] = field(default_factory=list)
    """Why a fallback was taken."""

    def recognizer_of(self, persona: AgentConfig) -> RecognizerModel:
        """Return the recogniser that a persona listens with."""
        return self.recognizers[persona.language]

    def voice_of(self, persona: AgentConfig) -> Voice:
        """Return the voice that a persona speaks with."""
        return self.voices[(persona.language, persona.voice)]

    def names(self) -> dict[str, str]:
        """Return which engine does which job."""
        names = {"language_model": self.language_model.name}
        names |= {f"recognizer_{key}": each.name for key, each in self.recognizers.items()}
        names |= {f"voice_{language}": each.name for (language, _), each in self.voices.items()}
        return names


async def load_engines(config: Config, report: Callable[[str], None]) -> Engines:
    """Load what all personas of a configuration need; takes seconds to minutes.

    Args:
        config: loaded, paths absolute.
        report: told what is being loaded.

    Raises:
        ConfigError: a model is not there.
        LocalError: a model cannot be loaded.
    """
    store = ModelStore(models_dir(config))
    report("loading the models")
    voice_activity = await asyncio.to_thread(SileroModel, store.voice_activity().path)
    recognizers = Recognizers(store, voice_activity, config.engines.recognizer)
    turn_model, language_model, heard, voices = await asyncio.gather(
        _load_turn_model(config, store),
        _load_language_model(config, store),
        _load_recognizers(config, recognizers),
        _load_voices(config, store),
    )
    languages = sorted({persona.language for persona in config.agents.values()})
    notes = [why for each in languages if (why := recognizers.choice(each).why)]
    return Engines(voice_activity, turn_model, language_model, heard, voices, notes)


async def _load_turn_model(config: Config, store: ModelStore) -> TurnModel | None:
    if config.engines.turn_model != "smart-turn":
        return None
    return await asyncio.to_thread(SmartTurnModel, store.turn().path)


async def _load_language_model(config: Config, store: ModelStore) -> LanguageModel:
    if config.engines.language_model == "openai":
        if config.engines.language_model_url is None:
            raise ConfigError(["engines.language_model is openai but has no language_model_url"])
        return OpenAiLanguageModel(config.engines.language_model_url)
    choice = store.choose_language_model(config.engines.language_model)
    calls = config.limits.calls or DEFAULT_CALLS
    options = LlamaOptions(
        dialogues=calls + SPARE_DIALOGUES,
        prefixes=max(1, len(config.agents)),
        threads=config.engines.threads,
        prefix_dir=Path(config.engines.cache_dir) / "prefixes",
    )
    return await asyncio.to_thread(
        lambda: LlamaLanguageModel.load(choice.path, options, name=choice.path.stem)
    )


async def _load_recognizers(config: Config, recognizers: Recognizers) -> dict[str, RecognizerModel]:
    loaded: dict[str, RecognizerModel] = {}
    for persona in config.agents.values():
        if persona.language not in loaded:
            model = await asyncio.to_thread(recognizers.load, persona.language)
            loaded[persona.language] = model
    return loaded


async def _load_voices(config: Config, store: ModelStore) -> dict[tuple[str, str | None], Voice]:
    loaded: dict[tuple[str, str | None], Voice] = {}
    for persona in config.agents.values():
        key = (persona.language, persona.voice)
        if key not in loaded:
            wanted = persona.voice or config.engines.voice
            voice = store.choose_voice(persona.language, wanted)
            loaded[key] = await asyncio.to_thread(_open_voice, voice)
    return loaded


def _open_voice(choice: Choice) -> Voice:
    return PiperSpeech.load(choice.path, name=choice.name)
