"""Every message between the control process and a UA worker.

A *leg* is one dialog of a worker. Its number is chosen by whoever starts it and is never used
again by that worker: positive for inbound legs (the worker counts from 1), negative for outbound
ones (control counts from -1 downwards). The first message about an inbound leg is UaInvite, the
last about any leg is UaDisconnected, exactly once. A command for a leg that is gone is dropped.

An inbound call::

    worker                          control
      UaInvite            ------>
                          <------   UaRinging (any number of times)
      UaRang              ------>   (once)
                          <------   UaAnswer, or UaReject
      UaNegotiated        ------>   (again after every re-INVITE, UPDATE, hold)
      UaConfirmed         ------>   (the ACK came)
                          <------   UaHangup
      UaDisconnected      ------>   (always, whoever ended it)

An outbound call::

                          <------   UaDial
      UaDialing           ------>
      UaProgress (18x)    ------>
      UaNegotiated        ------>
      UaConfirmed         ------>
      UaDisconnected      ------>   (also where the call was never answered: status says why)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum

from media.messages import Message, from_wire, to_wire


class EndedBy(StrEnum):
    """Which side ended a leg."""

    LOCAL = "local"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class UaSettings(Message):
    """How a worker is set up; travels on its command line, see :func:`settings_text`."""

    address: str = "0.0.0.0"
    """Local address to listen on."""
    public_address: str | None = None
    """Address put into Contact and Via behind NAT."""
    udp_port: int = 5060
    """0 takes any free port; UaReady tells which."""
    tcp_port: int | None = 5060
    tls_certificate: str = ""
    """Path; empty speaks no TLS."""
    tls_key: str = ""
    tls_ca: str = ""
    tls_port: int = 0
    """0 takes any free port."""
    callers: int | None = None
    """Inbound legs at once; None takes the build's slots less one, which is kept for refusing."""
    retry_after_s: int = 10
    user_agent: str = "Cordboard"
    contact: str = ""
    """Contact URI of every dialog; empty lets pjsua2 write its own address."""
    proxy: str = ""
    """Outbound proxy URI of every call, ``sip:host:port;lr``; empty for none."""
    behind_front: bool = False
    """INVITEs come from the front alone: take them with every slot, believe what it says of their
    source, and mark control's refusals as final for it."""
    session_expires_s: int = 1_800
    """RFC 4028 Session-Expires that we ask for; 90 or more."""
    log_level: str = "info"
    log_format: str = "auto"
    log_pii: bool = False


def settings_text(settings: UaSettings) -> str:
    """Serialize settings for the ``--settings`` argument of ``python -m edge.ua``."""
    return json.dumps(to_wire(settings))


def parse_settings(text: str) -> UaSettings:
    """Parse what :func:`settings_text` wrote.

    Raises:
        MessageError: the object is not settings.
        ValueError: the text is not JSON.
    """
    body = json.loads(text)
    parsed = from_wire({**body, "type": "UaSettings"})
    assert isinstance(parsed, UaSettings)
    return parsed


# ---------------------------------------------------------------- worker -> control


@dataclass(frozen=True, slots=True)
class UaReady(Message):
    """First message: the sockets are bound, INVITEs are taken from now on."""

    slots: int
    """Legs that the pjsua2 build allows at once."""
    callers: int
    """Inbound legs that this worker takes before it refuses."""
    udp_port: int
    tcp_port: int | None
    pjsip_version: str


@dataclass(frozen=True, slots=True)
class UaHeartbeat(Message):
    """Sent by the SIP thread itself every 500 ms; a hung pjsua2 sends none."""

    at_ns: int
    legs: int
    """Legs that hold a slot now."""
    refused: int = 0
    """INVITEs answered 503 since the start because the worker was full or draining."""


@dataclass(frozen=True, slots=True)
class UaInvite(Message):
    """A new inbound leg; 100 has been sent, nothing else.

    INVITEs that cannot be served (no audio, no codec of ours, broken SDP, worker full) are
    answered by the worker and reported as UaRefused instead.
    """

    leg: int
    sip_call_id: str
    from_uri: str
    """``sip:...`` without display name and parameters of the header."""
    from_display: str
    to_uri: str
    request_uri: str
    contact_uri: str
    source: str
    """``address:port`` that the INVITE came from."""
    transport: str
    """``UDP``, ``TCP`` or ``TLS``."""
    local_address: str
    """Our address on the route to the source: what SDP must carry unless configured otherwise."""
    offer: str = field(repr=False)
    """The SDP, which may hold keys; empty for a late offer (then ours goes into the 200 and theirs
    comes in the ACK)."""
    headers: dict[str, str] = field(default_factory=dict)
    """All other headers by lower-case full name; repeated ones joined by ``", "``."""
    replaces_leg: int | None = None
    """The leg of this worker that the caller takes over (RFC 3891); it ends on answering."""
    response_headers: dict[str, str] = field(default_factory=dict)
    """Via, From, To, Call-ID and CSeq of a response to it, by lower-case name: what an answer from
    elsewhere needs, should this worker die."""


