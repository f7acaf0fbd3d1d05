"""Protect and unprotect RTP and RTCP with keys from the SDP (RFC 3711, RFC 4568).

A call may change its keys (RFC 4568 section 7.1.4). What is sent changes at once; what arrives is
opened with the key before as well, until the far end has used the new one. A key that we have sent
with before goes on where it was: beginning its packet index anew would use a key stream twice.
"""

from __future__ import annotations

import base64
import binascii

import pylibsrtp
from pylibsrtp import Policy, Session

from media import RemoteError
from media.srtp_keys import KEY_OCTETS

_PROFILES: dict[str, int] = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
"""SDES suite to libsrtp profile."""
_MAX_DATAGRAM_BYTES = 1_500


class SrtpParametersError(RemoteError):
    """The suite is unknown or a key does not fit it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sip_status=488)


class SrtpError(RemoteError):
    """A datagram failed authentication or is no SRTP."""


class SrtpReplayError(SrtpError):
    """A datagram came before, or is too old to tell."""


class SrtpSession:
    """Both directions of one stream.

    Args:
        suite: SDES name.
        local_key: base64 master key and salt that we send with.
        remote_key: base64 master key and salt that the far end sends with.
        before: the session that this one follows on the same stream.

    Raises:
        SrtpParametersError: the suite is unknown or a key does not fit it.
    """

    def __init__(
        self, suite: str, local_key: str, remote_key: str, before: SrtpSession | None = None
    ) -> None:
        if suite not in _PROFILES:
            raise SrtpParametersError(f"unknown SRTP suite {suite!r}")
        self.suite = suite
        self._senders: dict[tuple[str, str], Session] = before._senders if before else {}
        self._remote = (suite, remote_key)
        self._receive: Session
        self._earlier: Session | None
        if before is not None and before._remote == self._remote:
            self._receive, self._earlier = before._receive, before._earlier
        else:
            self._receive = _session(suite, remote_key, Policy.SSRC_ANY_INBOUND)
            self._earlier = before._receive if before is not None else None
        if (suite, local_key) not in self._senders:
            sender = _session(suite, local_key, Policy.SSRC_ANY_OUTBOUND)
            self._senders[suite, local_key] = sender
        self._send = self._senders[suite, local_key]

    def protect(self, packet: bytes) -> bytes:
        """Encrypt and authenticate an RTP packet."""
        return bytes(self._send.protect(packet))

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt and authenticate a compound RTCP packet."""
        return bytes(self._send.protect_rtcp(packet))

    def unprotect(self, datagram: bytes) -> bytes:
        """Verify and decrypt an SRTP datagram.

        Raises:
            SrtpReplayError: it came before.
            SrtpError: it is not from the holder of the key.
        """
        try:
            packet = _open(self._receive.unprotect, datagram)
        except SrtpError:
            if self._earlier is None:
                raise
            return _open(self._earlier.unprotect, datagram)
        self._earlier = None
        return packet

    def unprotect_rtcp(self, datagram: bytes) -> bytes:
        """Verify and decrypt an SRTCP datagram.

        Raises:
            SrtpReplayError: it came before.
            SrtpError: it is not from the holder of the key.
        """
        try:
            return _open(self._receive.unprotect_rtcp, datagram)
        except SrtpError:
            if self._earlier is None:
                raise
            return _open(self._earlier.unprotect_rtcp, datagram)


def _open(unprotect: object, datagram: bytes) -> bytes:
    if len(datagram) > _MAX_DATAGRAM_BYTES:
        raise SrtpError("datagram is too long")
    try:
        return bytes(unprotect(datagram))  # type: ignore[operator]  # a bound method of cffi code
    except (pylibsrtp.Error, TypeError, ValueError) as error:
        kind = SrtpReplayError if str(error).startswith("replay") else SrtpError
        raise kind(str(error)) from error


def _parse_key(text: str, octets: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SrtpParametersError("SRTP key is not base64") from error
    if len(key) != octets:
        raise SrtpParametersError(f"SRTP key has {len(key)} octets, not {octets}")
    return key


def _session(suite: str, key: str, direction: int) -> Session:
    octets = _parse_key(key, KEY_OCTETS[suite])
    try:
        return Session(Policy(key=octets, ssrc_type=direction, srtp_profile=_PROFILES[suite]))
    except pylibsrtp.Error as error:
        raise SrtpParametersError(f"SRTP suite cannot be used here: {error}") from error
