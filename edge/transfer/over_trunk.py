"""Say how a person's number is reached over a trunk, as the dial plan's calls go (sans-IO)."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from edge.called_side import Destination
from edge.transfer.invitation import local_address, shown_caller
from edge.transfer.order import Order
from edge.trunks.connecting import DIALLABLE, Connector
from edge.trunks.routing import HOPS_HEADER, Routing
from edge.trunks.servers import Target
from edge.trunks.trunk_call import Route
from media import ConfigError
from media.config.model import Config
from media.config.queues import QueueConfig
from media.config.trunks import TrunkConfig

_ASSERTED = "P-Asserted-Identity"


class TrunksInForce(Protocol):
    """The trunks' side of the switchboard."""

    @property
    def connector(self) -> Connector:
        """Knows how a trunk is dialled."""

    @property
    def routing(self) -> Routing:
        """The configuration in force."""


def route_over_trunk(
    trunks: TrunksInForce,
    trunk: str,
    number: str,
    order: Order,
    short_reason: str,
    queue: QueueConfig | None,
) -> Route:
    """Return the way to a number: the trunk's servers, terms, limits and number format.

    Args:
        trunks: in force.
        trunk: that it goes out over.
        number: as configured.
        order: the caller.
        short_reason: a few words for the display, empty where nothing is known.
        queue: whose ``alert_info`` and ``call_info`` are sent; None for a number outside.

    Raises:
        ConfigError: the trunk is gone, or it is no number.
    """
    routing = trunks.routing
    if trunk not in routing.config.trunks:
        raise ConfigError([f'no trunk leads to "{number}"'])
    called = routing.numbers[trunk].receive(number)
    if not DIALLABLE.match(called):
        raise ConfigError([f'"{number}" is no number'])
    names = {"called": called, "caller": order.caller, "trunk": trunk, "queue": order.queue}
    hops = {HOPS_HEADER: "1"}
    route = trunks.connector.route(routing, trunk, called, order.caller, names, hops)

    def dialled(target: Target) -> Destination:
        made = route.dialled(target)
        own = local_address(routing.config, target.uri(), made.registered)
        made = replace(made, address=own or made.address)
        return _announced(made, routing.config, routing.trunk(trunk), order, short_reason, queue)

    return replace(route, dialled=dialled)


def way_out(config: Config, named: str, caller_trunk: str) -> str:
    """Return the trunk of a number outside that no person has.

    Args:
        config: the trunks.
        named: in the fallback, empty where none is.
        caller_trunk: what the caller came over.

    Raises:
        ConfigError: none leads out.
    """
    trunks = config.trunks
    if named:
        return named
    if caller_trunk in trunks and trunks[caller_trunk].carries_calls_out:
        return caller_trunk
    found = next((name for name, each in trunks.items() if each.servers), None)
    if found is None:
        raise ConfigError(["no trunk has servers to call out over"])
    return found


def _announced(
    made: Destination,
    config: Config,
    trunk: TrunkConfig,
    order: Order,
    short_reason: str,
    queue: QueueConfig | None,
) -> Destination:
    """Add what a person's display shows; who calls is said by the trunk's own rules.

    A trunk without a number of its own is one of desk phones: they are shown the caller.
    """
    shown = shown_caller(config, order, short_reason, queue, made.address, made.registered)
    identity, headers, from_uri = trunk.identity, dict(shown.headers), made.from_uri
    own = identity.number or trunk.register is not None
    if own or identity.send_from == "anonymous":
        del headers[_ASSERTED]
    else:
        from_uri = shown.from_uri
        if not identity.send_asserted:
            del headers[_ASSERTED]
    return replace(
        made,
        from_uri=from_uri,
        display=made.display or shown.display,
        headers=headers | made.headers,
    )
