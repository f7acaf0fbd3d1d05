"""Decide whether a TLS server is the one that a trunk names (pure).

pjsip compares the certificate with the host of the URI, which here is the address that the control
process has resolved. So it only checks the chain, and the names are compared here (RFC 5922
section 7, RFC 6125 section 6.4).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping


def distrust(
    peer: str, names: Mapping[str, str], chain_faults: Iterable[str], shown: Iterable[str]
) -> str:
    """Say why a server is not to be talked to, empty where it is.

    Args:
        peer: ``address:port`` that we connected to.
        names: by such an address, what trunks call it; any other server must show its address.
        chain_faults: what is wrong with the certificate itself, in words.
        shown: names and addresses in the certificate.
    """
    if faults := "; ".join(chain_faults):
        return faults
    expected = names.get(peer) or peer.rpartition(":")[0].strip("[]")
    if any(_matches(expected, each) for each in shown):
        return ""
    return f"its certificate is not for {expected}"


def _matches(expected: str, shown: str) -> bool:
    try:
        return ipaddress.ip_address(expected) == ipaddress.ip_address(shown)
    except ValueError:
        pass
    expected, shown = expected.lower().rstrip("."), shown.lower().rstrip(".")
    if shown.startswith("*."):
        return expected.partition(".")[2] == shown[2:] and "." in shown[2:]
    return expected == shown
