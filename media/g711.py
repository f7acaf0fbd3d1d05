"""Convert between G.711 octets and linear samples (ITU-T G.711), 8 kHz mono."""

from __future__ import annotations

import warnings
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    # the standard library's module goes in Python 3.13, where audioop-lts brings the same name
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

RATE_HZ = 8_000
SAMPLES_PER_MS = 8
NS_PER_SAMPLE = 125_000

Samples = NDArray[np.int16]
"""``int16[n]``, mono, 8 kHz."""


class Codec(StrEnum):
    """The two companding laws, by their SDP encoding names (RFC 3551 section 6)."""

    PCMU = "PCMU"
    PCMA = "PCMA"


def decode(codec: Codec, octets: bytes) -> Samples:
    """Expand G.711 octets to linear samples."""
    expand = audioop.ulaw2lin if codec is Codec.PCMU else audioop.alaw2lin
    return np.frombuffer(expand(octets, 2), dtype=np.int16)


def encode(codec: Codec, samples: Samples) -> bytes:
    """Compress linear samples to G.711 octets."""
    compress = audioop.lin2ulaw if codec is Codec.PCMU else audioop.lin2alaw
    return compress(samples.tobytes(), 2)


def transcode(octets: bytes, source: Codec, target: Codec) -> bytes:
    """Convert octets between the laws; the same law passes bit for bit."""
    if source is target:
        return octets
    return encode(target, decode(source, octets))
