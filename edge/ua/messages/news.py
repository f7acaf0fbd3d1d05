"""What a UA worker tells the control process."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from media.messages import Message


class EndedBy(StrEnum):
    """Which side ended a leg."""

    LOCAL = "local"
    REMOTE = "remote"


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
class UaTrying(Message):
    """The first answer of any kind came to an outbound leg's INVITE: somebody is there."""

    leg: int


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
    """Contact URI of the peer: with Call-ID and tags it makes a ``Replaces`` for another dialog."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the 200 to our INVITE: Allow, Supported, Require, Session-Expires, Server."""


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
