"""Protect and unprotect RTP and RTCP with keys from the SDP (RFC 3711, RFC 4568)."""

from __future__ import annotations

import base64
import binascii

import pylibsrtp
from pylibsrtp import Policy, Session

from media import RemoteError

_PROFILES: dict[str, tuple[int, int]] = {
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}
"""SDES suite to libsrtp profile and octets of master key and salt (RFC 4568 6.2, RFC 7714)."""
_MAX_DATAGRAM_BYTES = 1_500


class SrtpParametersError(RemoteError):
    """The suite is unknown or a key does not fit it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sip_status=488)


class SrtpError(RemoteError):
    """A datagram failed authentication, was replayed or is no SRTP."""


class SrtpSession:
    """Both directions of one stream.

    Args:
        suite: SDES name.
        local_key: base64 master key and salt that we send with.
        remote_key: base64 master key and salt that the far end sends with.

    Raises:
        SrtpParametersError: the suite is unknown or a key does not fit it.
    """

    def __init__(self, suite: str, local_key: str, remote_key: str) -> None:
        self.parameters = (suite, local_key, remote_key)
        if suite not in _PROFILES:
            raise SrtpParametersError(f"unknown SRTP suite {suite!r}")
        profile, octets = _PROFILES[suite]
        self._send = _session(profile, _parse_key(local_key, octets), Policy.SSRC_ANY_OUTBOUND)
        self._receive = _session(profile, _parse_key(remote_key, octets), Policy.SSRC_ANY_INBOUND)

    def protect(self, packet: bytes) -> bytes:
        """Encrypt and authenticate an RTP packet."""
        return bytes(self._send.protect(packet))

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt and authenticate a compound RTCP packet."""
        return bytes(self._send.protect_rtcp(packet))

    def unprotect(self, datagram: bytes) -> bytes:
        """Verify and decrypt an SRTP datagram.

        Raises:
            SrtpError: it is not from the holder of the key.
        """
        return _open(self._receive.unprotect, datagram)

    def unprotect_rtcp(self, datagram: bytes) -> bytes:
        """Verify and decrypt an SRTCP datagram.

        Raises:
            SrtpError: it is not from the holder of the key.
        """
        return _open(self._receive.unprotect_rtcp, datagram)


def _open(unprotect: object, datagram: bytes) -> bytes:
    if len(datagram) > _MAX_DATAGRAM_BYTES:
        raise SrtpError("datagram is too long")
    try:
        return bytes(unprotect(datagram))  # type: ignore[operator]  # a bound method of cffi code
    except (pylibsrtp.Error, TypeError, ValueError) as error:
        raise SrtpError(str(error)) from error


def _parse_key(text: str, octets: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SrtpParametersError("SRTP key is not base64") from error
    if len(key) != octets:
        raise SrtpParametersError(f"SRTP key has {len(key)} octets, not {octets}")
    return key


def _session(profile: int, key: bytes, direction: int) -> Session:
    try:
        return Session(Policy(key=key, ssrc_type=direction, srtp_profile=profile))
    except pylibsrtp.Error as error:
        raise SrtpParametersError(f"SRTP suite cannot be used here: {error}") from error
