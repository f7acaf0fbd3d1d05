"""End of turn by smart-turn v3 (ONNX): does the caller's voice sound finished.

The network hears the last 8 s at 16 kHz, silence put before what is shorter, normalised to zero
mean and unit variance, as Whisper's log-mel features ``float32[1, 80, 800]``; it answers a
probability.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from agent.engines.base import Samples
from agent.engines.log_mel import Floats, log_mel, to_16k
from agent.engines.silero import open_onnx
from media.realtime import step_back

_SPAN_S = 8
_VARIANCE_FLOOR = 1e-7


class SmartTurnModel:
    """The network, shared by every call; one verdict at a time in a thread of its own.

    Args:
        path: ``smart-turn-v3.2-cpu.onnx``.
    """

    def __init__(self, path: Path) -> None:
        self._graph = open_onnx(path)
        self._thread = ThreadPoolExecutor(1, "smart-turn", initializer=step_back)

    async def complete_probability(self, samples: Samples) -> float:
        """Return P(turn is complete) for the last (at most) 8 s of the utterance.

        A verdict that is cancelled before its turn has come is never computed.
        """
        recent = samples[-_SPAN_S * 8_000 :].copy()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.verdict, recent)

    def verdict(self, samples: Samples) -> float:
        """Return the same on the calling thread."""
        features = turn_features(samples)[None]
        (output,) = self._graph.run(None, {"input_features": features})
        return float(output[0, 0])

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def turn_features(samples: Samples) -> Floats:
    """Return the network's input ``float32[80, 800]`` for 8 kHz audio of at most 8 s."""
    audio = to_16k(samples)[-_SPAN_S * 16_000 :]
    audio = np.pad(audio, (_SPAN_S * 16_000 - len(audio), 0))
    normal = (audio - audio.mean()) / np.sqrt(audio.var() + _VARIANCE_FLOOR)
    return log_mel(normal.astype(np.float32))
