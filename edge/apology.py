"""Find the WAV that a caller hears whose conversation broke."""

from __future__ import annotations

from pathlib import Path

import media
from media.config.model import Config


def apology_file(config: Config, persona: str | None) -> str:
    """Return the WAV that a caller hears whose conversation with a persona broke."""
    if config.media.apology_file is not None:
        return config.media.apology_file
    language = config.agents[persona].language if persona in config.agents else "en"
    sounds = Path(media.__file__).parent / "sounds"
    spoken = sounds / f"apology_{language.partition('-')[0].lower()}.wav"
    return str(spoken if spoken.exists() else sounds / "apology_en.wav")
