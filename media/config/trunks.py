"""Say what a trunk may hold: the line to a carrier or to another switchboard."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from media.config.checks import HEADER_NAME, Between, EachKey, IpNetwork, Matching, OneOf, OnePlain
from media.config.secrets import Credentials

Network = Annotated[str, IpNetwork()]
Server = Annotated[
    str,
    Matching(
        r"\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?(:[0-9]{1,5})?",
        "host or host:port, as sip.carrier.example, 192.0.2.1:5080 or [2001:db8::1]:5060",
    ),
]
HeaderName = Annotated[str, HEADER_NAME]
Digits = Annotated[str, Matching(r"[0-9*#]{0,15}", "digits, as 49, 0 or 00")]


class Transport(StrEnum):
    """How SIP travels."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Srtp(StrEnum):
    """Encrypted audio by SDES (RFC 4568)."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Dtmf(StrEnum):
    """How key presses travel."""

    RFC4733 = "rfc4733"
    INFO = "info"
    BOTH = "both"


class Transfer(StrEnum):
    """How a caller is handed over; ``auto`` is the bridge."""

    AUTO = "auto"
    BRIDGE = "bridge"
    """Both legs stay here; the queue cannot change it."""
    REFER = "refer"
    """REFER with Replaces: the person is asked first, then the carrier calls the phone."""
    BLIND_REFER = "blind_refer"
    """REFER at once: the carrier calls the phone, nobody is asked."""


class NumberFormat(StrEnum):
    """How a number is written on the line."""

    E164 = "e164"
    """+4930123456"""
    E164_WITHOUT_PLUS = "e164_without_plus"
    """4930123456"""
    INTERNATIONAL = "international"
    """004930123456: the international prefix, then country and number"""
    NATIONAL = "national"
    """030123456 inside the country, the international form outside it"""
    AS_IS = "as_is"
    """Unchanged"""


class Identity(StrEnum):
    """A header that says who calls."""

    P_ASSERTED_IDENTITY = "p_asserted_identity"
    REMOTE_PARTY_ID = "remote_party_id"
    FROM = "from"


class Diverted(StrEnum):
    """A header that says whom the caller dialled first."""

    DIVERSION = "diversion"
    HISTORY_INFO = "history_info"


class OnOff(StrEnum):
    """Whether a SIP extension is used."""

    OFF = "off"
    SUPPORTED = "supported"
    REQUIRED = "required"


class Refresher(StrEnum):
    """Who refreshes the session (RFC 4028)."""

    AUTO = "auto"
    UAC = "uac"
    UAS = "uas"


@dataclass(frozen=True, slots=True)
class DigestConfig(Credentials):
    """The far end proves who it is with a password (RFC 8760 digest)."""

    realm: str = "cordboard"
    proxy: bool = False
    """Challenge with 407 instead of 401."""
    accept_register: bool = False
    """The far end registers here; calls to it go where it registered from."""


@dataclass(frozen=True, slots=True)
class RegisterConfig(Credentials):
    """We register at the far end."""

    auth_username: str | None = None
    """User name in the digest where it differs from the address of record."""
    domain: str | None = None
    """Domain of the address of record; none takes the server's name."""
    expires_s: Annotated[int, Between(60, 86_400, "s")] = 600
    """Asked for; what the server grants is kept to and refreshed at half of it."""
    retry_s: Annotated[int, Between(1, 3_600, "s")] = 10
    """First wait after a failure; doubles with each one up to ``retry_max_s``."""
    retry_max_s: Annotated[int, Between(1, 86_400, "s")] = 600
    forbidden_retry_s: Annotated[int, Between(10, 86_400, "s")] = 900
    """Wait after 401 or 403 to a right challenge: a wrong password locks accounts."""
    recognise: bool = True
    """Calls that arrive at the registered contact belong to this trunk."""


@dataclass(frozen=True, slots=True)
class QualifyConfig:
    """OPTIONS to each server, to know before a call does that it is down."""

    interval_s: Annotated[int, Between(0, 3_600, "s")] = 30
    """0 sends none."""
    timeout_ms: Annotated[int, Between(100, 32_000, "ms")] = 2_000
    failures: Annotated[int, Between(1, 100)] = 2
    """Unanswered in a row until the server is down."""


