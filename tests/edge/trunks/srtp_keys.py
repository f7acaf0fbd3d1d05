"""SRTP of a test's own peer, by SDES: pylibsrtp and a few lines of SDP, no product code."""

from __future__ import annotations

import base64
import os
import re

import pylibsrtp
from pylibsrtp import Policy, Session

SUITE = "AES_CM_128_HMAC_SHA1_80"
_PROFILES = {
    SUITE: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
_SILENCE = b"\x80\xff" + bytes(10)
"""What a datagram that does not open becomes: RTP of a payload type that nobody uses."""


class SrtpKeys:
    """Keys of one call.

    Args:
        protocol: in our own offers.
        suite: that we want.
    """

    def __init__(self, protocol: str = "RTP/SAVP", suite: str = SUITE) -> None:
        self.protocol = protocol
        self.suite = suite
        self.key = os.urandom(30)
        self.unopened = 0
        self._send: Session | None = None
        self._receive: Session | None = None
        self._remote = ""
        self.set_key(self.key)

    def set_key(self, key: bytes) -> None:
        """Send with another key from now on."""
        self.key = key
        self._send = _session(self.suite, key, Policy.SSRC_ANY_OUTBOUND)

    def set_sent_key(self, key: bytes) -> None:
        """Send with a key that is not the one in our SDP."""
        self._send = _session(self.suite, key, Policy.SSRC_ANY_OUTBOUND)

    @property
    def remote(self) -> str:
        """The far end's key, base64, empty while there is none."""
        return self._remote

    def offer(self, sdp: str) -> str:
        """Return an SDP with our line."""
        sdp = sdp.replace("RTP/AVP", self.protocol)
        return sdp + f"a=crypto:1 {self.suite} inline:{_text(self.key)}\r\n"

    def answer(self, sdp: str, offer: str) -> str:
        """Take up the line of our suite in an offer and return the SDP that answers it."""
        found = re.search(rf"a=crypto:(\d+) {self.suite} inline:(\S+)", offer)
        assert found is not None, offer
        self.take(found[2])
        profile = re.search(r"m=audio \d+ (\S+)", offer)
        assert profile is not None
        sdp = sdp.replace("RTP/AVP", profile[1])
        return sdp + f"a=crypto:{found[1]} {self.suite} inline:{_text(self.key)}\r\n"

    def answered(self, sdp: str) -> None:
        """Take the key of an answer."""
        found = re.findall(rf"a=crypto:1 {self.suite} inline:(\S+)", sdp)
        assert len(found) == 1, sdp
        self.take(found[0])

    def take(self, key: str) -> None:
        """Open with the far end's key from now on."""
        if key != self._remote:
            self._remote = key
            octets = base64.b64decode(key)
            self._receive = _session(self.suite, octets, Policy.SSRC_ANY_INBOUND)

    def wrap(self, datagram: bytes) -> bytes:
        """Encrypt an RTP packet."""
        assert self._send is not None
        return self._send.protect(datagram)

    def unwrap(self, datagram: bytes) -> bytes:
        """Decrypt a datagram; one that does not open becomes silence, and is counted."""
        try:
            assert self._receive is not None
            return self._receive.unprotect(datagram)
        except (pylibsrtp.Error, AssertionError):
            self.unopened += 1
            return _SILENCE


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _session(suite: str, key: bytes, direction: int) -> Session:
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[suite]))
