"""Connect a caller to a number out over a trunk: two dialogs, their audio joined at media.

Early media of the far end (an announcement, its own ringback) reaches a caller whose INVITE had an
offer; any other hears the ringing of 180.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from edge.call_events import EndReason, HangUpAsked, Party
from edge.outbound import OutboundLeg, OutboundLegs
from edge.trunks.destination import DestinationError, Line
from edge.trunks.trunk_call import Route, TrunkCall
from edge.ua.messages import UaReferred, UaSendDigit
from media import RemoteError
from media.link import RequestFailedError
from media.messages import JoinStreams, SendDtmf

LEG_NAME = "trunk-1"
_PASSED_ON = frozenset({403, 404, 410, 480, 484, 486, 488, 503, 600, 603, 604, 606})
"""What the far end said that means the same to the caller."""

log = structlog.get_logger()


class BridgedNumber:
    """A number that is called while the caller hears ringing.

    Args:
        legs: places the call.
        route: how it goes.
    """

    uses_agent = False

    def __init__(self, legs: OutboundLegs, route: Route) -> None:
        self._legs = legs
        self._route = route
        self._line: Line | None = None
        self._call: TrunkCall | None = None
        self._outcome: asyncio.Future[int] | None = None
        self._early = False
        self._over = False

    async def prepare(self, line: Line) -> None:
        """Call the number; returns when it was answered and both hear each other.

        Raises:
            DestinationError: nobody answered.
        """
        self._line = line
        self._outcome = asyncio.get_running_loop().create_future()
        call = self._call = TrunkCall(self._legs, self._route, line.call_id, LEG_NAME, self)
        call.start()
        try:
            async with asyncio.timeout(self._route.ring_timeout_s):
                status = await self._outcome
        except TimeoutError:
            call.release()
            status = 487
        if status < 300:
            await self._join(line)
            return
        passed = status if status in _PASSED_ON else 408 if status == 487 else 503
        reason = f"trunk {self._route.trunk}, {call.server}: {status}"
        raise DestinationError(reason, passed, EndReason.NOT_REACHED)

    async def _join(self, line: Line) -> None:
        stream = self._call.stream if self._call is not None else None
        if stream is None:
            raise DestinationError("the call was over at once", 503, EndReason.NOT_REACHED)
        if self._early:
            return
        try:
            await self._legs.media.request(JoinStreams(line.stream, stream))
        except RemoteError as error:
            raise DestinationError(str(error), 503, EndReason.MEDIA_FAILED) from error

    # ------------------------------------------------------------ what the leg tells

    def leg_rings(self, leg: OutboundLeg) -> None:
        """Nothing: the caller hears ringing already."""

    def leg_audible(self, leg: OutboundLeg) -> None:
        """Let early media through."""
        if leg.stream is not None and not self._early and self._line is not None:
            self._early = True
            self._line.spawn(self._open_early(self._line, leg.stream))

    async def _open_early(self, line: Line, stream: int) -> None:
        try:
            await self._legs.media.request(JoinStreams(line.stream, stream))
        except RemoteError as error:
            self._early = False
            log.warning("early_media_failed", reason=str(error))
            return
        line.open_early_audio()

    def leg_answered(self, leg: OutboundLeg) -> None:
        """Let prepare() return."""
        self._tell(200)

    def leg_gone(self, leg: OutboundLeg, sip_status: int) -> None:
        """Let prepare() fail, or end the call."""
        if self._outcome is not None and not self._outcome.done():
            self._tell(sip_status if sip_status >= 300 else 503)
        elif self._line is not None and not self._over:
            self._line.post(HangUpAsked(Party.CALLED, EndReason.CALLED_HANGUP))

    def leg_pressed(self, leg: OutboundLeg, digit: str) -> None:
        """Pass a key on to the caller."""
        line = self._line
        if line is not None:
            self._send_digit(line, line.stream, digit, line.send_info)

    def leg_referred(self, leg: OutboundLeg, referred: UaReferred) -> None:
        """Nothing: only the dial plan makes calls; the REFER was answered 603."""
        log.info("refer_refused", leg=leg.name)

    # ------------------------------------------------------------ what the call tells

    def answered(self, at_ns: int) -> None:
        """Nothing: both hear each other already."""

    def held(self, held: bool) -> None:
        """Nothing: media keeps silent towards who holds."""

    def digit(self, digit: str, *, in_audio: bool = False) -> None:
        """Pass a key of the caller on."""
        leg = self._call.leg if self._call is not None else None
        if self._line is not None and leg is not None and leg.stream is not None:
            self._send_digit(
                self._line,
                leg.stream,
                digit,
                lambda each: leg.send(UaSendDigit(leg.number, each)),
            )

    def clip_finished(self, clip: int) -> None:
        """Nothing: no clip is played."""

    async def end(self, reason: EndReason) -> None:
        """Release the far end."""
        self._over = True
        if self._call is not None:
            self._call.release()
        self._tell(487)

    def _tell(self, status: int) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(status)

    def _send_digit(
        self, line: Line, stream: int, digit: str, send_info: Callable[[str], None]
    ) -> None:
        """Send a key by RFC 4733 where it was agreed, else by SIP INFO."""

        async def send() -> None:
            try:
                await self._legs.media.request(SendDtmf(stream, digit))
            except RequestFailedError as error:
                if error.sip_status == 488:
                    send_info(digit)
                else:
                    log.info("digit_lost", reason=str(error))
            except RemoteError as error:
                log.info("digit_lost", reason=str(error))

        line.spawn(send())
