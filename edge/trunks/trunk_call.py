"""Place one call over a trunk: its servers in turn, counted against the trunk's limits (shell).

A server that does not answer, or answers that it cannot, is passed over unless the phone has rung
already. Whatever way the call ends, it is counted off once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edge.call_events import EndReason
from edge.called_side import Destination as Dialled
from edge.leg_listeners import EarlyListener, LegListener, MachineListener
from edge.outbound import OutboundLeg, OutboundLegs
from edge.trunks.destination import DestinationError
from edge.trunks.servers import DEAD_STATUSES, Target
from edge.ua.messages import UaConfirmed, UaReferred
from media.messages import CallId, MachineSign

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Route:
    """How one number is reached."""

    trunk: str
    targets: tuple[Target, ...]
    dialled: Callable[[Target], Dialled]
    """Makes the call to one server."""
    ring_timeout_s: float
    begin: Callable[[], DestinationError | None]
    """Count the call on its trunk; returns why it must not begin."""
    end: Callable[[], None]
    """Count its end."""
    note_dead: Callable[[Target, str], None]


class TrunkCall:
    """A call to one number, whose leg is another one at each server that is tried.

    Args:
        legs: places the legs.
        route: how the number is reached.
        call_id: of the call it belongs to.
        name: of the legs.
        listener: told what happens, as of one leg.
    """

    def __init__(
        self, legs: OutboundLegs, route: Route, call_id: CallId, name: str, listener: LegListener
    ) -> None:
        self.leg: OutboundLeg | None = None
        self.server = "no server"
        self._legs = legs
        self._route = route
        self._call_id = call_id
        self._name = name
        self._listener = listener
        self._left = list(route.targets)
        self._target: Target | None = None
        self._rang = self._up = self._counted = False

    def start(self) -> None:
        """Count the call and begin at the first server; news come later.

        Raises:
            DestinationError: the trunk is full, or has no server.
        """
        refusal = self._route.begin()
        if refusal is not None:
            raise refusal
        self._counted = True
        if not self._left:
            self._count_off()
            reason = f"trunk {self._route.trunk}, no server: 503"
            raise DestinationError(reason, 503, EndReason.NOT_REACHED)
        self._dial_next()

    def _dial_next(self) -> None:
        self._target = self._left.pop(0)
        self.server = str(self._target)
        dialled = self._route.dialled(self._target)
        self.leg = self._legs.dial(self._call_id, self._name, dialled, self)

    @property
    def stream(self) -> int | None:
        """The stream at media, None before and after."""
        return self.leg.stream if self.leg is not None else None

    @property
    def codec(self) -> str:
        """What was agreed, empty before."""
        return self.leg.codec if self.leg is not None else ""

    @property
    def confirmed(self) -> UaConfirmed | None:
        """The dialog, None before the answer."""
        return self.leg.confirmed if self.leg is not None else None

    def release(self, *, answered_elsewhere: bool = False) -> None:
        """End the call: CANCEL while it rings, BYE afterwards; nobody is told any more."""
        self._left.clear()
        self._count_off()
        if self.leg is not None:
            self.leg.release(answered_elsewhere=answered_elsewhere)

    def _count_off(self) -> None:
        if self._counted:
            self._counted = False
            self._route.end()

    # ------------------------------------------------------------ what the leg tells

    def leg_rings(self, leg: OutboundLeg) -> None:
        """Note that the server is alive, and the phone, too."""
        self._rang = True
        self._listener.leg_rings(leg)

    def leg_audible(self, leg: OutboundLeg) -> None:
        """Pass on to who wants early media."""
        if isinstance(self._listener, EarlyListener):
            self._listener.leg_audible(leg)

    def leg_answered(self, leg: OutboundLeg) -> None:
        """Pass on."""
        self._up = True
        self._listener.leg_answered(leg)

    def leg_gone(self, leg: OutboundLeg, sip_status: int) -> None:
        """Go on to the next server, or pass on."""
        silent = not (self._rang or self._up)
        if silent and self._target is not None and sip_status in DEAD_STATUSES:
            trunk, server = self._route.trunk, self.server
            self._route.note_dead(self._target, f"INVITE: {sip_status}")
            log.warning("server_passed_over", trunk=trunk, server=server, sip_status=sip_status)
            if self._left:
                self._dial_next()
                return
        self._count_off()
        self._listener.leg_gone(leg, sip_status)

    def leg_pressed(self, leg: OutboundLeg, digit: str) -> None:
        """Pass on."""
        self._listener.leg_pressed(leg, digit)

    def leg_referred(self, leg: OutboundLeg, referred: UaReferred) -> None:
        """Pass on."""
        self._listener.leg_referred(leg, referred)

    def leg_sounds_like_machine(self, leg: OutboundLeg, sign: MachineSign) -> None:
        """Pass on to who asked."""
        if isinstance(self._listener, MachineListener):
            self._listener.leg_sounds_like_machine(leg, sign)
