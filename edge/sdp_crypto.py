"""Negotiate SRTP keys in session descriptions: a=crypto, offer and answer (RFC 4568).

==========  ========================  ==================================================
trunk says  offered to us             answered
==========  ========================  ==================================================
off         RTP/AVP                   RTP/AVP; its a=crypto is passed over
off         RTP/SAVP                  488, Warning 302
optional    RTP/AVP                   RTP/AVP
optional    RTP/AVP with a=crypto     RTP/AVP with a=crypto: encrypted
optional    RTP/SAVP with a=crypto    RTP/SAVP with a=crypto: encrypted
required    RTP/AVP                   488, Warning 302
required    the other two             as with optional
==========  ========================  ==================================================

What we offer ourselves is RTP/SAVP where SRTP is required. Where it is optional it is RTP/AVP with
a=crypto ("best effort"): who does not know the attribute passes it over and talks in the clear, and
one INVITE is enough for both.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.sdp_text import MediaDescription, SdpError
from media.config.trunks import Srtp
from media.srtp_keys import KEY_OCTETS, derive_key

PLAIN = ("RTP/AVP", "RTP/AVPF")
SECURE = ("RTP/SAVP", "RTP/SAVPF")
SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""Those of media's that the packaged pjsip lets through: it looks at descriptions, too."""
_TRANSPORT = '302 "Incompatible transport protocol"'
_LINE = re.compile(
    r"(0|[1-9][0-9]{0,8}) +([A-Za-z0-9_]{1,64}) +inline:([^ |;]+)((?:\|[^ ;]*)?)((?:;[^ ]*)?)"
    r"((?: +[!-~]+)*) *\Z"
)
_IGNORABLE = re.compile(r"-.*|WSH=[0-9]+|FEC_ORDER=.*|KDR=0")
"""Session parameters that a session without forward error correction may pass over; any other,
such as UNENCRYPTED_SRTP, must not be chosen (RFC 4568 section 6.3)."""


class _BrokenLineError(SdpError):
    """An a=crypto line that is none."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 488, f'399 "{message}"')


@dataclass(frozen=True, slots=True)
class Crypto:
    """One a=crypto line that we could use."""

    tag: int
    suite: str
    key: str = field(repr=False)
    """Base64 master key and salt of its sender."""


@dataclass(frozen=True, slots=True)
class LocalSrtp:
    """What we put into our own descriptions."""

    policy: Srtp
    """``optional`` or ``required``."""
    secret: str = field(repr=False)
    """Of media's stream."""
    generation: int = 1
    """Of our keys."""

    def protocol(self, written: str) -> str:
        """Return the transport of our offer.

        Args:
            written: what the user agent wrote, which keeps to what was agreed before.
        """
        return "RTP/SAVP" if self.policy is Srtp.REQUIRED or written in SECURE else "RTP/AVP"

    def offered(self) -> list[str]:
        """Return the lines of an offer."""
        return [self._line(tag, suite) for tag, suite in enumerate(SUITES, 1)]

    def answered(self, taken: Crypto) -> list[str]:
        """Return the line of an answer: the offer's tag, a key of ours (RFC 4568 section 5.1.2)."""
        return [self._line(taken.tag, taken.suite)]

    def _line(self, tag: int, suite: str) -> str:
        key = derive_key(self.secret, suite, self.generation)
        return f"a=crypto:{tag} {suite} inline:{key}"


def parse_crypto(value: str) -> Crypto | None:
    """Parse the value of an a=crypto attribute, None where it is none of ours.

    Raises:
        SdpError: 488, the line is broken.
    """
    found = _LINE.match(value.strip())
    if found is None:
        raise _BrokenLineError("a=crypto is malformed")
    suite, key = found[2].upper(), found[3]
    if suite not in SUITES:
        return None
    try:
        octets = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        raise _BrokenLineError("the key of a=crypto is not base64") from None
    if octets != KEY_OCTETS[suite]:
        raise _BrokenLineError(f"the key of a=crypto has {octets} octets")
    # several keys, or one with a master key identifier, would change the packets' form
    identified = ":" in found[4] or found[5]
    unusable = any(not _IGNORABLE.fullmatch(each) for each in found[6].split())
    return None if identified or unusable else Crypto(int(found[1]), suite, key)


def parse_cryptos(values: Iterable[str]) -> tuple[Crypto, ...]:
    """Parse every a=crypto of a section, in order; what is none of ours is left out.

    Raises:
        SdpError: 488, a line is broken, or two have the same tag.
    """
    values = tuple(values)
    tags = [value.strip().partition(" ")[0] for value in values]
    found = [parse_crypto(value) for value in values]
    if len(set(tags)) < len(tags):
        raise _BrokenLineError("two a=crypto have the same tag")
    return tuple(each for each in found if each is not None)


def take_offer(audio: MediaDescription, policy: Srtp | None) -> Crypto | None:
    """Return the line of an offer that we take up, None for plain RTP.

    Args:
        audio: the offered section.
        policy: None while nobody knows the trunk yet: whatever any trunk could take is let in.

    Raises:
        SdpError: 488 with a Warning, the offer cannot be met.
    """
    if audio.protocol not in (*PLAIN, *SECURE):
        raise SdpError(f"audio is offered as {audio.protocol}", 488, _TRANSPORT)
    secure = audio.protocol in SECURE
    if secure and policy is Srtp.OFF:
        raise SdpError("SRTP is offered and switched off", 488, _TRANSPORT)
    if policy is Srtp.OFF:
        return None
    chosen = _first(audio, strict=secure)
    if chosen is None and (secure or policy is Srtp.REQUIRED):
        raise SdpError("no SRTP that we speak is offered", 488, _TRANSPORT)
    return chosen


def _first(audio: MediaDescription, *, strict: bool) -> Crypto | None:
    try:
        return next(iter(parse_cryptos(audio.values("crypto"))), None)
    except SdpError:
        if strict:
            raise
        return None  # in RTP/AVP the attribute has no meaning of its own


def agreed_keys(ours: MediaDescription, theirs: MediaDescription) -> tuple[Crypto, Crypto] | None:
    """Return what both sides send with, ours first, None for plain RTP; whoever offered.

    Raises:
        SdpError: 488, one side wants SRTP and the other's lines do not fit.
    """
    mine = {each.tag: each for each in parse_cryptos(ours.values("crypto"))}
    secure = ours.protocol in SECURE or theirs.protocol in SECURE
    if not secure and not (mine and theirs.values("crypto")):
        return None
    for each in parse_cryptos(theirs.values("crypto") if mine else ()):
        if each.tag in mine and mine[each.tag].suite == each.suite:
            return mine[each.tag], each
    raise SdpError("SRTP was not agreed", 488)