@dataclass(frozen=True, slots=True)
class UaRang(Message):
    """A provisional response of ours has left: later ones carry the same To tag."""

    leg: int
    to: str
    """The To header as it went out."""


@dataclass(frozen=True, slots=True)
class UaRefused(Message):
    """The worker answered an INVITE finally by itself; it has no leg and gets no other message."""

    sip_call_id: str
    from_uri: str
    to_uri: str
    source: str
    """``address:port`` that the INVITE came from."""
    transport: str
    sip_status: int
    """486 or 503 when full or draining, 488 for an offer without a codec of ours, 400 ..."""
    reason: str
    """One line for the call record, as ``full`` or ``no codec of ours in the offer``."""


@dataclass(frozen=True, slots=True)
class UaDialing(Message):
    """Our INVITE has left: what a CANCEL from elsewhere would need, should this worker die.

    Sent again where the INVITE is (a challenge, a redirection within the same leg).
    """

    leg: int
    request_uri: str
    headers: dict[str, str]
    """Via, From, To, Call-ID, CSeq and Route as they went out, by lower-case name."""


@dataclass(frozen=True, slots=True)
class UaProgress(Message):
    """A provisional response came for an outbound leg."""

    leg: int
    status: int
    reason: str
    sdp: str = field(default="", repr=False)
    """Early media's SDP, empty without."""
    headers: dict[str, str] = field(default_factory=dict)
    """What the far end says that it can do: Allow, Supported, Require; names in lower case."""


@dataclass(frozen=True, slots=True)
class UaNegotiated(Message):
    """An offer/answer round is complete, the first one or a later one."""

    leg: int
    local_sdp: str = field(repr=False)
    """As it went over the wire, keys included."""
    remote_sdp: str = field(repr=False)
    generation: int
    """1 for the first round of the leg, then counting."""


@dataclass(frozen=True, slots=True)
class UaConfirmed(Message):
    """The dialog is up: the ACK came (inbound) or the 200 came (outbound)."""

    leg: int
    at_ns: int
    sip_call_id: str
    local_tag: str
    remote_tag: str
    remote_contact: str
    headers: dict[str, str] = field(default_factory=dict)
    """Of the 200 to our INVITE: Allow, Supported, Require, Session-Expires, Server."""
    """Contact URI of the peer: with Call-ID and tags it makes a ``Replaces`` for another dialog."""


@dataclass(frozen=True, slots=True)
class UaDigit(Message):
    """One DTMF digit by SIP INFO (``application/dtmf-relay`` or ``application/dtmf``)."""

    leg: int
    digit: str
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UaReferred(Message):
    """The peer asked us to call somebody (REFER); it was answered 603, control decides the rest."""

    leg: int
    refer_to: str
    """URI without Replaces."""
    referred_by: str = ""
    replaces_sip_call_id: str = ""
    """Empty for a blind transfer."""
    replaces_to_tag: str = ""
    replaces_from_tag: str = ""


@dataclass(frozen=True, slots=True)
class Challenge(Message):
    """Somebody wants to know who we are (RFC 3261 section 22)."""

    header: str
    """Value of WWW-Authenticate or Proxy-Authenticate; several joined by ``", "``."""
    request_uri: str
    """Of the request that was challenged."""


@dataclass(frozen=True, slots=True)
class UaTransferStatus(Message):
    """News about our UaRefer; the first ``final`` is the one that counts, none may ever come."""

    leg: int
    status: int
    reason: str
    final: bool
    challenge: Challenge | None = None
    """Of a 401 or 407: REFER may be sent again with the answer in its headers."""


@dataclass(frozen=True, slots=True)
class UaCommandFailed(Message):
    """pjsua2 refused a command; the leg goes on unless UaDisconnected says otherwise."""

    leg: int
    command: str
    """Name of the message, as ``UaReinvite``."""
    reason: str


@dataclass(frozen=True, slots=True)
class UaRegistration(Message):
    """How our UaRegister went; also where pjsip gave up waiting (408)."""

    registration: int
    sip_status: int
    reason: str
    expires_s: int
    """Granted; 0 after a failure or where it was taken back."""


@dataclass(frozen=True, slots=True)
class UaOptionsAnswered(Message):
    """The final answer to our UaOptions; 408 and 503 may be pjsip's own."""

    query: int
    sip_status: int
    reason: str
    headers: dict[str, str] = field(default_factory=dict)
    """By lower-case full name; repeated ones joined by ``", "``."""
    body: str = ""


@dataclass(frozen=True, slots=True)
class UaDisconnected(Message):
    """A leg is over and its slot is free; the last message about it."""

    leg: int
    sip_status: int
    """200 after BYE, else the final status of the INVITE (487 after CANCEL)."""
    reason: str
    by: EndedBy
    reason_header: str = ""
    """``Reason`` of the BYE or CANCEL (RFC 3326), as ``Q.850;cause=16``."""


# ---------------------------------------------------------------- control -> worker


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
