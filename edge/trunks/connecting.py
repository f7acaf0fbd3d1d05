"""Make what the dial plan's actions ask for (the only place but a queue that may call out).

Toll fraud: an outbound leg goes to the ``number`` of a dial rule, filled in with digits that the
rule's own patterns captured, over the trunk that the rule names. No word of a caller or of a model
gets here. A call that has been through here ``MOST_HOPS`` times is not sent out again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from edge.call_events import EndReason
from edge.call_surroundings import Asked
from edge.called_side import Destination as Dialled
from edge.dialplan.plan import Action
from edge.front.addresses import REGISTERED_HEADER, phone_uri
from edge.outbound import OutboundLegs
from edge.trunks import identity
from edge.trunks.announcement import Announcement, refuse
from edge.trunks.bridge import BridgedNumber
from edge.trunks.conversation import Conversation
from edge.trunks.destination import Chain, Destination, DestinationError
from edge.trunks.limits import TrunkUse
from edge.trunks.routing import HOPS_HEADER, MOST_HOPS, Offered, Routing
from edge.trunks.servers import REGISTERED, Target, route_to
from edge.trunks.trunk_call import Route
from edge.ua.route import local_address_toward
from media.config.trunks import Dtmf, SessionTimersConfig, TrunkConfig
from media.messages import CallId

RING_TIMEOUT_S = 60.0
DIALLABLE = re.compile(r"[+]?[0-9A-Za-z*#._-]{1,64}\Z")

QueueDesk = Callable[[CallId, str, Mapping[str, str]], Destination]
"""Takes a caller to the people of a queue: call, queue's name, variables."""


class KnownServers(Protocol):
    """What is known of the trunks' servers."""

    def targets(self, trunk: str, *, spare: bool = False) -> tuple[Target, ...]:
        """Return the servers to try, in order; none that is down where there is a spare way."""

    def note_dead(self, trunk: str, target: Target, reason: str) -> None:
        """A call found a server dead."""


