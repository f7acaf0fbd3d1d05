"""Take new INVITEs in: whether there is room, which leg they become, how the others are refused.

A worker that takes INVITEs straight from the network keeps its last slot free, to refuse in it
properly: pjsua2 answers the one that finds no slot at all with a bare 486.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pjsua2 as pj
import structlog

from edge import sdp
from edge.ua.endpoint import operation
from edge.ua.invite import describe_invite
from edge.ua.leg import Leg
from edge.ua.leg_owner import LegOwner
from edge.ua.messages import UaLimit, UaSettings
from edge.ua.proxied import true_source
from edge.ua.refusal import refused
from edge.ua.screen import Load, Refused
from edge.ua.sip_text import SipText, clean, parse_message
from edge.ua.terms import Terms
from media.config.trunks import OnOff

REFUSALS_TOLD = 20
"""So many refused INVITEs between two heartbeats are reported one by one; all are counted."""

log = structlog.get_logger()


class Arrivals:
    """The INVITEs that belong to no dialog. SIP thread only.

    Args:
        settings: from control.
        legs: of the worker, by number; what is taken in is put there.
        owner: of the legs.
        account: returns the one that INVITEs come to.
        terms: returns those of an INVITE and its source.
    """

    def __init__(
        self,
        settings: UaSettings,
        legs: dict[int, Leg],
        owner: LegOwner,
        account: Callable[[], pj.Account],
        terms: Callable[[SipText, str], Terms],
    ) -> None:
        self._settings = settings
        self._legs = legs
        self._owner = owner
        self._account = account
        self._terms = terms
        self.callers = 0
        """Inbound legs that are taken at once; 0 while draining."""
        self.most = 0
        """Legs at once while callers are taken."""
        self.refused = 0
        """INVITEs answered 503 since the start."""
        self.refused_legs: list[Leg] = []
        """Those that pjsua2 still holds for an INVITE that is refused."""
        self._retry_after_s = settings.retry_after_s
        self._next_leg = 0
        self._told = 0
        self._refusals: list[tuple[Leg, pj.CallOpParam]] = []

    def open(self, slots: int) -> None:
        """Begin to take callers, as many as are wanted and the build has slots for."""
        self.most = slots - (0 if self._settings.behind_front else 1)
        wanted = self._settings.callers
        self.callers = self.most if wanted is None else min(wanted, self.most)

    def limit(self, message: UaLimit) -> None:
        """Take another number of callers from now on."""
        self.callers = max(0, min(message.callers, self.most))
        self._retry_after_s = message.retry_after_s

    def next_number(self) -> int:
        """Return the number of a new inbound leg."""
        self._next_leg += 1
        return self._next_leg

    def load(self) -> Load:
        """Return how much has been taken on."""
        inbound = sum(number > 0 for number in self._legs)
        full = inbound >= self.callers or len(self._legs) >= self.most
        return Load(self.callers, full, self._retry_after_s)

    def source(self, text: SipText, source: str) -> str:
        """Return where a request really came from."""
        return true_source(text.headers, source) if self._settings.behind_front else source

    # ------------------------------------------------------------ news

    def note_refused(self, invite: Refused) -> None:
        """Count an INVITE that never became a leg, and tell control."""
        self.refused += invite.status == 503
        self._told += 1
        if self._told <= REFUSALS_TOLD:
            source = self.source(invite.text, invite.source)
            self._owner.emit(refused(invite.text, source, invite.status, invite.reason))

    def tell_again(self) -> None:
        """Begin to count anew how many refusals are told one by one."""
        self._told = 0

    def _tell_refused(self, rdata: Any, status: int, reason: str) -> None:
        text = parse_message(rdata.wholeMsg)
        self._owner.emit(refused(text, self.source(text, rdata.srcAddress), status, reason))

    # ------------------------------------------------------------ INVITEs

    def receive(self, prm: Any) -> None:
        """Take an INVITE in, or have it refused once the callback is over."""
        leg: Leg | None = None
        try:
            leg = Leg(self._account(), 0, self._owner, prm.callId)
            self.refused_legs.append(leg)
            self._take(leg, prm.rdata)
        except sdp.SdpError as error:
            assert leg is not None
            self._refuse(leg, error.sip_status, str(error), error.headers())
            self._tell_refused(prm.rdata, error.sip_status, str(error))
        except Exception as error:
            log.error("invite_failed", exc_info=error)
            if leg is not None:
                self._refuse(leg, 500, "Server Internal Error", {})
                self._tell_refused(prm.rdata, 500, repr(error))

    def _take(self, leg: Leg, rdata: Any) -> None:
        inbound = sum(number > 0 for number in self._legs)
        if inbound >= self.callers or len(self._legs) >= self.most:
            self.refused += 1
            retry = {"Retry-After": str(self._retry_after_s)}
            self._refuse(leg, 503, "Service Unavailable", retry)
            busy = f"{inbound} of {self.callers} callers"
            self._tell_refused(rdata, 503, busy)
            return
        text = parse_message(rdata.wholeMsg)
        if text.sdp:
            sdp.check_offer(sdp.parse(text.sdp), sdp.CODECS)
        elif text.body.strip():
            raise sdp.SdpError("body is not SDP", 415)
        self.refused_legs.remove(leg)
        leg.number = self.next_number()
        self._legs[leg.number] = leg
        leg.read_invite(text)
        terms = self._terms(text, clean(rdata.srcAddress))
        leg.rel100 = terms.rel100 is not OnOff.OFF
        source = self.source(text, clean(rdata.srcAddress))
        self._owner.emit(describe_invite(leg.number, text, source, None))

    def _refuse(self, leg: Leg, status: int, reason: str, headers: dict[str, str]) -> None:
        # not in the callback that brought the INVITE: pjsip aborts where it had no offer
        leg.ending = True
        self._refusals.append((leg, operation(status, reason, headers)))

    # ------------------------------------------------------------ after callbacks

    def settle(self) -> None:
        """Send the refusals that the last callbacks left."""
        refusals, self._refusals = self._refusals, []
        for leg, parameters in refusals:
            leg.answer(parameters)

    def forget_gone(self) -> None:
        """Let go of refused legs that pjsua2 is done with."""
        self.refused_legs = [leg for leg in self.refused_legs if not leg.gone]
