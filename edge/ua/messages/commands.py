"""What the control process asks of a UA worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from media.messages import Message


@dataclass(frozen=True, slots=True)
class UaRinging(Message):
    """Send 180; 183 is sent as 180 too, as pjsua2 would put an address of its own into it."""

    leg: int
    status: int = 180


@dataclass(frozen=True, slots=True)
class UaAnswer(Message):
    """Send 200 with media's address, or 183 with it before (early media)."""

    leg: int
    media_address: str
    media_port: int
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """In our order of preference; the first that the offer has is taken."""
    dtmf_payload_type: int | None = 101
    """Used in our own offers; an answer repeats the offerer's. None turns telephone-event off."""
    ptime_ms: int = 20
    srtp: str = "off"
    """``off``, ``optional`` or ``required``."""
    srtp_secret: str = field(default="", repr=False)
    """Of media's stream."""
    early: bool = False
    """Send 183 instead of 200; nothing is sent where the INVITE had no offer (RFC 3261 13.2.1)."""


@dataclass(frozen=True, slots=True)
class UaReject(Message):
    """Refuse an inbound leg that is not answered yet."""

    leg: int
    status: int
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    challenges: tuple[str, ...] = ()
    """Values of WWW-Authenticate (401) or Proxy-Authenticate (407), one header each."""


@dataclass(frozen=True, slots=True)
class UaRespond(Message):
    """Send a response, written out, to an INVITE that a worker before this one had; over UDP."""

    text: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class UaHangup(Message):
    """End a leg in whatever state: BYE, CANCEL, or a final response with ``status``."""

    leg: int
    status: int = 480
    """Used only where an inbound leg is not answered yet."""
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Such as ``Reason``."""


@dataclass(frozen=True, slots=True)
class UaDial(Message):
    """Place a call; news come as UaProgress, UaNegotiated, UaConfirmed, UaDisconnected."""

    leg: int
    """Negative, never used before on this worker."""
    to_uri: str
    from_uri: str
    media_address: str
    media_port: int
    from_display: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    dtmf_payload_type: int | None = 101
    ptime_ms: int = 20
    srtp: str = "off"
    srtp_secret: str = field(default="", repr=False)
    user: str = ""
    """Digest credentials, none where empty."""
    password: str = ""
    proxy: str = ""
    """Outbound proxy URI, ``sip:host;lr``."""
    session_timers: str = "supported"
    """RFC 4028: ``off``, ``supported`` or ``required``."""
    session_expires_s: int | None = None
    """None takes the worker's."""
    session_min_s: int = 90
    session_refresher: str = "auto"
    """Who is asked to refresh: ``uac`` for us, ``uas`` for the called; ``auto`` leaves it open."""
    rel100: str = "supported"
    """RFC 3262: ``off``, ``supported`` or ``required``."""

    @property
    def needs_account(self) -> bool:
        """Whether this call cannot be made with the worker's own account."""
        usual = self.session_timers == self.rel100 == "supported"
        return bool(self.user or self.proxy or self.session_expires_s) or not usual


@dataclass(frozen=True, slots=True)
class UaSendDigit(Message):
    """Send a key press by SIP INFO (``application/dtmf-relay``)."""

    leg: int
    digit: str
    duration_ms: int = 160


@dataclass(frozen=True, slots=True)
class UaHold(Message):
    """Put the peer on hold (re-INVITE, sendonly) or take it off."""

    leg: int
    hold: bool


@dataclass(frozen=True, slots=True)
class UaReinvite(Message):
    """Offer anew, with a changed address, port or codec list."""

    leg: int
    media_address: str
    media_port: int
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    dtmf_payload_type: int | None = 101
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True)
class UaRefer(Message):
    """Send REFER in the dialog; UaTransferStatus tells how it goes, the BYE is control's to ask."""

    leg: int
    refer_to: str
    """As it goes into the header, with a ``?Replaces=`` where wanted (:func:`replaces_uri`)."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UaLimit(Message):
    """Change how many inbound legs are taken; 0 drains: every new INVITE gets 503."""

    callers: int
    retry_after_s: int = 10


@dataclass(frozen=True, slots=True)
class UaRegister(Message):
    """Register, refresh, or take back (``expires_s`` 0); UaRegistration tells how it went."""

    registration: int
    """Chosen by control; the same number stands for the same registration."""
    registrar_uri: str
    aor: str
    """Address of record, ``sip:user@domain``."""
    user: str
    """Digest credentials."""
    password: str
    expires_s: int
    route_uri: str = ""
    """Where it is sent, where that is not the registrar's URI."""
    contact_parameters: str = ""
    """Go into the contact's URI, as ``;line=abc``."""


@dataclass(frozen=True, slots=True)
class UaOptions(Message):
    """Send OPTIONS outside of any dialog; UaOptionsAnswered tells what came."""

    query: int
    uri: str


@dataclass(frozen=True, slots=True)
class UaGate(Message):
    """Who is known, and what the others get; see :mod:`edge.trunks.gate`."""

    policy: str
    networks: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    challenge: bool = False


@dataclass(frozen=True, slots=True)
class UaVouch(Message):
    """A source has proved who it is: let it pass for an hour."""

    address: str


@dataclass(frozen=True, slots=True)
class UaTlsNames(Message):
    """What the certificates of TLS servers must be for, see :mod:`edge.ua.trust`."""

    names: dict[str, str]
    """By ``address:port``."""


@dataclass(frozen=True, slots=True)
class UaShutdown(Message):
    """BYE every leg and exit with 0."""
