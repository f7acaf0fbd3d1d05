"""Say what becomes of an outbound leg, to whoever placed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edge.ua.messages import UaReferred
from media.messages import MachineSign

if TYPE_CHECKING:
    from edge.outbound import OutboundLeg


class LegListener(Protocol):
    """Who wants to know what becomes of a leg."""

    def leg_rings(self, leg: OutboundLeg) -> None:
        """18x came."""

    def leg_answered(self, leg: OutboundLeg) -> None:
        """200 came and media knows the far end."""

    def leg_gone(self, leg: OutboundLeg, sip_status: int) -> None:
        """The dialog is over; told once."""

    def leg_pressed(self, leg: OutboundLeg, digit: str) -> None:
        """A key, by RFC 4733 or INFO."""

    def leg_referred(self, leg: OutboundLeg, referred: UaReferred) -> None:
        """The phone asked us to call somebody; it was answered 603."""


@runtime_checkable
class EarlyListener(Protocol):
    """A listener that wants early media, too."""

    def leg_audible(self, leg: OutboundLeg) -> None:
        """Media knows the far end, which has not answered yet."""


@runtime_checkable
class MachineListener(Protocol):
    """A listener that wants to know whether a machine answered; it asks media itself."""

    def leg_sounds_like_machine(self, leg: OutboundLeg, sign: MachineSign) -> None:
        """Media heard what speaks for one."""
