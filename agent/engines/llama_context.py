"""Adapt llama.cpp's low-level interface: one model, one context, many sequences.

This is the only file that touches ctypes. A :class:`LlamaContext` belongs to the thread that
created it; tokenising (:class:`LlamaModel`) is safe from any thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.engines.llama_native import native
from media import LocalError

_PIECE_BYTES = 256
"""Longest token text; Qwen's longest is 128 bytes."""


@dataclass(frozen=True, slots=True)
class BatchToken:
    """One token of a batch."""

    token: int
    position: int
    """Place in its sequence, from 0."""
    sequence: int
    logits: bool
    """Whether what follows it is wanted."""


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """How a context is laid out."""

    tokens: int = 8_192
    """Cells in the cache, shared by every sequence."""
    sequences: int = 8
    threads: int = 2
    batch_tokens: int = 256
    """Most tokens in one decode."""
    computed_tokens: int = 128
    """Most tokens computed at once; a larger decode is done in parts. Costs memory."""
    quantized_cache: bool = False
    """Keep keys and values as Q8_0 instead of F16 (half the memory; needs flash attention)."""

    @property
    def flash_attention(self) -> bool:
        """Return whether attention is fused.

        On a processor it only pays above 64 tokens at once. Measured with Qwen2.5 0.5B Q4_K_M
        behind 700 tokens, milliseconds of one core for 1, 6, 16, 32, 48 tokens: fused 74, 215, 445,
        848, 1,257; not fused 58, 116, 177, 314, 480.
        """
        return self.quantized_cache


class LlamaModel:
    """The weights and the vocabulary of one GGUF file."""

    def __init__(self, path: Path) -> None:
        """Load the file.

        Args:
            path: a GGUF file.

        Raises:
            LocalError: llama.cpp cannot read it.
        """
        be_quiet()
        native.llama_backend_init()
        parameters = native.llama_model_default_params()
        parameters.n_gpu_layers = 0
        # a mapped file stays in memory beside what is computed from it in another layout
        if hasattr(parameters, "load_mode"):
            parameters.load_mode = native.LLAMA_LOAD_MODE_NONE
        else:
            parameters.use_mmap = False
        self.handle: Any = native.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.handle:
            raise LocalError(f"llama.cpp cannot load {path}")
        self._vocabulary: Any = native.llama_model_get_vocab(self.handle)
        self.vocabulary_size: int = native.llama_vocab_n_tokens(self._vocabulary)

    @property
    def can_cut(self) -> bool:
        """Return whether a sequence of this kind of model can lose its last tokens."""
        recurrent = native.llama_model_is_recurrent(self.handle)
        return not (recurrent or native.llama_model_is_hybrid(self.handle))

    @property
    def vocabulary(self) -> Any:
        """Return llama.cpp's vocabulary pointer, for grammars."""
        return self._vocabulary

    @property
    def template(self) -> str | None:
        """Return the chat template in the file's metadata."""
        found = native.llama_model_chat_template(self.handle, None)
        return found.decode() if found else None

    @property
    def bos_token(self) -> int | None:
        """Return the token every text must begin with, where the model wants one."""
        if not native.llama_vocab_get_add_bos(self._vocabulary):
            return None
        return int(native.llama_vocab_bos(self._vocabulary))

    def special_text(self, *, end: bool) -> str:
        """Return the text of the end (or the begin) token, as templates want it."""
        choose = native.llama_vocab_eos if end else native.llama_vocab_bos
        token = choose(self._vocabulary)
        return self.piece(token, special=True).decode(errors="replace") if token >= 0 else ""

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Return the tokens of a text.

        Args:
            text: any text.
            special: read ``<|im_start|>`` and the like as control tokens; False for words that
                come from outside, which must never become control tokens.
        """
        raw = text.encode()
        room = len(raw) + 8
        buffer = (native.llama_token * room)()
        count = native.llama_tokenize(self._vocabulary, raw, len(raw), buffer, room, False, special)
        if count < 0:
            raise LocalError("llama.cpp cannot tokenise a text")
        return list(buffer[:count])

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the bytes of a token; they may end inside a UTF-8 character."""
        buffer = (ctypes.c_char * _PIECE_BYTES)()
        size = native.llama_token_to_piece(
            self._vocabulary, token, buffer, _PIECE_BYTES, 0, special
        )
        return buffer.raw[: max(0, size)]

    def ends(self, token: int) -> bool:
        """Return whether a token ends an answer."""
        return bool(native.llama_vocab_is_eog(self._vocabulary, token))

    def close(self) -> None:
        """Free the weights; every context must be closed before."""
        if self.handle:
            native.llama_model_free(self.handle)
            self.handle = None


