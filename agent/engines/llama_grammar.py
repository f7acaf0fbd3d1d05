"""Hold an answer to a GBNF grammar (JSON of a known shape, one of a few words).

The likeliest token is checked first; only when the grammar forbids it is the whole vocabulary
filtered, because that costs milliseconds.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.engines.llama_context import LlamaModel
from agent.engines.llama_native import native
from media import LocalError

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama_token_data (llama.h)."""


class GrammarSampler:
    """llama.cpp's grammar state for one answer."""

    def __init__(self, model: LlamaModel, gbnf: str) -> None:
        """Parse the grammar.

        Args:
            model: whose tokens are judged.
            gbnf: its start rule is ``root``.

        Raises:
            LocalError: the grammar cannot be parsed.
        """
        self._handle: Any = native.llama_sampler_init_grammar(
            model.vocabulary, gbnf.encode(), b"root"
        )
        if not self._handle:
            raise LocalError("the grammar cannot be parsed")

    def choose(self, logits: NDArray[np.float32], preferred: int) -> int:
        """Return the preferred token where it is allowed, else the likeliest allowed one."""
        one = np.zeros(1, _CANDIDATE)
        one["id"], one["logit"] = preferred, 1.0
        if np.isfinite(self._apply(one)["logit"][0]):
            return preferred
        every = np.zeros(logits.shape[0], _CANDIDATE)
        every["id"] = np.arange(logits.shape[0])
        every["logit"] = logits
        kept = self._apply(every)
        best = int(np.argmax(kept["logit"]))
        if not np.isfinite(kept["logit"][best]):
            raise LocalError("the grammar allows no token")
        return int(kept["id"][best])

    def accept(self, token: int) -> None:
        """Note a token that was said."""
        native.llama_sampler_accept(self._handle, token)

    def close(self) -> None:
        """Free the state."""
        if self._handle:
            native.llama_sampler_free(self._handle)
            self._handle = None

    def _apply(self, candidates: NDArray[Any]) -> NDArray[Any]:
        array = native.llama_token_data_array(
            data=candidates.ctypes.data_as(ctypes.POINTER(native.llama_token_data)),
            size=candidates.shape[0],
            selected=-1,
            sorted=False,
        )
        native.llama_sampler_apply(self._handle, ctypes.byref(array))
        return candidates
