"""Say which models a configuration needs."""

from __future__ import annotations

from dataclasses import dataclass

from agent.models.manifest import Kind, ModelSpec
from agent.models.store import Choice, ModelStore
from media import ConfigError
from media.config.model import AgentConfig, EnginesConfig


@dataclass(frozen=True, slots=True)
class Need:
    """One job and the models that can do it."""

    job: str
    candidates: tuple[ModelSpec, ...]
    """Best first; one of them must be there."""

    def chosen(self, store: ModelStore) -> ModelSpec | None:
        """Return the model that does it now."""
        return next((each for each in self.candidates if store.is_present(each)), None)


DEFAULT_AGENT = AgentConfig(greeting="", instructions="")
"""Stands for the configuration where there is none: English, every engine by default."""


def needs(
    store: ModelStore, agents: tuple[AgentConfig, ...], engines: EnginesConfig
) -> tuple[Need, ...]:
    """Return what must be there before a call can be answered.

    Raises:
        ConfigError: one line per job that no model of the manifest can do.
    """
    found: dict[str, tuple[ModelSpec, ...]] = {}
    for language in sorted({each.language for each in agents}):
        job = f"speech recognition, {language}"
        found[job] = tuple(store.recognizers(language, engines.recognizer))
    for language, voice in sorted({(each.language, each.voice or "") for each in agents}):
        name = voice or engines.voice
        job = f"voice, {language}" + (f", {name}" if name != "auto" else "")
        found[job] = tuple(store.voices(language, name))
    if engines.language_model != "openai":
        found["language model"] = tuple(store.language_models(engines.language_model))
    found["voice activity"] = tuple(store.of_kind(Kind.VOICE_ACTIVITY))
    if engines.turn_model != "none":
        found["end of turn"] = tuple(store.of_kind(Kind.TURN))
    if problems := [f"{job}: no model in the manifest" for job, row in found.items() if not row]:
        raise ConfigError(problems)
    return tuple(Need(job, row) for job, row in found.items())


def fallback(store: ModelStore, need: Need) -> str:
    """Return why the first choice of a need is not what is used, empty if it is."""
    chosen = need.chosen(store)
    if chosen is None or chosen.kind is not Kind.RECOGNIZER:
        return ""
    language = need.job.rpartition(" ")[2]
    choice: Choice = store.choose_recognizer(language, chosen.engine)
    if choice.name == need.candidates[0].name:
        return ""
    return store.choose_recognizer(language).why
