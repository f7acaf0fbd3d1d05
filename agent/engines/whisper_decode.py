"""Recognise one stretch of audio with Whisper in CTranslate2, int8, in a short window.

Whisper is trained on 30 s windows. A window of max(8 s, speech + 2 s) costs a tenth and keeps the
accuracy; below 6 s it repeats itself. The encoder (cost grows with the window) and the decoder
(cost grows with the words) run apart, so that work nobody wants any more stops between them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers

from agent.engines.base import Samples
from agent.engines.log_mel import RATE_HZ, log_mel, to_16k
from media.realtime import step_back

_LEAST_WINDOW_S = 8.0
_TAIL_S = 2.0
_LONGEST_WINDOW_S = 30.0
_BEAM = 3
"""Costs 62 ms of a core where 1 costs 48, and errs less (words 16.8 % against 21.4 %)."""
_TOKENS_PER_S = 8.0
"""Fast speech has 5 words, 7 tokens a second."""
_SPARE_TOKENS = 12
_NO_SPEECH = 0.6
_DOUBTFUL_LOGPROB = -1.0
"""With _NO_SPEECH, Whisper's own rule for a window without speech."""
_HOPELESS_LOGPROB = -1.75
_REPETITIVE = 2.4
"""Compression ratio beyond which Whisper's own rule calls a text a loop."""
_QUIET_DBFS = -60.0
_SHORT_SAMPLES = 16_000
_SHORT_ANSWERS = {"en": "Yes. No. Yeah. Okay. Sure. Mm-hm. Uh-huh."}
"""A single word without a sentence around it is often taken for nothing or for another word. One
that was not surely recognised is heard once more as if such words, and those of the agent's matter,
had come before: of 180 single words of four voices 124 were right at once, 136 then."""
_FEW_WORDS = 2
"""What the first time had more words was no single one, and is not heard again."""
_SURE = 0.6
"""Words with this confidence are not heard again."""
_SECOND_CONFIDENCE = 0.45
_EXPECTED_CONFIDENCE = 0.35
"""The least for words heard the second time, and for those that were expected."""
_ONLY_CONFIDENCE = 0.3
"""The least where the first time nothing was heard."""
_HUMS = frozenset(("mmhm", "uhhuh"))
"""Hums among the expected words also catch what is no word: where nothing was heard the first time,
coughs and doors become one of them."""
_SECOND_GAIN = 0.1
"""What was heard the first time stands unless the second time is so much surer."""
_LOOKALIKE = 0.4
_NO_SHORT_SPEECH = 0.35
"""Doors that fall shut had 0.40 to 0.49."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a stretch of audio says."""

    text: str
    confidence: float
    """Mean probability of a token, 0 to 1; 0 for an empty text."""


NOTHING = Words("", 0.0)


class Abandoned(Exception):  # noqa: N818 - not an error: the caller asked for it
    """The words are not wanted any more."""


