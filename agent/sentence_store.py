"""Keep the audio of a voice's known sentences over restarts.

What is kept belongs to the words as they are said, not only as they are written: a version that
says "2,5 GHz" in another way must not be heard with the old one's audio.
"""

from __future__ import annotations

from pathlib import Path

from agent.engines.audio_cache import AudioCache
from agent.engines.base import Samples, Voice
from agent.engines.speech_text import spoken_text
from agent.speech import SentenceStore


class VoiceSentences:
    """One voice's part of the audio cache; its methods touch the disk.

    Args:
        cache: shared by all voices.
        digest: SHA-256 of the voice file.
        settings: what else decides how it sounds.
    """

    def __init__(self, cache: AudioCache, digest: str, settings: str) -> None:
        self._cache = cache
        self._digest = digest
        self._settings = settings

    def load(self, text: str) -> Samples | None:
        """Return a sentence's audio, None where it is not kept."""
        return self._cache.get(self._key(text))

    def save(self, text: str, samples: Samples) -> None:
        """Keep a sentence's audio."""
        self._cache.put(self._key(text), samples)

    def _key(self, text: str) -> str:
        return self._cache.key(self._digest, self._settings, f"{text}\n{spoken_text(text)}")


def open_store(folder: Path, voice: Voice) -> SentenceStore | None:
    """Return the store of a voice, None for one that cannot say what it sounds like."""
    digest = getattr(voice, "digest", None)
    settings = getattr(voice, "settings", None)
    if not isinstance(digest, str) or not isinstance(settings, str):
        return None
    return VoiceSentences(AudioCache(folder), digest, settings)
