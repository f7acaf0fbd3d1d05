"""Find the servers behind a trunk's names: SRV, then A and AAAA (RFC 3263, without NAPTR).

A name with a port, and every address, is taken as it is. Without a port the SRV records of the
trunk's transport are asked first (RFC 3263 section 4.2); the transport is the configuration's,
so NAPTR has nothing to say.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
import structlog

from edge.trunks.servers import Target, default_port, split_server
from media.config.trunks import Transport, TrunkConfig

SHORTEST_S = 30
LONGEST_S = 3_600
FAILED_S = 15
"""When names that could not be resolved are asked for again."""
_TIMEOUT_S = 5.0
_SERVICES = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """One SRV record."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A trunk's servers, in order, and for how long they are good."""

    targets: tuple[Target, ...]
    good_for_s: int
    failed: tuple[str, ...] = ()
    """Names without any address."""


def order_srv(records: Sequence[SrvRecord], draw: Callable[[], float]) -> list[SrvRecord]:
    """Order SRV records: by priority, within one by weighted chance (RFC 2782).

    Args:
        records: in any order.
        draw: returns numbers in [0, 1).
    """
    ordered: list[SrvRecord] = []
    for priority in sorted({each.priority for each in records}):
        # zero weights first: they are chosen only when the draw is zero
        left = sorted((e for e in records if e.priority == priority), key=lambda e: e.weight > 0)
        while left:
            mark = draw() * sum(each.weight for each in left)
            running = 0
            chosen = left[-1]
            for each in left:
                running += each.weight
                if running >= mark and (running or not mark):
                    chosen = each
                    break
            left.remove(chosen)
            ordered.append(chosen)
    return ordered


def is_static(trunk: TrunkConfig) -> bool:
    """Say whether a trunk's servers are all addresses."""
    return all(_is_address(split_server(each)[0]) for each in trunk.servers)


def static_targets(trunk: TrunkConfig) -> list[Target]:
    """Return the servers of a trunk that are addresses."""
    pairs = [split_server(each) for each in trunk.servers]
    port = default_port(trunk.transport)
    return [Target(h, p or port, trunk.transport, h) for h, p in pairs if _is_address(h)]


async def resolve(trunk: TrunkConfig, resolver: dns.asyncresolver.Resolver) -> Resolved:
    """Resolve a trunk's servers; names without an answer are left out and told."""
    targets: list[Target] = []
    failed: list[str] = []
    ttls: list[int] = []
    for each in trunk.servers:
        host, port = split_server(each)
        if _is_address(host):
            target = Target(host, port or default_port(trunk.transport), trunk.transport, host)
            targets.append(target)
            continue
        found = await _lookup(host, port, trunk.transport, resolver, ttls)
        targets += found
        if not found:
            failed.append(host)
    unique = tuple(dict.fromkeys(targets))
    shortest = min(ttls, default=LONGEST_S)
    good_for_s = FAILED_S if failed else max(SHORTEST_S, min(shortest, LONGEST_S))
    return Resolved(unique, good_for_s, tuple(failed))


async def _lookup(
    host: str,
    port: int | None,
    transport: Transport,
    resolver: dns.asyncresolver.Resolver,
    ttls: list[int],
) -> list[Target]:
    places = [SrvRecord(0, 0, port or default_port(transport), host)]
    if port is None:
        records = await _ask(resolver, f"{_SERVICES[transport]}.{host}", "SRV", ttls)
        srv = [SrvRecord(e.priority, e.weight, e.port, str(e.target).rstrip(".")) for e in records]
        places = order_srv(srv, random.random) or places
    targets = []
    for place in places:
        for kind in ("A", "AAAA"):
            for record in await _ask(resolver, place.host, kind, ttls):
                targets.append(Target(str(record.address), place.port, transport, host))
    return targets


async def _ask(
    resolver: dns.asyncresolver.Resolver, name: str, kind: str, ttls: list[int]
) -> list[Any]:
    try:
        answer = await resolver.resolve(name, kind, lifetime=_TIMEOUT_S, search=False)
    except dns.exception.DNSException:
        return []
    if answer.rrset is not None:
        ttls.append(int(answer.rrset.ttl))
    return list(answer)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
