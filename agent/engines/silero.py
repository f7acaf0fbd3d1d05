"""Voice activity by Silero (ONNX, version 5 and later) on 8 kHz audio.

The network sees 256 new samples (32 ms) behind the last 32 of the window before, and carries a
recurrent state ``float32[2, 1, 128]`` from window to window. 0.1 to 0.2 ms a window on one core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from agent.engines.base import Samples

WINDOW_SAMPLES = 256
_CONTEXT_SAMPLES = 32
_RATE_HZ = np.array(8_000, dtype=np.int64)
_FULL_SCALE = np.float32(1 / 32_768)


def open_onnx(path: Path) -> Any:
    """Open an ONNX graph that runs on the calling thread and never spins."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )


class SileroModel:
    """The network, shared by every call.

    Args:
        path: ``silero_vad.onnx``.
    """

    def __init__(self, path: Path) -> None:
        self._graph = open_onnx(path)

    def open(self) -> SileroSession:
        """Open a session for one call."""
        return SileroSession(self._graph)


class SileroSession:
    """One call's voice activity; see :class:`agent.engines.base.VoiceActivitySession`."""

    window_samples = WINDOW_SAMPLES

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._state: NDArray[np.float32] = np.zeros((2, 1, 128), dtype=np.float32)
        self._input: NDArray[np.float32] = np.zeros(
            (1, _CONTEXT_SAMPLES + WINDOW_SAMPLES), dtype=np.float32
        )
        self._rest: Samples = np.zeros(0, dtype=np.int16)

    def receive(self, samples: Samples) -> list[float]:
        """Take audio of any length; return one speech probability per completed window."""
        waiting = np.concatenate((self._rest, samples))
        whole = len(waiting) // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._rest = waiting[whole:]
        return [
            self._verdict(waiting[start : start + WINDOW_SAMPLES])
            for start in range(0, whole, WINDOW_SAMPLES)
        ]

    def _verdict(self, window: Samples) -> float:
        self._input[0, :_CONTEXT_SAMPLES] = self._input[0, -_CONTEXT_SAMPLES:]
        self._input[0, _CONTEXT_SAMPLES:] = window * _FULL_SCALE
        inputs = {"input": self._input, "state": self._state, "sr": _RATE_HZ}
        output, self._state = self._graph.run(None, inputs)
        return float(output[0, 0])
