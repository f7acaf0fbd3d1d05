"""SRTP with keys from the SDP."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.srtp import SrtpError, SrtpParametersError, SrtpSession
from tests.media.rtp_endpoint import rtp

pytestmark = pytest.mark.unit
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}


def key(octets: int, fill: int) -> str:
    """Return a base64 key."""
    return base64.b64encode(bytes([fill]) * octets).decode()


@pytest.mark.parametrize("suite", SUITES)
def test_both_ends_understand_each_other(suite: str) -> None:
    """What one protects the other opens, RTP and RTCP."""
    ours, theirs = key(SUITES[suite], 1), key(SUITES[suite], 2)
    near, far = SrtpSession(suite, ours, theirs), SrtpSession(suite, theirs, ours)
    packet = rtp(0, 1, 160, 9, b"\x55" * 160)
    secret = near.protect(packet)
    assert b"\x55" * 16 not in secret
    assert far.unprotect(secret) == packet
    report = bytes.fromhex("80c90001 00000009".replace(" ", ""))
    assert far.unprotect_rtcp(near.protect_rtcp(report)) == report


def test_wrong_key_is_refused() -> None:
    """A packet of another key gives an error and no audio."""
    near = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 1), key(30, 2))
    far = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 2), key(30, 3))
    with pytest.raises(SrtpError):
        far.unprotect(near.protect(rtp(0, 1, 160, 9, b"\x55" * 160)))


def test_replay_is_refused() -> None:
    """The same packet twice is an attack or a duplicate."""
    near = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 1), key(30, 2))
    far = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 2), key(30, 1))
    secret = near.protect(rtp(0, 1, 160, 9, b"\x55" * 160))
    far.unprotect(secret)
    with pytest.raises(SrtpError):
        far.unprotect(secret)


@pytest.mark.parametrize(
    ("suite", "one"),
    [
        ("F8_128_HMAC_SHA1_80", key(30, 1)),
        ("AES_CM_128_HMAC_SHA1_80", key(29, 1)),
        ("AES_CM_128_HMAC_SHA1_80", "not base64!"),
        ("AES_CM_128_HMAC_SHA1_80", ""),
    ],
)
def test_bad_parameters_are_488(suite: str, one: str) -> None:
    """An unknown suite or a key that does not fit cannot be agreed."""
    with pytest.raises(SrtpParametersError) as caught:
        SrtpSession(suite, one, key(30, 2))
    assert caught.value.sip_status == 488


@given(st.binary(max_size=1_700))
def test_garbage_is_refused(datagram: bytes) -> None:
    """Random octets never open."""
    session = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 1), key(30, 2))
    with pytest.raises(SrtpError):
        session.unprotect(datagram)
    with pytest.raises(SrtpError):
        session.unprotect_rtcp(datagram)