class WhisperDecoder:
    """The network; may be used by ``workers`` threads at once.

    CTranslate2 computes in threads of its own, which keep the niceness of the thread that loads it.

    Args:
        path: folder with ``model.bin``, ``config.json``, ``tokenizer.json`` and vocabulary.
        workers: recognitions that may run at once, one core each.
        niceness: of its threads.
    """

    def __init__(self, path: Path, workers: int = 1, niceness: int = 5) -> None:
        def load() -> Any:
            step_back(niceness)
            return ctranslate2.models.Whisper(
                str(path), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
            )

        with ThreadPoolExecutor(1) as thread:
            self._network: Any = thread.submit(load).result()
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
        self._encode(np.zeros(8_000, dtype=np.int16))  # the first window ever takes longer

    def speaks(self, language: str) -> bool:
        """Return whether the network knows a BCP 47 language."""
        return self._language_token(language) is not None

    def recognize(
        self,
        samples: Samples,
        language: str,
        prompt: str = "",
        unwanted: Callable[[], bool] = lambda: False,
        likely: str = "",
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> Words:
        """Return the words of 8 kHz audio, at most 28 s.

        Args:
            samples: the audio.
            language: BCP 47 tag.
            prompt: words likely to be said, as a sentence that came before.
            unwanted: asked between encoder and decoder, and before words are heard again.
            likely: words that may well be all that is said.
            may_repeat: asked right before words are heard again; False leaves it at the first time.

        Raises:
            Abandoned: ``unwanted`` said so.
        """
        if level_dbfs(samples) < _QUIET_DBFS:
            return NOTHING
        encoded = self._encode(samples)
        if unwanted():
            raise Abandoned
        words, _ = self._decode(encoded, len(samples), language, prompt)
        long = len(samples) > _SHORT_SAMPLES or len(words.text.split()) > _FEW_WORDS
        expected = f"{_SHORT_ANSWERS.get(language.lower().split('-')[0], '')} {likely}".strip()
        if long or words.confidence >= _SURE or not expected:
            return words
        if unwanted():
            raise Abandoned
        if not may_repeat():
            return words
        return self._decode_again(encoded, len(samples), language, expected, likely, words) or words

    def _decode_again(
        self, encoded: Any, samples: int, language: str, expected: str, likely: str, first: Words
    ) -> Words | None:
        """Return what was said if it was a short answer, None where it hardly was one."""
        words, no_speech = self._decode(encoded, samples, language, expected)
        said = _letters(words.text)
        if no_speech > _NO_SHORT_SPEECH or (not first.text and said <= _HUMS):
            return None
        if first.text and said & _letters(likely) and not _sounds_like(words.text, first.text):
            return None
        least = _EXPECTED_CONFIDENCE if said <= _letters(expected) else _SECOND_CONFIDENCE
        least = max(least, first.confidence + _SECOND_GAIN) if first.text else _ONLY_CONFIDENCE
        return words if words.confidence >= least else None

    def _decode(
        self, encoded: Any, samples: int, language: str, prompt: str
    ) -> tuple[Words, float]:
        """Return words, and the probability that nothing was said."""
        start = self._prompt(language, prompt)
        longest = len(start) + math.ceil(samples / 8_000 * _TOKENS_PER_S) + _SPARE_TOKENS
        (result,) = self._network.generate(
            encoded,
            [start],
            beam_size=_BEAM,
            max_length=longest,
            suppress_blank=True,
            return_scores=True,
            return_no_speech_prob=True,
        )
        text = self._tokenizer.decode(result.sequences_ids[0]).strip()
        return judge(text, result.scores[0], result.no_speech_prob), result.no_speech_prob

    def _encode(self, samples: Samples) -> Any:
        audio = to_16k(samples)
        speech_s = len(audio) / RATE_HZ
        window_s = min(max(_LEAST_WINDOW_S, speech_s + _TAIL_S), _LONGEST_WINDOW_S)
        window_samples = math.ceil(window_s * RATE_HZ / 320) * 320
        audio = np.pad(audio[:window_samples], (0, max(0, window_samples - len(audio))))
        return self._network.encode(ctranslate2.StorageView.from_array(log_mel(audio)[None]))

    def _prompt(self, language: str, prompt: str) -> list[int]:
        marks = ("<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>")
        start, task, untimed = (self._tokenizer.token_to_id(each) for each in marks)
        tokens = [start, self._language_token(language), task, untimed]
        if prompt:
            said = self._tokenizer.encode(f" {prompt.strip()}", add_special_tokens=False).ids
            tokens = [self._tokenizer.token_to_id("<|startofprev|>"), *said[-100:], *tokens]
        return tokens

    def _language_token(self, language: str) -> int | None:
        token: int | None = self._tokenizer.token_to_id(f"<|{language.lower().split('-')[0]}|>")
        return token


def _letters(text: str) -> frozenset[str]:
    """Return the words of a text, each as its lower-case letters and digits."""
    words = ("".join(filter(str.isalnum, each)) for each in text.lower().split())
    return frozenset(each for each in words if each)


def _sounds_like(text: str, other: str) -> bool:
    """Say whether one may be the other misheard: a hum is not the "doorbell" that is expected."""
    one, two = ("".join(filter(str.isalnum, each.lower())) for each in (text, other))
    return SequenceMatcher(None, one, two).ratio() >= _LOOKALIKE


def judge(text: str, mean_logprob: float, no_speech: float) -> Words:
    """Return the words, or nothing where they look invented."""
    raw = text.encode()
    repetitive = bool(raw) and len(raw) / len(zlib.compress(raw)) > _REPETITIVE
    unheard = no_speech > _NO_SPEECH and mean_logprob < _DOUBTFUL_LOGPROB
    wordless = not any(each.isalnum() for each in text)
    if wordless or repetitive or unheard or mean_logprob < _HOPELESS_LOGPROB:
        return NOTHING
    return Words(text, min(1.0, math.exp(mean_logprob)))


def level_dbfs(samples: Samples) -> float:
    """Return the level of the loudest 20 ms, in dB below a full-scale square wave."""
    whole = samples[: len(samples) // 160 * 160].astype(np.float32).reshape(-1, 160)
    if not len(whole):
        return -120.0
    loudest = float(np.sqrt((whole**2).mean(axis=1)).max())
    return 20 * math.log10(max(loudest, 0.03) / 32_768)
