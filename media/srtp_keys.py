"""Make the SRTP keys of a stream: one secret of media's, a key for each suite and generation.

Media draws a secret for every stream and tells it to the edge with the stream's port. Whoever
writes a session description derives the key that it shows from it (RFC 4568 has the key in the
SDP), and a new generation whenever another receiver may be listening. The secret ends with the
stream.
"""

from __future__ import annotations

import base64
import hmac
import secrets

KEY_OCTETS: dict[str, int] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
"""SDES suites that media speaks, in our order of preference, and the octets of master key and
salt (RFC 4568 section 6.2, RFC 7714 section 13)."""
_SECRET_OCTETS = 32


def new_secret() -> str:
    """Draw the secret of a stream, base64."""
    return base64.b64encode(secrets.token_bytes(_SECRET_OCTETS)).decode()


def derive_key(secret: str, suite: str, generation: int) -> str:
    """Return the base64 master key and salt that a stream sends with (HKDF-Expand, RFC 5869 2.3).

    Args:
        secret: of the stream.
        suite: one of :data:`KEY_OCTETS`.
        generation: from 1; another one is another key.
    """
    octets, block = KEY_OCTETS[suite], b""
    output = bytearray()
    label = f"cordboard srtp {suite} {generation}".encode()
    while len(output) < octets:
        block = hmac.digest(
            secret.encode(), block + label + bytes([len(output) // 32 + 1]), "sha256"
        )
        output += block
    return base64.b64encode(bytes(output[:octets])).decode()
