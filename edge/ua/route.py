"""Ask the kernel which address of ours leads to a peer."""

from __future__ import annotations

import socket

_DISCARD_PORT = 9


def local_address_toward(address: str) -> str:
    """Return the local address that the kernel would send from to reach an address.

    Args:
        address: IPv4 or IPv6 literal; nothing is sent to it.

    Raises:
        OSError: there is no route.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, _DISCARD_PORT))
        return str(probe.getsockname()[0])
