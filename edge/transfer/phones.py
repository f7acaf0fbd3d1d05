"""Ring the phones of one transfer, and know which leg is whose (asyncio shell)."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from edge.call_events import EndReason
from edge.called_side import Destination
from edge.outbound import OutboundLeg
from edge.transfer import events as e
from edge.transfer.briefing import Briefing
from edge.transfer.fallback import TRUNK
from edge.transfer.invitation import invitation
from edge.transfer.order import Order, TransferSurroundings
from edge.transfer.over_trunk import route_over_trunk, way_out
from edge.transfer.refer_target import blind_target
from edge.trunks.destination import DestinationError
from edge.trunks.trunk_call import Route, TrunkCall
from edge.ua.messages import UaReferred
from edge.ua.sip_text import ReplacesTarget, replaces_uri
from media import ConfigError, RemoteError
from media.messages import ListenForMachine, MachineSign

OUTSIDE = "outside"
"""Stands for the member where a number is called and no queue is asked."""
BUSY = 486
"""What a person is taken for while the trunk to their phone is full: rung again later."""

log = structlog.get_logger()


class Phones:
    """Every leg of one transfer.

    Args:
        order: the caller.
        around: the service.
        briefing: what the displays show.
        post: told what becomes of each leg.
        on_referred: told what a person points to by the phone's transfer key.
        first_attempt: number of the first leg within the call.
    """

    def __init__(
        self,
        order: Order,
        around: TransferSurroundings,
        briefing: Briefing,
        post: Callable[[e.TransferEvent], None],
        on_referred: Callable[[str, UaReferred], None],
        first_attempt: int,
    ) -> None:
        self._order = order
        self._around = around
        self._briefing = briefing
        self._post = post
        self._on_referred = on_referred
        self._next = first_attempt
        self._legs: dict[str, OutboundLeg | TrunkCall] = {}

    async def dial(self, member: str, queue: str, number: str, wanted: Callable[[], bool]) -> None:
        """Call a member of a queue, or a number for ``OUTSIDE``.

        Args:
            member: name under ``people``, or ``OUTSIDE``.
            queue: whose member it is.
            number: of ``OUTSIDE``; a trunk's name may follow it.
            wanted: whether the call is still to be made once the display's words are there.

        Raises:
            CordboardError: there is no way to call it.
        """
        way = await self._way(member, queue, number)
        if not wanted():
            return
        name = f"agent-{self._next}"
        self._next += 1
        call_id, legs = self._order.call_id, self._around.legs
        if isinstance(way, Destination):
            self._legs[member] = legs.dial(call_id, name, way, self)
            return
        call = TrunkCall(legs, way, call_id, name, self)
        try:
            call.start()
        except DestinationError as error:
            if error.end_reason is not EndReason.FULL:
                raise
            log.warning("phone_failed", call_id=call_id, leg=name, reason=str(error))
            self._post(e.PhoneGone(member, BUSY))
            return
        self._legs[member] = call

    async def _way(self, member: str, queue_name: str, number: str) -> Destination | Route:
        config, order = self._around.config, self._order
        if member == OUTSIDE:
            number, _, named = number.partition(TRUNK)
            phone, trunk, queue, reason = number, None, None, order.reason
            if not number.startswith(("sip:", "sips:")) and (named or number not in config.phones):
                trunk = way_out(config, named, order.trunk)
        else:
            queue = config.queues[queue_name]
            waited_s = (time.monotonic_ns() - order.decided_ns) / 1e9
            await self._briefing.settle(queue.whisper.summary_wait_ms / 1e3 - waited_s)
            reason, person = self._briefing.short_reason(), config.people[member]
            phone, trunk = person.phone, person.trunk
        if trunk is None:
            return invitation(config, queue, phone, order, reason)
        if self._around.trunks is None:
            raise ConfigError([f'no trunk leads to "{phone}"'])
        return route_over_trunk(self._around.trunks, trunk, phone, order, reason, queue)

    def listen_for_machine(self, member: str, queue: str) -> None:
        """Have media say what speaks for a mailbox at a phone that was answered."""
        wanted = self._around.config.queues[queue].whisper.hear_machines
        leg = self._legs.get(member)
        if wanted and leg is not None and leg.stream is not None:
            self._around.media.send(ListenForMachine(leg.stream))

    def stream(self, member: str) -> int:
        """Return a phone's stream at media.

        Raises:
            RemoteError: the phone is gone.
        """
        leg = self._legs.get(member)
        if leg is None or leg.stream is None:
            raise RemoteError("the phone is gone")
        return leg.stream

    def codec(self, member: str) -> str:
        """Return what was agreed with a phone, empty where it is gone."""
        leg = self._legs.get(member)
        return leg.codec if leg is not None else ""

    def refer_to(self, wish: e.SendRefer, number: str) -> str:
        """Return the Refer-To of a REFER.

        Args:
            wish: by ``Replaces`` its reader takes over our dialog with the phone, a blind one makes
                it call the member, or the number for ``OUTSIDE``.
            number: of ``OUTSIDE``.

        Raises:
            RemoteError: the phone is gone, or has no address for others.
        """
        if wish.blind:
            config = self._around.config
            outside = wish.member == OUTSIDE
            address = number if outside else config.people[wish.member].phone
            return blind_target(config, address, self._order.trunk)
        leg = self._legs.get(wish.member)
        phone = leg.confirmed if leg is not None else None
        if phone is None:
            raise RemoteError("the phone is gone")
        target = ReplacesTarget(phone.sip_call_id, phone.remote_tag, phone.local_tag)
        return replaces_uri(phone.remote_contact, target)

    def release(self, member: str, *, elsewhere: bool = False) -> None:
        """End a leg: CANCEL while it rings, BYE afterwards."""
        leg = self._legs.pop(member, None)
        if leg is not None:
            leg.release(answered_elsewhere=elsewhere)

    def release_all(self) -> None:
        """End every leg."""
        for member in list(self._legs):
            self.release(member)

    # ------------------------------------------------------------ what legs tell

    def leg_rings(self, leg: OutboundLeg) -> None:
        """Pass on."""
        self._post(e.PhoneRings(self._member(leg)))

    def leg_answered(self, leg: OutboundLeg) -> None:
        """Pass on."""
        self._post(e.PhoneAnswered(self._member(leg)))

    def leg_gone(self, leg: OutboundLeg, sip_status: int) -> None:
        """Pass on."""
        self._post(e.PhoneGone(self._member(leg), sip_status))

    def leg_pressed(self, leg: OutboundLeg, digit: str) -> None:
        """Pass on."""
        self._post(e.PhoneKey(self._member(leg), digit))

    def leg_sounds_like_machine(self, leg: OutboundLeg, sign: MachineSign) -> None:
        """Pass on: a beep decides, speech alone does not."""
        member, beep = self._member(leg), sign is MachineSign.BEEP
        self._post(e.VoicemailHeard(member) if beep else e.VoicemailSuspected(member))

    def leg_referred(self, leg: OutboundLeg, referred: UaReferred) -> None:
        """Pass on."""
        self._on_referred(self._member(leg), referred)

    def _member(self, leg: OutboundLeg) -> str:
        return next(
            (
                name
                for name, each in self._legs.items()
                if (each.leg if isinstance(each, TrunkCall) else each) is leg
            ),
            "",
        )
