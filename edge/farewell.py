"""Say BYE for a dialog whose UA worker died.

A dead worker cannot end its dialogs, and a caller without a BYE would listen to nothing until
their own patience or session timer ends. The control process has heard everything that a BYE needs
(RFC 3261 section 12.2.1.1): Call-ID, tags, remote target, route set. It sends the BYE from a port
of its own; the dialog, not the source, is what the far end matches (section 12.2.2).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass

import structlog

from edge.ua.messages import UaConfirmed, UaInvite

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
    loop = asyncio.get_running_loop()
    try:
        transport, answers = await loop.create_datagram_endpoint(
            _Answers, remote_addr=next_hop(dialog)
        )
    except OSError as error:
        log.warning("bye_failed", sip_call_id=dialog.sip_call_id, reason=str(error))
        return False
    host, port = transport.get_extra_info("sockname")[:2]
    text = bye_text(dialog, f"{host}:{port}", secrets.token_hex(8)).encode()
    try:
        for attempt in range(ATTEMPTS):
            transport.sendto(text)
            try:
                await asyncio.wait_for(answers.answered.wait(), T1_S * 2**attempt)
            except TimeoutError:
                continue
            log.info("bye_answered", sip_call_id=dialog.sip_call_id, attempts=attempt + 1)
            return True
    finally:
        transport.close()
    log.warning("bye_unanswered", sip_call_id=dialog.sip_call_id)
    return False