@dataclass(frozen=True, slots=True)
class NumbersConfig:
    """How numbers are written on this trunk; inside Cordboard they are E.164."""

    country: Annotated[str, Matching(r"[1-9][0-9]{0,2}", "a country code, as 49 or 1")] | None = (
        None
    )
    """Country code without plus. None: only numbers that begin with + are understood as E.164."""
    area: Digits = ""
    """Area code without trunk prefix; given, short local numbers get it."""
    trunk_prefix: Digits = "0"
    """What precedes a national number (1 in North America, empty in Italy and Spain)."""
    international_prefix: Digits = "00"
    """What precedes a country code (011 in North America)."""
    inbound: NumberFormat | None = None
    """How they arrive; none recognises +, prefixes and bare national numbers by themselves."""
    outbound: NumberFormat = NumberFormat.E164
    unchanged: tuple[Digits, ...] = ("110", "112", "911", "999")
    """Emergency and service numbers that no rule may rewrite; numbers of at most
    ``short_digits`` digits are left alone too."""
    short_digits: Annotated[int, Between(0, 8)] = 5


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """Who calls, and what is said about it."""

    trust: bool = True
    """Believe identity headers of this trunk; otherwise only From is read."""
    caller: tuple[Identity, ...] = (
        Identity.P_ASSERTED_IDENTITY,
        Identity.REMOTE_PARTY_ID,
        Identity.FROM,
    )
    """Where the caller's number is taken from, in order."""
    diverted: tuple[Diverted, ...] = (Diverted.DIVERSION, Diverted.HISTORY_INFO)
    """Where the number dialled first is taken from, in order."""
    send_from: Annotated[str, OneOf(("caller", "number", "anonymous"))] = "number"
    """What From shows on outbound calls: the caller's number, our ``number``, or nothing."""
    number: str | None = None
    """Our own number on this trunk, E.164."""
    send_asserted: bool = True
    """Add P-Asserted-Identity with our ``number`` (RFC 3325)."""


@dataclass(frozen=True, slots=True)
class HeadersConfig:
    """Headers that become variables of a call, and variables that become headers."""

    to_variables: Annotated[dict[str, str], EachKey(HEADER_NAME)] = field(default_factory=dict)
    """Header name to variable name, for calls that come in."""
    from_variables: dict[str, HeaderName] = field(default_factory=dict)
    """Variable name to header name, for calls that go out."""


@dataclass(frozen=True, slots=True)
class SessionTimersConfig:
    """RFC 4028."""

    mode: OnOff = OnOff.SUPPORTED
    expires_s: Annotated[int, Between(90, 86_400, "s")] = 1_800
    """Session-Expires of calls out; callers that ask for more get this much."""
    min_s: Annotated[int, Between(90, 86_400, "s")] = 90
    """Min-SE; less is answered with 422."""
    refresher: Refresher = Refresher.AUTO
    """Who refreshes, the calling (uac) or the called side (uas): of calls that come in where the
    caller leaves it open; of calls that go out what the far end is asked for."""


@dataclass(frozen=True, slots=True)
class TrunkLimits:
    """How much this trunk may bring and take."""

    calls: Annotated[int, Between(1, 100_000)] | None = None
    """Calls at once, both directions."""
    calls_per_second: Annotated[float, Between(0.01, 10_000)] | None = None


@dataclass(frozen=True, slots=True)
class FullConfig:
    """What a call beyond the limit is answered with."""

    status: Annotated[int, Between(480, 503)] = 503
    """503 (with Retry-After), 480 or 486; many carriers roll over to the next route on 503 only."""
    retry_after_s: Annotated[int, Between(0, 3_600, "s")] | None = None
    """Of the 503; none takes ``limits.retry_after_s``."""


@dataclass(frozen=True, slots=True)
class TrunkConfig:
    """A line to a carrier or another switchboard."""

    description: str = ""
    sources: Annotated[tuple[Network, ...], OnePlain()] = ()
    """Addresses and networks whose calls belong to this trunk."""
    digest: DigestConfig | None = None
    """Calls that prove this user and password belong to this trunk."""
    register: RegisterConfig | None = None
    """Register at every server with this user and password."""
    servers: Annotated[tuple[Server, ...], OnePlain()] = ()
    """Where calls go out, in order of preference; without a port SRV records are asked first."""
    transport: Transport = Transport.UDP
    silence_s: Annotated[float, Between(0.5, 32, "s")] = 4
    """A server that has answered an INVITE with nothing at all, not even 100, for so long is passed
    over. More than 32 s is not waited (Timer B, RFC 3261 section 17.1.1.2)."""
    qualify: QualifyConfig = field(default_factory=QualifyConfig)
    srtp: Srtp = Srtp.OFF
    codecs: tuple[Annotated[str, OneOf(("PCMA", "PCMU"))], ...] = ("PCMA", "PCMU")
    """In order of preference."""
    dtmf: Dtmf = Dtmf.RFC4733
    numbers: NumbersConfig = field(default_factory=NumbersConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    headers: HeadersConfig = field(default_factory=HeadersConfig)
    session_timers: SessionTimersConfig = field(default_factory=SessionTimersConfig)
    rel100: OnOff = OnOff.SUPPORTED
    """Reliable provisional answers (RFC 3262); required: 421 to callers without them."""
    limits: TrunkLimits = field(default_factory=TrunkLimits)
    full: FullConfig = field(default_factory=FullConfig)
    transfer: Transfer = Transfer.AUTO

    @property
    def registers_here(self) -> bool:
        """Whether the far end registers at the front, and calls to it go to where it is."""
        return self.digest is not None and self.digest.accept_register

    @property
    def carries_calls_out(self) -> bool:
        """Whether calls can be sent to it."""
        return bool(self.servers) or self.registers_here