@dataclass(slots=True)
class Connector:
    """Makes destinations.

    Args:
        media: the media process.
        agent: the agent process.
        legs: places outbound calls.
        use: what the trunks carry.
        carriers: the trunks' servers.
        domain: returns the host part of our own addresses.
        retry_after_s: returns Retry-After where a trunk has none of its own.
        queue_desk: takes callers to people, None while there are no queues.
    """

    media: Asked
    agent: Asked
    legs: OutboundLegs
    use: TrunkUse
    carriers: KnownServers
    domain: Callable[[], str]
    retry_after_s: Callable[[], int]
    queue_desk: QueueDesk | None = None

    def chain(
        self,
        routing: Routing,
        actions: tuple[Action, ...],
        offered: Offered,
        call_id: CallId,
        variables: Mapping[str, str],
    ) -> Chain:
        """Make the destinations of a decision, to be tried in turn."""
        return Chain(
            tuple(
                partial(
                    self._make,
                    routing,
                    each,
                    offered,
                    call_id,
                    {**variables, **each.variables},
                    spare=left > 0,
                )
                for left, each in zip(reversed(range(len(actions))), actions, strict=True)
            )
        )

    def _make(
        self,
        routing: Routing,
        action: Action,
        offered: Offered,
        call_id: CallId,
        variables: dict[str, str],
        *,
        spare: bool,
    ) -> Destination:
        if action.agent is not None:
            return Conversation(self.agent, action.agent, variables)
        if action.announce is not None:
            return Announcement(self.media, action.announce)
        if action.number is not None and action.trunk is not None:
            trunk, number = action.trunk, action.number
            return self.number(routing, trunk, number, offered, variables, spare=spare)
        if action.queue is not None:
            if self.queue_desk is None:
                reason = f"queue {action.queue} is not attended"
                raise DestinationError(reason, 480, EndReason.NOT_REACHED)
            return self.queue_desk(call_id, action.queue, variables)
        return refuse(action.reject or 404, action.reason)

    def number(
        self,
        routing: Routing,
        trunk: str,
        number: str,
        offered: Offered,
        variables: Mapping[str, str],
        *,
        spare: bool = False,
    ) -> Destination:
        """Make the call of a number out over a trunk.

        Args:
            routing: in force.
            trunk: that it goes out over.
            number: E.164.
            offered: the call that asked for it.
            variables: of the call.
            spare: whether something else follows, so that servers known down need no try.

        Raises:
            DestinationError: it must not be called.
        """
        if offered.hops >= MOST_HOPS:
            reason = f"the call came through here {offered.hops} times"
            raise DestinationError(reason, 483, EndReason.REJECTED)
        if not DIALLABLE.match(number):
            raise DestinationError("the plan made no number of it", 484, EndReason.REJECTED)
        headers = {HOPS_HEADER: str(offered.hops + 1)}
        route = self.route(routing, trunk, number, offered.caller, variables, headers, spare=spare)
        return BridgedNumber(self.legs, route)

    def route(
        self,
        routing: Routing,
        trunk: str,
        number: str,
        caller: str,
        variables: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        spare: bool = False,
    ) -> Route:
        """Say how a number is reached over a trunk: its servers in order, its limits."""
        return Route(
            trunk,
            self.carriers.targets(trunk, spare=spare),
            lambda target: self.dialled(routing, trunk, number, target, caller, variables, headers),
            RING_TIMEOUT_S,
            partial(self.begin, trunk),
            partial(self.use.end, trunk),
            partial(self.carriers.note_dead, trunk),
        )

    def dialled(
        self,
        routing: Routing,
        trunk: str,
        number: str,
        target: Target,
        caller: str,
        variables: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Dialled:
        """Return how a number is called at one server of a trunk."""
        config = routing.trunk(trunk)
        numbers = routing.numbers[trunk]
        uri, where, registered = _uri(target, numbers.send(number)), {}, ""
        if target is REGISTERED and config.digest is not None:
            uri = phone_uri(routing.config, numbers.send(number))
            registered = config.digest.username
            where = {REGISTERED_HEADER: registered}
        register = config.register
        domain = (register.domain or target.name or target.host) if register else self.domain()
        from_uri, display, own = identity.origin_of(config, numbers, caller, domain)
        own_media = routing.config.media.address
        foreign = target.host and (":" in target.host) != (":" in own_media)
        return Dialled(
            uri=uri,
            from_uri=from_uri,
            display=display,
            headers={**headers, **own, **_mapped(config, variables), **where},
            codecs=config.codecs,
            user=(register.auth_username or register.username) if register else "",
            password=routing.passwords.get(trunk, ""),
            address=_toward(target.host) if foreign else None,
            registered=registered,
            proxy=route_to(target) if target.name != target.host else "",
            dtmf_in_audio=config.dtmf is not Dtmf.INFO,
            session_timers=str(config.session_timers.mode),
            session_expires_s=_expires_s(config),
            session_min_s=config.session_timers.min_s,
            session_refresher=str(config.session_timers.refresher),
            rel100=str(config.rel100),
            srtp=config.srtp,
            silence_s=config.silence_s,
        )

    def begin(self, trunk: str) -> DestinationError | None:
        """Count an outbound call on its trunk; return why it must not begin."""
        full = self.use.begin(trunk, time.monotonic_ns())
        if full is None:
            return None
        headers = full.headers(self.retry_after_s())
        return DestinationError(full.reason, full.sip_status, EndReason.FULL, headers)


def _expires_s(config: TrunkConfig) -> int | None:
    """Return Session-Expires where it is not what every worker asks for."""
    timers = config.session_timers
    usual = SessionTimersConfig()
    same = (timers.expires_s, timers.min_s) == (usual.expires_s, usual.min_s)
    return None if same else timers.expires_s


def _toward(host: str) -> str | None:
    try:
        return local_address_toward(host)
    except OSError:  # no way there: the call will say so
        return None


def _uri(target: Target, user: str) -> str:
    """Return the Request-URI: with the server's own name, where it has one."""
    if target.name in ("", target.host):
        return target.uri(user)
    return f"sip:{user}@{target.name}"


def _mapped(config: TrunkConfig, variables: Mapping[str, str]) -> dict[str, str]:
    return {
        header: identity.header_value(variables[name])
        for name, header in config.headers.from_variables.items()
        if variables.get(name)
    }
