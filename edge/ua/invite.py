"""Describe an INVITE to control."""

from __future__ import annotations

import ipaddress
import re

from edge import sdp
from edge.ua.messages import UaInvite
from edge.ua.route import local_address_toward
from edge.ua.sip_text import SipText, parse_name_address

_PLAIN_HEADERS = frozenset(
    {"via", "from", "to", "call-id", "contact", "content-length", "content-type"}
)


def describe_invite(leg: int, text: SipText, source: str, replaces_leg: int | None) -> UaInvite:
    """Say what an INVITE says.

    Args:
        leg: its number.
        text: as it was received.
        source: ``address:port`` that it came from.
        replaces_leg: the leg that it takes over, if any.
    """
    caller = parse_name_address(text.header("from"))
    return UaInvite(
        leg=leg,
        sip_call_id=text.header("call-id"),
        from_uri=caller.uri,
        from_display=caller.display,
        to_uri=parse_name_address(text.header("to")).uri,
        request_uri=text.request_uri,
        contact_uri=parse_name_address(text.header("contact")).uri,
        source=source,
        transport=transport_of(text),
        local_address=_local_address(text, source.rsplit(":", 1)[0].strip("[]")),
        offer=text.sdp,
        headers={k: v for k, v in text.headers.items() if k not in _PLAIN_HEADERS},
        replaces_leg=replaces_leg,
        response_headers=_response_headers(text, source),
    )


def _local_address(text: SipText, source: str) -> str:
    """Return our address on the way to the caller's audio, which may be of the other family."""
    try:
        offered = sdp.parse(text.sdp).audio().address if text.sdp else ""
        other = (
            ipaddress.ip_address(offered or source).version != ipaddress.ip_address(source).version
        )
        return local_address_toward(offered if other else source)
    except (sdp.SdpError, ValueError, OSError):
        return local_address_toward(source)


def _response_headers(text: SipText, source: str) -> dict[str, str]:
    """Return what every response copies (RFC 3261 section 8.2.6.2, RFC 3581 section 4)."""
    copied = {name: text.header(name) for name in ("via", "from", "to", "call-id", "cseq")}
    top, comma, others = copied["via"].partition(",")
    host, _, port = source.rpartition(":")
    top = re.sub(r";\s*rport\s*(?=;|\Z)", f";rport={port}", top)
    copied["via"] = f"{top};received={host.strip('[]')}{comma}{others}"
    return copied


def transport_of(text: SipText) -> str:
    """Return the transport of a message's top Via, ``UDP`` or ``TCP`` or ``TLS``."""
    protocol, _, _ = text.header("via").replace(" /", "/").replace("/ ", "/").partition(" ")
    return protocol.rsplit("/", 1)[-1].upper()
