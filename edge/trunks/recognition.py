"""Say which trunk a request belongs to (sans-IO).

In this order: the line token of a registration's contact in the Request-URI, the source address
in a trunk's networks (the most specific one wins), the address of a server that we registered at.
A source that fits none of these may still prove itself by digest, where a trunk allows that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from media.config.model import Config, UnknownSource
from media.config.trunks import TrunkConfig

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_LINE = re.compile(r";\s*line\s*=\s*([0-9A-Za-z_-]+)", re.IGNORECASE)


def host_of(source: str) -> str:
    """Return the address of ``address:port``; IPv6 with or without brackets, mapped IPv4 plain."""
    host = source
    if source.startswith("["):
        host = source[1:].partition("]")[0]
    elif source.count(":") == 1:
        host = source.partition(":")[0]
    return host.removeprefix("::ffff:") if "." in host else host


def policy_of(config: Config) -> UnknownSource:
    """Return what an unknown source gets: ``accept`` only where no trunk says who is known."""
    if config.sip.unknown_source is not None:
        return config.sip.unknown_source
    return UnknownSource.FORBID if config.trunks else UnknownSource.ACCEPT


@dataclass(frozen=True, slots=True)
class Recognised:
    """Whom a request comes from."""

    trunk: str | None
    """None: from no trunk."""
    challenge: str | None = None
    """Trunk whose digest the caller must prove first, None where nothing is left to prove."""


@dataclass(slots=True)
class Recognition:
    """The trunks' marks; what is learnt at run time (resolved servers) is added to them."""

    trunks: Mapping[str, TrunkConfig]
    policy: UnknownSource
    tokens: dict[str, str] = field(default_factory=dict)
    """Line token of a registration's contact to trunk."""
    servers: dict[str, str] = field(default_factory=dict)
    """Resolved address of a server that we register at to trunk."""
    _networks: list[tuple[IpNetwork, str]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort networks, the most specific first."""
        pairs = [
            (ipaddress.ip_network(source, strict=False), name)
            for name, trunk in self.trunks.items()
            for source in trunk.sources
        ]
        # equal networks of two trunks: the one that stands first in the file
        self._networks = sorted(pairs, key=lambda each: -each[0].prefixlen)

    @property
    def networks(self) -> tuple[str, ...]:
        """Every network whose requests are known, the registered servers' addresses too."""
        return tuple({str(each[0]) for each in self._networks} | set(self.servers))

    @property
    def digest_trunk(self) -> str | None:
        """The first trunk that unknown sources may prove to be by digest."""
        trunks = self.trunks.items()
        return next((name for name, each in trunks if each.digest and not each.sources), None)

    def recognise(self, source: str, request_uri: str = "") -> Recognised:
        """Say which trunk a request belongs to, and what is to be proved first.

        Args:
            source: ``address:port`` that it came from.
            request_uri: of the INVITE.
        """
        name = self._by_token(request_uri) or self._by_address(source)
        if name is None:
            return Recognised(None, self.digest_trunk)
        trunk = self.trunks[name]
        # both given: the address alone is not enough
        return Recognised(name, name if trunk.digest and trunk.sources else None)

    def _by_token(self, request_uri: str) -> str | None:
        found = _LINE.search(request_uri)
        return self.tokens.get(found[1]) if found else None

    def _by_address(self, source: str) -> str | None:
        host = host_of(source)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        for network, name in self._networks:
            if address.version == network.version and address in network:
                return name
        return self.servers.get(host)
