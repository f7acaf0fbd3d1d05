"""Find words in the record of an interrupted turn that the phone did not hear.

The phone's audio of the turn is recognised by Whisper and aligned with the recorded words. What the
record has after the last word that both have was not heard. The word that was being spoken when it
was cut counts as heard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import soxr

from tests.harness.outside_phone import Samples

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
)
_SAME = {word: str(number) for number, word in enumerate(_NUMBERS.split())}
_SAME |= {"thirty": "30", "ghz": "gigahertz", "wifi": "wi fi", "$": "dollars", "%": "percent"}
SAME_WORD = 0.6
"""Two words that are spelled so alike are one, misheard."""


@dataclass(frozen=True)
class Checked:
    """One interrupted turn."""

    recorded: str
    heard: str
    unheard: int
    """Words of the record that were not heard."""


def words_of(text: str) -> list[str]:
    """Return lower-case words, numbers as digits."""
    plain = re.sub(r"[^a-z0-9.%$ ]", " ", text.lower().replace("-", " "))
    found = " ".join(_SAME.get(word.strip("."), word.strip(".")) for word in plain.split())
    return found.split()


def unheard_words(recorded: str, heard: str) -> int:
    """Return how many recorded words come after the last one that was heard."""
    wanted, got = words_of(recorded), words_of(heard)
    last = _last_common(wanted, got)
    return max(0, len(wanted) - 1 - last - 1)


def _last_common(wanted: list[str], got: list[str]) -> int:
    """Return the index of the last recorded word of the longest common sequence, -1 for none."""
    best = [[(0, -1)] * (len(got) + 1) for _ in range(len(wanted) + 1)]
    for i, word in enumerate(wanted):
        for j, other in enumerate(got):
            longest = max(best[i][j + 1], best[i + 1][j])
            if _same(word, other):
                longest = max(longest, (best[i][j][0] + 1, i))
            best[i + 1][j + 1] = longest
    return best[-1][-1][1]


def _same(word: str, other: str) -> bool:
    return word == other or SequenceMatcher(None, word, other).ratio() >= SAME_WORD


def check(model_folder: Path, turns: Sequence[tuple[str, Samples]]) -> list[Checked]:
    """Recognise what was heard of each turn.

    Args:
        model_folder: a faster-whisper model.
        turns: recorded words and the phone's ``int16[n]`` at 8 kHz.
    """
    from faster_whisper import WhisperModel

    model = WhisperModel(str(model_folder), device="cpu", compute_type="int8", cpu_threads=2)
    checked = []
    for recorded, samples in turns:
        audio = soxr.resample(samples.astype(np.float32) / 32_768, 8_000, 16_000)
        segments, _ = model.transcribe(
            audio, language="en", beam_size=3, condition_on_previous_text=False
        )
        heard = " ".join(each.text.strip() for each in segments)
        checked.append(Checked(recorded, heard, unheard_words(recorded, heard)))
    return checked
