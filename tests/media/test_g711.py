"""The companding laws."""

from __future__ import annotations

import numpy as np
import pytest

from media.g711 import Codec, decode, encode, transcode

pytestmark = pytest.mark.unit
EVERY_OCTET = bytes(range(256))


@pytest.mark.parametrize("codec", list(Codec))
def test_decoded_samples_encode_to_the_same_octets(codec: Codec) -> None:
    """Expanding and compressing gives the octet back, but for µ-law's second zero."""
    again = encode(codec, decode(codec, EVERY_OCTET))
    differing = [a for a, b in zip(EVERY_OCTET, again, strict=True) if a != b]
    assert differing == ([0x7F] if codec is Codec.PCMU else [])


def test_known_values() -> None:
    """Silence and full scale are where ITU-T G.711 has them."""
    assert decode(Codec.PCMU, b"\xff\x80\x00").tolist() == [0, 32_124, -32_124]
    assert decode(Codec.PCMA, b"\xd5\xaa\x2a").tolist() == [8, 32_256, -32_256]


def test_same_law_passes_bit_for_bit() -> None:
    """Transcoding to the same law changes nothing, both zeros included."""
    assert transcode(EVERY_OCTET, Codec.PCMU, Codec.PCMU) is EVERY_OCTET


def test_other_law_keeps_the_sound() -> None:
    """Transcoding to the other law costs no more than its step."""
    samples = (np.sin(np.arange(800) / 5) * 12_000).astype(np.int16)
    ulaw = encode(Codec.PCMU, samples)
    there = decode(Codec.PCMA, transcode(ulaw, Codec.PCMU, Codec.PCMA)).astype(float)
    assert float(np.sqrt(np.mean((there - samples) ** 2))) < 12_000 / 2**0.5 * 0.02
