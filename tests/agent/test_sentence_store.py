from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.engines.audio_cache import AudioCache
from agent.engines.speech_text import spoken_text
from agent.sentence_store import VoiceSentences

pytestmark = pytest.mark.unit

CLIP = np.arange(-400, 400, dtype=np.int16)
TEXT = "It costs $5."


def test_a_sentence_survives_a_restart(tmp_path: Path) -> None:
    """What one process kept another one loads."""
    VoiceSentences(AudioCache(tmp_path), "voice", "{}").save(TEXT, CLIP)
    found = VoiceSentences(AudioCache(tmp_path), "voice", "{}").load(TEXT)
    assert found is not None and np.array_equal(found, CLIP)
    assert VoiceSentences(AudioCache(tmp_path), "other voice", "{}").load(TEXT) is None


def test_audio_of_another_reading_is_not_used(tmp_path: Path) -> None:
    """A clip is found by how its text is said: one kept for other spoken words is another clip."""
    cache = AudioCache(tmp_path)
    for said in ("It costs dollar five.", ""):
        cache.put(cache.key("voice", "{}", f"{TEXT}\n{said}" if said else TEXT), CLIP)
    sentences = VoiceSentences(cache, "voice", "{}")
    assert sentences.load(TEXT) is None
    cache.put(cache.key("voice", "{}", f"{TEXT}\n{spoken_text(TEXT)}"), CLIP)
    assert sentences.load(TEXT) is not None
