"""Load the recognizers that the agents' languages need; each model once, however many use it."""

from __future__ import annotations

from agent.engines.base import RecognizerModel
from agent.engines.silero import SileroModel
from agent.engines.vosk import VoskRecognizer
from agent.engines.whisper import WhisperModel
from agent.models.store import Choice, ModelStore


class Recognizers:
    """Loaded recognizers by language.

    Args:
        store: the models.
        voice_activity: shared with the calls.
        engine: ``auto``, ``vosk`` or ``whisper``.
    """

    def __init__(
        self, store: ModelStore, voice_activity: SileroModel, engine: str = "auto"
    ) -> None:
        self._store = store
        self._voice_activity = voice_activity
        self._engine = engine
        self._whisper: dict[str, WhisperModel] = {}
        self._vosk: dict[str, VoskRecognizer] = {}

    def choice(self, language: str) -> Choice:
        """Return which model serves a language, and why.

        Raises:
            ConfigError: none is there.
        """
        return self._store.choose_recognizer(language, self._engine)

    def load(self, language: str) -> RecognizerModel:
        """Return the recognizer of a language; blocks for seconds the first time.

        Raises:
            ConfigError: no model is there, or it does not know the language.
        """
        choice = self.choice(language)
        if choice.engine == "vosk":
            if choice.name not in self._vosk:
                self._vosk[choice.name] = VoskRecognizer(choice.path, language)
            return self._vosk[choice.name]
        if choice.name not in self._whisper:
            self._whisper[choice.name] = WhisperModel(choice.path, self._voice_activity)
        return self._whisper[choice.name].recognizer(language)

    def close(self) -> None:
        """End every model's threads."""
        for vosk in self._vosk.values():
            vosk.close()
        for whisper in self._whisper.values():
            whisper.close()
