"""Say where the front listens, and under which addresses workers and phones are reached there."""

from __future__ import annotations

from pathlib import Path

from edge.ua.route import local_address_toward
from media.config.model import Config
from media.paths import socket_address

WORKER_ADDRESS = "127.0.0.1"
REGISTERED_HEADER = "X-Cordboard-Registered"
"""For the front, which takes it off: whose registration leads to the called side."""
_FAR_AWAY = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849): the kernel says how it would leave for them."""
_WILDCARDS = ("0.0.0.0", "::")
"""IPv4; IPv4 and IPv6."""


def run_dir(config: Config) -> Path:
    """Return the folder of Kamailio's files."""
    return Path(config.run_dir) / "kamailio"


def rpc_socket(config: Config) -> Path:
    """Return the unix socket on which Kamailio takes commands."""
    return Path(socket_address(config, "kamailio").removeprefix("unix://"))


def is_wildcard(address: str) -> bool:
    """Say whether an address stands for all of the machine's."""
    return address in _WILDCARDS


def bracketed(address: str) -> str:
    """Return an address as it stands in a URI."""
    return f"[{address}]" if ":" in address else address


def front_host(config: Config) -> str:
    """Return the host that workers put into Contact and phones register at."""
    sip = config.sip
    if sip.public_address is not None:
        return sip.public_address
    if not is_wildcard(sip.address):
        return sip.address
    return _on_the_way_out(4) or _on_the_way_out(6) or "127.0.0.1"


def front_host_ip6(config: Config) -> str | None:
    """Return the host that callers over IPv6 are told, None where there are none."""
    sip = config.sip
    if sip.address != "::":
        return sip.address if ":" in sip.address else None
    return _on_the_way_out(6) or "::1"


def _on_the_way_out(version: int) -> str | None:
    try:
        return local_address_toward(_FAR_AWAY[version])
    except OSError:
        return None


def worker_contact(config: Config, place: int | str) -> str:
    """Return the Contact URI of the worker at a place: the front, which knows where it listens."""
    return f"sip:w{place}@{bracketed(front_host(config))}:{config.sip.udp_port}"


def phone_uri(config: Config, name: str) -> str:
    """Return the URI under which workers call a registered desk phone."""
    return f"sip:{name}@{bracketed(front_host(config))}:{config.sip.udp_port}"


def worker_proxy(config: Config) -> str:
    """Return the outbound proxy of every worker."""
    return f"sip:{WORKER_ADDRESS}:{config.front.worker_port};lr"
