import asyncio
import socket

import pytest

from edge.farewell import (
    LostDialog,
    bye_text,
    cancel_text,
    lost_dialog,
    next_hop,
    say_bye,
    say_cancel,
)
from edge.ua.messages import UaConfirmed, UaDialing, UaInvite

pytestmark = pytest.mark.unit


def dialog(source: str, transport: str = "UDP", record_route: str = "") -> LostDialog:
    invite = UaInvite(
        leg=1,
        sip_call_id="abc@caller",
        from_uri="sip:alice@example.org",
        from_display="",
        to_uri="sip:100@example.net",
        request_uri="sip:100@example.net",
        contact_uri="sip:alice@10.0.0.1:5062",
        source=source,
        transport=transport,
        local_address="127.0.0.1",
        offer="",
        headers={"record-route": record_route} if record_route else {},
    )
    confirmed = UaConfirmed(1, 0, "abc@caller", "ours", "theirs", "sip:alice@10.0.0.1:5062")
    return lost_dialog(invite, confirmed)


def test_the_bye_is_of_the_dialog() -> None:
    """Call-ID, both tags from our side, the Contact as target, a CSeq above any used."""
    lines = bye_text(dialog("127.0.0.1:5062"), "127.0.0.1:9", "b").split("\r\n")
    assert lines[0] == "BYE sip:alice@10.0.0.1:5062 SIP/2.0"
    assert "From: <sip:100@example.net>;tag=ours" in lines
    assert "To: <sip:alice@example.org>;tag=theirs" in lines
    assert "Call-ID: abc@caller" in lines
    assert "CSeq: 1000000 BYE" in lines
    assert lines[-2:] == ["", ""]


def test_routes_are_followed() -> None:
    """With Record-Route the BYE carries the route set and goes to its first hop."""
    route = "<sip:10.1.1.1:5080;lr>, <sip:10.2.2.2;lr>"
    routed = dialog("127.0.0.1:5062", record_route=route)
    assert f"Route: {route}" in bye_text(routed, "127.0.0.1:9", "b").split("\r\n")
    assert next_hop(routed) == ("10.1.1.1", 5080)
    assert next_hop(dialog("127.0.0.1:5062")) == ("127.0.0.1", 5062)
    assert next_hop(dialog("[::1]:5062")) == ("::1", 5062)


async def test_the_bye_is_repeated_until_answered() -> None:
    """A lost BYE is sent again; an answer ends it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        saying = asyncio.create_task(say_bye(dialog(f"127.0.0.1:{far.getsockname()[1]}")))
        first, _ = await loop.sock_recvfrom(far, 4_096)
        second, back = await loop.sock_recvfrom(far, 4_096)
        assert first == second
        assert first.startswith(b"BYE sip:alice@10.0.0.1:5062")
        await loop.sock_sendto(far, b"SIP/2.0 200 OK\r\n\r\n", back)
        assert await saying


async def test_over_tcp_the_broken_connection_says_enough() -> None:
    """No BYE is tried where the caller's connection died with the worker."""
    assert not await say_bye(dialog("127.0.0.1:1", transport="TCP"))


@pytest.mark.parametrize(
    "route", ["<sip:127.0.0.1:99999;lr>", "<sip:127.0.0.1:0;lr>", "<sip:a..b:5060;lr>"]
)
async def test_a_route_to_nowhere_is_refused(route: str) -> None:
    """What the far end wrote into its headers is not trusted to be an address."""
    assert not await say_bye(dialog("127.0.0.1:5062", record_route=route))
    assert not await say_cancel(
        UaDialing(
            -1,
            "sip:ann@127.0.0.1:99999",
            {"via": "SIP/2.0/UDP 127.0.0.1", "cseq": "1 INVITE", "route": route}
            | dict.fromkeys(("from", "to", "call-id"), "x"),
        )
    )


async def test_a_source_without_a_port_is_refused() -> None:
    """Nothing is sent where the port is not even a number."""
    assert not await say_bye(dialog("127.0.0.1:sip"))


def test_a_cancel_is_the_invite_again() -> None:
    """Request-URI, Via, From, To, Call-ID, Route and the CSeq number are those of the INVITE."""
    headers = {
        "via": "SIP/2.0/UDP 127.0.0.1:5062;rport;branch=z9hG4bKa",
        "from": '"+49 broken" <sip:+49@127.0.0.1>;tag=a',
        "to": "<sip:ann@127.0.0.1>",
        "call-id": "x",
        "cseq": "17 INVITE",
        "route": "<sip:127.0.0.1:5070;lr>",
    }
    lines = cancel_text(UaDialing(-1, "sip:ann@127.0.0.1:5071", headers)).split("\r\n")
    assert lines[0] == "CANCEL sip:ann@127.0.0.1:5071 SIP/2.0"
    for name in ("Via", "From", "To", "Call-ID", "Route"):
        assert f"{name}: {headers[name.lower()]}" in lines
    assert "CSeq: 17 CANCEL" in lines
