"""SRTP with keys from the SDP."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.srtp import SrtpError, SrtpParametersError, SrtpSession
from media.srtp_keys import derive_key, new_secret
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


def test_every_source_of_the_key_is_opened() -> None:
    """A far end may change its SSRC without a word; each counts its packets for itself."""
    near = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 1), key(30, 2))
    far = SrtpSession("AES_CM_128_HMAC_SHA1_80", key(30, 2), key(30, 1))
    for ssrc, sequence in ((9, 65_535), (9, 65_536), (10, 7), (9, 65_537), (10, 8)):
        packet = rtp(0, sequence, 160 * sequence, ssrc, b"\x55" * 160)
        assert far.unprotect(near.protect(packet)) == packet


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


def test_a_changed_key_opens_what_is_on_its_way_with_the_old_one() -> None:
    """After a change both keys open, until the new one has been used; a third never does."""
    suite, ours = "AES_CM_128_HMAC_SHA1_80", key(30, 1)
    near = SrtpSession(suite, ours, key(30, 2))
    old, new = SrtpSession(suite, key(30, 2), ours), SrtpSession(suite, key(30, 3), ours)
    packets = [rtp(0, n, n * 160, 9, b"\x55" * 160) for n in range(6)]
    near.unprotect(old.protect(packets[0]))
    near = SrtpSession(suite, ours, key(30, 3), near)
    assert near.unprotect(old.protect(packets[1])) == packets[1]
    near = SrtpSession(suite, ours, key(30, 3), near)  # a session refresh in between
    assert near.unprotect(old.protect(packets[2])) == packets[2]
    with pytest.raises(SrtpError):
        near.unprotect(SrtpSession(suite, key(30, 4), ours).protect(packets[3]))
    assert near.unprotect(new.protect(packets[4])) == packets[4]
    with pytest.raises(SrtpError):
        near.unprotect(old.protect(packets[5]))


def test_the_same_key_goes_on_where_it_was() -> None:
    """The packet index survives other keys in between: no key stream is ever used twice."""
    suite, theirs = "AES_CM_128_HMAC_SHA1_80", key(30, 9)
    near = SrtpSession(suite, key(30, 1), theirs)
    far = SrtpSession(suite, theirs, key(30, 1))
    packets = [rtp(0, 65_534 + n, n * 160, 9, b"\x55" * 160) for n in range(4)]
    for packet in packets[:3]:  # the sequence number wraps: packet 2 has the next roll-over count
        assert far.unprotect(near.protect(packet)) == packet
    near = SrtpSession(suite, key(30, 2), theirs, near)
    near = SrtpSession(suite, key(30, 1), theirs, near)
    assert far.unprotect(near.protect(packets[3])) == packets[3]
    with pytest.raises(SrtpError):  # who begins anew counts from 0
        far.unprotect(SrtpSession(suite, key(30, 1), theirs).protect(packets[3]))


@pytest.mark.parametrize("suite", SUITES)
def test_derived_keys_differ_and_fit(suite: str) -> None:
    """Every suite, generation and stream has a key of its own, of the length that is due."""
    one, two = new_secret(), new_secret()
    keys = {derive_key(secret, suite, n) for secret in (one, two) for n in (1, 2)}
    keys |= {derive_key(one, each, 1) for each in SUITES}
    assert len(keys) == len(SUITES) + 3
    assert derive_key(one, suite, 1) == derive_key(one, suite, 1)
    SrtpSession(suite, derive_key(one, suite, 1), derive_key(two, suite, 1))
