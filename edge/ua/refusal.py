"""Tell control of an INVITE that the worker refused by itself, so that it has a record too."""

from __future__ import annotations

from edge.ua.invite import transport_of
from edge.ua.messages import UaRefused
from edge.ua.sip_text import SipText, clean, parse_name_address


def refused(text: SipText, source: str, sip_status: int, reason: str) -> UaRefused:
    """Describe a refused INVITE.

    Args:
        text: the INVITE as it was received.
        source: ``address:port`` it came from.
        sip_status: the final status it was answered with.
        reason: why, in one line for the call record.
    """
    return UaRefused(
        sip_call_id=text.header("call-id"),
        from_uri=parse_name_address(text.header("from")).uri,
        to_uri=parse_name_address(text.header("to")).uri,
        source=clean(source),
        transport=transport_of(text),
        sip_status=sip_status,
        reason=reason,
    )
