"""Say which addresses the machine has, as Linux tells it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

_IPV4 = Path("/proc/net/fib_trie")
_IPV6 = Path("/proc/net/if_inet6")
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")


def local_addresses(wildcard: str) -> tuple[str, ...]:
    """Return the addresses that a wildcard stands for, those of the outside first.

    Link-local IPv6 addresses are left out: they mean nothing without an interface.

    Args:
        wildcard: ``0.0.0.0`` for IPv4, ``::`` for IPv4 and IPv6.
    """
    found = ipv4_addresses(_read(_IPV4))
    if wildcard == "::":
        found += ipv6_addresses(_read(_IPV6))
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda each: ipaddress.ip_address(each).is_loopback))


def ipv4_addresses(fib_trie: str) -> list[str]:
    """Return the local addresses in the text of /proc/net/fib_trie."""
    return _LOCAL.findall(fib_trie)


def ipv6_addresses(if_inet6: str) -> list[str]:
    """Return the addresses in the text of /proc/net/if_inet6 that can be reached from elsewhere."""
    words = [each.split() for each in if_inet6.splitlines()]
    addresses = [ipaddress.IPv6Address(int(each[0], 16)) for each in words if each]
    return [str(each) for each in addresses if not each.is_link_local]


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:  # a kernel without IPv6
        return ""
