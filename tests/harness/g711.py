"""G.711 from the Recommendation's segments, sharing nothing with the product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _ulaw_table() -> NDArray[np.int16]:
    """Expand each µ-law octet (ITU-T G.711 table 2a) to 16 bits."""
    values = []
    for octet in range(256):
        flipped = ~octet & 0xFF
        magnitude = (((flipped & 0x0F) << 3) + 0x84) << ((flipped >> 4) & 7)
        values.append(0x84 - magnitude if flipped & 0x80 else magnitude - 0x84)
    return np.array(values, dtype=np.int16)


def _alaw_table() -> NDArray[np.int16]:
    """Expand each A-law octet (ITU-T G.711 table 1a) to 16 bits."""
    values = []
    for octet in range(256):
        flipped = octet ^ 0x55
        segment = (flipped >> 4) & 7
        magnitude = ((flipped & 0x0F) << 4) + 8
        if segment:
            magnitude = (magnitude + 0x100) << (segment - 1)
        values.append(magnitude if flipped & 0x80 else -magnitude)
    return np.array(values, dtype=np.int16)


_TABLES = {"PCMU": _ulaw_table(), "PCMA": _alaw_table()}


def _nearest(table: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return for every 16-bit value (index + 32768) the octet whose expansion is nearest."""
    order = np.argsort(table, kind="stable")
    ordered = table[order].astype(np.int32)
    middles = (ordered[1:] + ordered[:-1]) / 2
    return order[np.searchsorted(middles, np.arange(-32_768, 32_768))].astype(np.uint8)


_NEAREST = {codec: _nearest(table) for codec, table in _TABLES.items()}


def decode(codec: str, payload: bytes) -> NDArray[np.int16]:
    """Decode octets to ``int16[n]``."""
    return _TABLES[codec][np.frombuffer(payload, dtype=np.uint8)]


def encode(codec: str, samples: NDArray[np.int16]) -> bytes:
    """Encode ``int16[n]`` to octets."""
    return _NEAREST[codec][samples.astype(np.int32) + 32_768].tobytes()