class LlamaContext:
    """A key-value cache and the computation on it; used by one thread."""

    def __init__(self, model: LlamaModel, options: ContextOptions) -> None:
        """Lay out the cache.

        Args:
            model: outlives the context.
            options: the layout.

        Raises:
            LocalError: no memory for it.
        """
        self.model = model
        self.options = options
        parameters = native.llama_context_default_params()
        parameters.n_ctx = options.tokens
        parameters.n_batch = options.batch_tokens
        parameters.n_ubatch = options.computed_tokens
        parameters.n_seq_max = options.sequences
        parameters.n_threads = options.threads
        parameters.n_threads_batch = options.threads
        # One stream for all sequences: a copied prefix is then shared cells, not copied memory.
        parameters.kv_unified = True
        parameters.no_perf = True
        parameters.flash_attn_type = (
            native.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if options.flash_attention
            else native.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        if options.quantized_cache:
            parameters.type_k = parameters.type_v = native.GGML_TYPE_Q8_0
        self._handle: Any = native.llama_init_from_model(model.handle, parameters)
        if not self._handle:
            raise LocalError("llama.cpp cannot make a context; is there enough memory?")
        self._memory: Any = native.llama_get_memory(self._handle)
        self._batch: Any = native.llama_batch_init(options.batch_tokens, 0, 1)

    @property
    def handle(self) -> Any:
        """Return llama.cpp's context pointer, for state files."""
        return self._handle

    def decode(self, tokens: Sequence[BatchToken]) -> bool:
        """Compute a batch.

        Args:
            tokens: at most ``batch_tokens``; those of one sequence in order of position.

        Returns:
            False where the cache has no room; nothing is changed then.

        Raises:
            LocalError: the computation failed.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for index, each in enumerate(tokens):
            batch.token[index] = each.token
            batch.pos[index] = each.position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = each.sequence
            batch.logits[index] = each.logits
        status = native.llama_decode(self._handle, batch)
        if status == 1:
            return False
        if status != 0:
            raise LocalError(f"llama_decode failed with {status}")
        return True

    def logits(self, index: int) -> NDArray[np.float32]:
        """Return float32[vocabulary] for a batch index; valid until the next decode, writable."""
        pointer = native.llama_get_logits_ith(self._handle, index)
        return np.ctypeslib.as_array(pointer, shape=(self.model.vocabulary_size,))

    def share(self, source: int, target: int, tokens: int) -> None:
        """Let ``target`` see the first ``tokens`` cells of ``source``; costs no computation."""
        native.llama_memory_seq_cp(self._memory, source, target, 0, tokens)

    def cut(self, sequence: int, keep: int) -> bool:
        """Forget everything of a sequence from position ``keep`` on.

        Returns:
            False where this kind of model cannot cut; the sequence is whole then.
        """
        return bool(native.llama_memory_seq_rm(self._memory, sequence, keep, -1))

    def clear(self, sequence: int) -> None:
        """Forget a sequence."""
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def save(self, sequence: int, path: Path, tokens: Sequence[int]) -> bool:
        """Write a sequence's cells and tokens to a file; False where that failed."""
        array = (native.llama_token * len(tokens))(*tokens)
        written = native.llama_state_seq_save_file(
            self._handle, str(path).encode(), sequence, array, len(tokens)
        )
        return bool(written)

    def restore(self, sequence: int, path: Path, tokens: Sequence[int]) -> bool:
        """Read cells from a file; False, and the sequence empty, where they are not these tokens'.

        Args:
            sequence: what it holds is forgotten.
            path: written by :meth:`save`.
            tokens: what the file must hold.
        """
        self.clear(sequence)
        room = len(tokens) + 1
        array = (native.llama_token * room)()
        count = ctypes.c_size_t(0)
        read = native.llama_state_seq_load_file(
            self._handle, str(path).encode(), sequence, array, room, ctypes.byref(count)
        )
        if read and list(array[: count.value]) == list(tokens):
            return True
        self.clear(sequence)
        return False

    def close(self) -> None:
        """Free the cache."""
        if self._handle:
            native.llama_batch_free(self._batch)
            native.llama_free(self._handle)
            self._handle = None


@native.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes has no types
def _drop_log(level: int, text: bytes, user_data: object) -> None:
    """Take llama.cpp's log lines away from standard error."""


def be_quiet() -> None:
    """Let llama.cpp write nothing to standard error."""
    native.llama_log_set(_drop_log, ctypes.c_void_p(0))


@contextmanager
def open_context(path: Path, options: ContextOptions) -> Iterator[LlamaContext]:
    """Open a model and a context for as long as the block lasts."""
    model = LlamaModel(path)
    try:
        context = LlamaContext(model, options)
        try:
            yield context
        finally:
            context.close()
    finally:
        model.close()
