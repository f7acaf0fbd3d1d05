"""Say what a leg needs from its worker, and keep the faults of its callbacks from pjsua2."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from edge.ua.sip_text import SipText
from media.messages import Message

if TYPE_CHECKING:
    from edge.ua.leg import Leg


class LegOwner(Protocol):
    """What a leg needs from its worker."""

    @property
    def behind_front(self) -> bool:
        """Whether a front translates what pjsip cannot say or understand."""

    def emit(self, message: Message) -> None:
        """Send a message to control."""

    def leg_changed(self, leg: Leg) -> None:
        """Have :meth:`Leg.settle` called once the running callback is over."""

    def leg_failed(self, leg: Leg, error: Exception) -> None:
        """End a leg in whose callback we failed; called at most a few times per leg."""

    def offer_refused(self, leg: Leg, status: int, reason: str) -> None:
        """Take notice that our re-INVITE was refused finally."""

    def answer_info(self, leg: Leg, rdata: Any) -> None:
        """Answer an INFO that pjsua2 leaves to us with 200."""

    def replace(self, leg: Leg, text: SipText, source: str) -> Leg:
        """Make the leg that takes over ``leg`` (RFC 3891)."""


def guarded(callback: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Wrap a callback of pjsua2: what it raises ends that one leg and is logged."""

    @functools.wraps(callback)
    def wrapped(self: Leg, parameters: Any) -> None:
        try:
            callback(self, parameters)
        except Exception as error:
            self.owner.leg_failed(self, error)

    return wrapped
