"""Know every trunk's servers: where they are, which of them answer."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog

from edge.trunks.servers import Servers, Target, default_port, split_server
from media.config.trunks import TrunkConfig

log = structlog.get_logger()


class TrunkServers:
    """The servers of every trunk.

    Args:
        trunks: from the configuration.
    """

    def __init__(self, trunks: Mapping[str, TrunkConfig]) -> None:
        self.by_trunk: dict[str, Servers] = {}
        self.set_trunks(trunks)

    def set_trunks(self, trunks: Mapping[str, TrunkConfig]) -> None:
        """Take over a (re)loaded configuration; what is known of servers that stay is kept."""
        kept = self.by_trunk
        self.by_trunk = {}
        for name, trunk in trunks.items():
            servers = Servers(trunk.qualify, kept[name].all if name in kept else [])
            servers.set_targets(_static(trunk))
            self.by_trunk[name] = servers

    def targets(self, trunk: str) -> tuple[Target, ...]:
        """Return the servers to try, in order."""
        return tuple(self.by_trunk[trunk].usable()) if trunk in self.by_trunk else ()

    def note_dead(self, trunk: str, target: Target, reason: str) -> None:
        """A call found a server dead."""
        log.warning("server_dead", trunk=trunk, server=str(target), reason=reason)
        if trunk in self.by_trunk:
            self.by_trunk[trunk].note_dead(target, reason, time.monotonic_ns())


def _static(trunk: TrunkConfig) -> list[Target]:
    targets = []
    for each in trunk.servers:
        host, port = split_server(each)
        targets.append(Target(host, port or default_port(trunk.transport), trunk.transport, host))
    return targets
