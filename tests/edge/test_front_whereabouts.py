from __future__ import annotations

from typing import Any

import pytest

from edge.front.whereabouts import audio_address, places

pytestmark = pytest.mark.unit


def answer(*contacts: tuple[str, str]) -> dict[str, Any]:
    """Return what Kamailio says of phones at (Contact, where it was heard from)."""
    told = [{"Contact": {"Address": own, "Received": heard}} for own, heard in contacts]
    return {"AoR": "200", "Contacts": told}


@pytest.mark.parametrize(
    ("contact", "received", "place"),
    [
        ("sip:200@127.0.0.1:5062", "[not set]", "127.0.0.1"),
        ("sip:200-0x55@[::1]:5062;transport=tls", "[not set]", "::1"),
        ("sips:[2001:db8::7]", "[not set]", "2001:db8::7"),
        ("sip:200@192.168.1.7:5060", "sip:198.51.100.4:1024;transport=tcp", "198.51.100.4"),
        ("sip:x@df7jal23ls0d.invalid;transport=ws", "sip:[::1]:443", "::1"),
    ],
)
def test_a_phone_is_where_it_was_heard_from(contact: str, received: str, place: str) -> None:
    """Its own word counts only where the front saw no NAT."""
    assert places(answer((contact, received))) == [place]


@pytest.mark.parametrize(
    "broken",
    [None, [], {}, {"Contacts": [7, {"Contact": {}}, {"Contact": {"Address": "sip:a@b"}}]}],
)
def test_who_is_nowhere_has_no_place(broken: Any) -> None:
    """Nothing, names and nonsense are no places, and media's own address stays."""
    assert places(broken) == []
    assert audio_address([], "0.0.0.0") is None


@pytest.mark.parametrize(
    ("found", "own", "address"),
    [
        (["127.0.0.1"], "127.0.0.1", None),
        (["127.0.0.1"], "0.0.0.0", "127.0.0.1"),
        (["::1"], "::", "::1"),
        (["::1"], "0.0.0.0", "::1"),
        (["::1"], "127.0.0.1", "::1"),
        (["127.0.0.1"], "::1", "127.0.0.1"),
        (["::1", "127.0.0.1"], "127.0.0.1", None),
        (["::1", "127.0.0.1"], "0.0.0.0", "127.0.0.1"),
        (["127.0.0.1", "::1"], "::1", None),
    ],
)
def test_our_address_is_of_the_phones_family(
    found: list[str], own: str, address: str | None
) -> None:
    """Media's own where it fits, else the one on the way; media's family first where both are."""
    assert audio_address(found, own) == address
