"""Which TLS servers are believed to be those that trunks name."""

from __future__ import annotations

import pytest

from edge.trunks.servers import Target
from edge.ua.trust import distrust
from media.config.trunks import Transport

pytestmark = pytest.mark.unit

NAMES = {"192.0.2.1:5061": "sip.carrier.example", "[2001:db8::1]:5061": "2001:db8::1"}


@pytest.mark.parametrize(
    ("peer", "shown", "trusted"),
    [
        ("192.0.2.1:5061", ["sip.carrier.example"], True),
        ("192.0.2.1:5061", ["other.example", "SIP.Carrier.Example."], True),
        ("192.0.2.1:5061", ["*.carrier.example"], True),
        ("192.0.2.1:5061", ["*.example"], False),
        ("192.0.2.1:5061", ["carrier.example"], False),
        ("192.0.2.1:5061", ["*"], False),
        ("192.0.2.1:5061", ["192.0.2.1"], False),
        ("192.0.2.1:5061", [], False),
        ("192.0.2.2:5061", ["192.0.2.2"], True),
        ("192.0.2.2:5061", ["sip.carrier.example"], False),
        ("[2001:db8::1]:5061", ["2001:DB8:0::1"], True),
        ("[2001:db8::2]:5061", ["2001:db8::2"], True),
    ],
)
def test_names(peer: str, shown: list[str], trusted: bool) -> None:
    """A trunk's name must be in the certificate; a server of no trunk must show its address."""
    assert (distrust(peer, NAMES, [], shown) == "") is trusted


def test_a_broken_chain_is_told_in_its_own_words() -> None:
    """Whatever the names say."""
    said = distrust("192.0.2.1:5061", NAMES, ["expired", "self-signed"], ["sip.carrier.example"])
    assert said == "expired; self-signed"


def test_names_are_kept_by_what_pjsip_tells() -> None:
    """The key is the address and port as they stand in a connection's peer."""
    assert Target("192.0.2.1", 5061, Transport.TLS, "a").place == "192.0.2.1:5061"
    assert Target("2001:db8::1", 5061, Transport.TLS, "a").place == "[2001:db8::1]:5061"
