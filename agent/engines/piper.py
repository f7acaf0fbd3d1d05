"""Offer a Piper voice whose first audio does not wait for the whole sentence.

One thread makes the audio of every call, window by window; the window that is needed soonest is
made first, so a call's first clause goes before another call's later ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import structlog
from piper import PiperConfig
from piper import PiperVoice as PiperText

from agent.engines.base import Samples
from agent.engines.piper_split import file_digest, split_voice
from agent.engines.piper_stream import (
    RATE_HZ,
    Floats,
    LeadTrimmer,
    StreamResampler,
    active_level_dbfs,
    decode_windows,
    to_samples,
)
from agent.engines.speech_text import spoken_text
from media import LocalError
from media.realtime import step_back

_log = structlog.get_logger(__name__)

LEVEL_DBFS = -20.0
"""Active speech level of every voice."""
_CALIBRATION = "The quick brown fox jumps over the lazy dog, and nobody asked it why."
_SOUND = {"text": "1", "chain": "2"}
"""Versions of what decides how a text sounds; part of the audio cache's key."""


class PiperModel:
    """The graph of a voice, whole or in halves; used by one thread at a time."""

    def __init__(self, path: Path, *, split_dir: Path | None = None, threads: int = 1) -> None:
        """Load a voice.

        Args:
            path: the ONNX file; its ``.json`` lies beside it.
            split_dir: where halves are kept; none keeps them in ``split`` beside the voice.
            threads: intra-op threads of onnxruntime.

        Raises:
            LocalError: the voice cannot be read.
        """
        try:
            written = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
            self.config = PiperConfig.from_dict(written)
        except (OSError, ValueError, KeyError) as fault:
            raise LocalError(f"cannot read the voice's settings {path}.json: {fault}") from fault
        folder = split_dir or path.parent / "split"
        self.digest = file_digest(path)
        self._text: Any = PiperText(session=None, config=self.config)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning pool would burn the core that the language model needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        halves = split_voice(path, folder)
        self._decoder: Any = None
        self._encoder = _session(halves.encoder if halves else path, options)
        if halves is not None:
            self._decoder = _session(halves.decoder, options)
        self.gain = self._calibrated_gain(folder / f"{self.digest[:16]}.level.json")

    @property
    def language(self) -> str:
        """Return the voice's language, such as ``en-us``."""
        return str(self.config.espeak_voice)

    def phonemes(self, text: str) -> list[list[str]]:
        """Return the phonemes of every sentence of a spoken text."""
        found: list[list[str]] = self._text.phonemize(text)
        return [each for each in found if each]

    def sentence(self, phonemes: list[str]) -> Iterator[Floats]:
        """Yield a sentence's audio in windows at the voice's own rate, not levelled."""
        ids = self._text.phonemes_to_ids(phonemes)
        inputs: dict[str, Any] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(
                [self.config.noise_scale, self.config.length_scale, self.config.noise_w_scale],
                np.float32,
            ),
        }
        if self.config.num_speakers > 1:
            inputs["sid"] = np.array([0], np.int64)
        if self._decoder is None:
            yield self._encoder.run(None, inputs)[0].reshape(-1)
            return
        made = self._encoder.run(None, inputs)
        names = [each.name for each in self._decoder.get_inputs()]
        rest = dict(zip(names[1:], made[1 : len(names)], strict=True))

        def decode(latent: Floats) -> Floats:
            audio: Floats = self._decoder.run(None, {names[0]: latent, **rest})[0].reshape(-1)
            return audio

        yield from decode_windows(made[0], decode, self.config.hop_length)

    def clip(self, text: str) -> Iterator[Samples]:
        """Yield a spoken text's audio at 8 kHz, levelled, in pieces."""
        trimmer = LeadTrimmer()
        for phonemes in self.phonemes(text):
            resampler = StreamResampler(self.config.sample_rate)
            for window in self.sentence(phonemes):
                yield to_samples(trimmer.receive(resampler.receive(window)), self.gain)
            yield to_samples(trimmer.receive(resampler.flush()), self.gain)

    def _calibrated_gain(self, path: Path) -> float:
        """Return the factor that brings this voice to its level, measured once and kept."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return float(json.loads(path.read_text())["gain"])
        windows = [w for each in self.phonemes(_CALIBRATION) for w in self.sentence(each)]
        level = active_level_dbfs(np.concatenate(windows), self.config.sample_rate)
        gain = 10 ** ((LEVEL_DBFS - level) / 20) if level > -60 else 1.0
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps({"gain": gain, "level_dbfs": level}))
        partial.replace(path)
        return gain


def _session(path: Path, options: Any) -> Any:
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # onnxruntime's own errors share no base
        raise LocalError(f"cannot load the voice {path}: {fault}") from fault


@dataclass(slots=True)
class _Clip:
    """One synthesis."""

    text: str
    due_ns: int
    """When the next piece is needed."""
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Samples | Exception | None]
    work: Iterator[Samples] | None = None
    started: bool = False
    cancelled: bool = field(default=False)


class PiperSpeech:
    """A loaded voice; :class:`agent.engines.base.Voice`."""

    def __init__(self, name: str, model: PiperModel) -> None:
        """Start the voice's thread; use :meth:`load`.

        Args:
            name: for logs and records.
            model: from now on used by the thread only.
        """
        self.name = name
        self._model = model
        self.digest = model.digest
        """SHA-256 of the voice file, for the audio cache."""
        self._waiting: list[tuple[int, int, _Clip]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"voice-{name}", daemon=True)
        self._thread.start()

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        name: str | None = None,
        split_dir: Path | None = None,
        threads: int = 1,
    ) -> PiperSpeech:
        """Load a voice; takes seconds, call it in a thread.

        Args:
            path: the ONNX file; its ``.json`` lies beside it.
            name: none takes the file's name.
            split_dir: where derived files are kept; none takes ``split`` beside the voice.
            threads: intra-op threads.

        Raises:
            LocalError: the voice cannot be read.
        """
        return cls(name or path.stem, PiperModel(path, split_dir=split_dir, threads=threads))

    @property
    def settings(self) -> str:
        """Return what, beside voice and text, decides how a clip sounds (audio cache key)."""
        return json.dumps({**_SOUND, "level_dbfs": LEVEL_DBFS, "rate_hz": RATE_HZ})

    async def synthesize(self, text: str, *, due_in_ms: int = 0) -> AsyncIterator[Samples]:
        """Stream one clause or sentence as 8 kHz audio, the first part as early as it can be.

        Closing the iterator stops the work at the next window.

        Args:
            text: as the record shows it; numbers and the like are spoken properly.
            due_in_ms: how long the caller still has something to hear; work that is due sooner
                goes first.

        Raises:
            LocalError: the voice failed.
        """
        clip = _Clip(
            text,
            time.monotonic_ns() + due_in_ms * 1_000_000,
            asyncio.get_running_loop(),
            asyncio.Queue(),
        )
        self._push(clip)
        try:
            while (piece := await clip.pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise LocalError(f"the voice {self.name} failed: {piece}") from piece
                yield piece
        finally:
            clip.cancelled = True

    def close(self) -> None:
        """Stop the thread; clips that are not done end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()
        for _, _, clip in self._waiting:
            _post(clip, LocalError("the voice was closed"))

    def _push(self, clip: _Clip) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (clip.due_ns, next(self._order), clip))
            self._changed.notify()

    def _run(self) -> None:
        step_back()
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                clip = heapq.heappop(self._waiting)[2]
            if clip.cancelled:
                continue
            try:
                more = self._advance(clip)
            except Exception as fault:  # one clip that fails must not silence the other calls
                _log.error("voice_failed", voice=self.name, exc_info=True)
                _post(clip, fault)
                continue
            if more:
                self._push(clip)
            else:
                _post(clip, None)

    def _advance(self, clip: _Clip) -> bool:
        """Make one piece of a clip; return whether there may be more."""
        if clip.work is None:
            clip.work = self._model.clip(spoken_text(clip.text, self._model.language))
        piece = next(clip.work, None)
        if piece is None:
            return False
        if piece.size:
            played_ns = piece.size * 1_000_000_000 // RATE_HZ
            begin_ns = clip.due_ns if clip.started else max(clip.due_ns, time.monotonic_ns())
            clip.started, clip.due_ns = True, begin_ns + played_ns
            _post(clip, piece)
        return True


def _post(clip: _Clip, piece: Samples | Exception | None) -> None:
    """Hand a piece to the clip's loop; a loop that is gone no longer listens."""
    with contextlib.suppress(RuntimeError):
        clip.loop.call_soon_threadsafe(clip.pieces.put_nowait, piece)
