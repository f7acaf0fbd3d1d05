"""Say BYE for a dialog whose UA worker died, CANCEL for one that it had only begun.

A dead worker cannot end its dialogs, and a caller without a BYE would listen to nothing until
their own patience or session timer ends. The control process has heard everything that a BYE needs
(RFC 3261 section 12.2.1.1): Call-ID, tags, remote target, route set. It sends the BYE from a port
of its own; the dialog, not the source, is what the far end matches (section 12.2.2).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edge.ua.messages import UaConfirmed, UaDialing, UaInvite

T1_S = 0.5
ATTEMPTS = 5
"""0, 0.5, 1.5, 3.5, 7.5 s (RFC 3261 section 17.1.2.2, cut short)."""
CSEQ = 1_000_000
"""Above every CSeq that the worker can have used in this dialog; gaps are allowed (12.2.1.1)."""

_URI = re.compile(r"sips?:(?:[^@>]*@)?(\[[0-9a-fA-F:.]+\]|[^:;>?]+)(?::(\d+))?")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LostDialog:
    """What is left of a confirmed inbound dialog."""

    sip_call_id: str
    local_uri: str
    local_tag: str
    remote_uri: str
    remote_tag: str
    remote_contact: str
    source: str
    """``address:port`` that the INVITE came from."""
    transport: str
    record_route: str = ""


def lost_dialog(invite: UaInvite, confirmed: UaConfirmed) -> LostDialog:
    """Return what both ends know of a dialog that the caller began."""
    return LostDialog(
        sip_call_id=confirmed.sip_call_id,
        local_uri=invite.to_uri,
        local_tag=confirmed.local_tag,
        remote_uri=invite.from_uri,
        remote_tag=confirmed.remote_tag,
        remote_contact=confirmed.remote_contact or invite.contact_uri,
        source=invite.source,
        transport=invite.transport,
        record_route=invite.headers.get("record-route", ""),
    )


def placed_dialog(confirmed: UaConfirmed, to_uri: str, from_uri: str) -> LostDialog:
    """Return what both ends know of a dialog that we began.

    Args:
        confirmed: its tags and the far end's Contact.
        to_uri: that was called.
        from_uri: ours.
    """
    contact = confirmed.remote_contact or to_uri
    _, _, hop = contact.partition("@")
    hop = (hop or contact.partition(":")[2]).partition(";")[0]
    _, colon, _ = hop.rpartition(":")
    return LostDialog(
        sip_call_id=confirmed.sip_call_id,
        local_uri=from_uri,
        local_tag=confirmed.local_tag,
        remote_uri=to_uri,
        remote_tag=confirmed.remote_tag,
        remote_contact=contact,
        source=hop if colon else f"{hop}:5060",
        transport="TCP" if "transport=tcp" in contact.lower() else "UDP",
    )


def bye_text(dialog: LostDialog, via: str, branch: str) -> str:
    """Return the BYE.

    Args:
        dialog: the dialog to end.
        via: ``address:port`` that it is sent from.
        branch: without the magic cookie.
    """
    lines = [
        f"BYE {dialog.remote_contact} SIP/2.0",
        f"Via: SIP/2.0/{dialog.transport} {via};rport;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        f"From: <{dialog.local_uri}>;tag={dialog.local_tag}",
        f"To: <{dialog.remote_uri}>;tag={dialog.remote_tag}",
        f"Call-ID: {dialog.sip_call_id}",
        f"CSeq: {CSEQ} BYE",
        'Reason: Q.850;cause=41;text="worker_lost"',
        "Content-Length: 0",
    ]
    if dialog.record_route:
        # the UAS keeps the Record-Route order of the request as its route set (12.1.1)
        lines.insert(3, f"Route: {dialog.record_route}")
    return "\r\n".join(lines) + "\r\n\r\n"


def next_hop(dialog: LostDialog) -> tuple[str, int]:
    """Return address and port to send to: the first route, else where the INVITE came from.

    The source stands in for the Contact, which behind NAT holds an address that nobody can reach.
    """
    found = _URI.search(dialog.record_route)
    if found is not None:
        return found[1].strip("[]"), int(found[2] or 5060)
    host, _, port = dialog.source.rpartition(":")
    return host.strip("[]"), int(port)


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def datagram_received(self, octets: bytes, address: object) -> None:
        if octets.startswith(b"SIP/2.0 ") and octets[8:9] in b"23456":
            self.answered.set()


async def say_bye(dialog: LostDialog) -> bool:
    """Send BYE until it is answered; False where nobody did.

    Over TCP and TLS the connection died with the worker and the caller has seen it; only UDP
    leaves the caller in the dark.
    """
    if dialog.transport != "UDP":
        return False

    def text(via: str) -> str:
        return bye_text(dialog, via, secrets.token_hex(8))

    try:
        hop = next_hop(dialog)
    except ValueError as error:
        log.warning(
            "farewell_failed", method="bye", sip_call_id=dialog.sip_call_id, reason=str(error)
        )
        return False
    return await _say(text, hop, dialog.sip_call_id, "bye")


def cancel_text(dialing: UaDialing) -> str:
    """Return the CANCEL of an INVITE that another process sent (RFC 3261 section 9.1)."""
    headers = dialing.headers
    number = headers["cseq"].split()[0]
    lines = [
        f"CANCEL {dialing.request_uri} SIP/2.0",
        f"Via: {headers['via']}",
        "Max-Forwards: 70",
        f"From: {headers['from']}",
        f"To: {headers['to']}",
        f"Call-ID: {headers['call-id']}",
        f"CSeq: {number} CANCEL",
        'Reason: Q.850;cause=41;text="worker_lost"',
        "Content-Length: 0",
    ]
    if "route" in headers:
        lines.insert(3, f"Route: {headers['route']}")
    return "\r\n".join(lines) + "\r\n\r\n"


async def say_cancel(dialing: UaDialing) -> bool:
    """Send CANCEL for a call that a dead worker placed; False where nobody answers.

    The answer may go to the dead worker's port, which the Via names; the phone is silent then too.
    """
    found = _URI.search(dialing.headers.get("route", "")) or _URI.search(dialing.request_uri)
    if found is None or "/UDP " not in dialing.headers["via"]:
        return False
    hop = found[1].strip("[]"), int(found[2] or 5060)
    text = cancel_text(dialing)
    return await _say(lambda _: text, hop, dialing.headers["call-id"], "cancel")


async def _say(
    text: Callable[[str], str], hop: tuple[str, int], sip_call_id: str, method: str
) -> bool:
    loop = asyncio.get_running_loop()
    try:
        if not 0 < hop[1] < 65_536:
            raise ValueError(f"there is no port {hop[1]}")
        transport, answers = await loop.create_datagram_endpoint(_Answers, remote_addr=hop)
    except (OSError, ValueError) as error:  # ValueError: a host name that cannot be one, too
        log.warning("farewell_failed", method=method, sip_call_id=sip_call_id, reason=str(error))
        return False
    host, port = transport.get_extra_info("sockname")[:2]
    octets = text(f"{host}:{port}").encode()
    try:
        for attempt in range(ATTEMPTS):
            transport.sendto(octets)
            try:
                await asyncio.wait_for(answers.answered.wait(), T1_S * 2**attempt)
            except TimeoutError:
                continue
            log.info(
                "farewell_answered", method=method, sip_call_id=sip_call_id, attempts=attempt + 1
            )
            return True
    finally:
        transport.close()
    log.warning("farewell_unanswered", method=method, sip_call_id=sip_call_id)
    return False
