"""Connect a caller to a number out over a trunk: two dialogs, their audio joined at media.

The trunk's servers are tried in order; one that does not answer, or answers that it cannot, is
passed over, unless the phone has rung already. Early media of the far end (an announcement, its
own ringback) reaches a caller whose INVITE had an offer; any other hears the ringing of 180.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edge.call_events import EndReason, HangUpAsked, Party
from edge.called_side import Destination as Dialled
from edge.outbound import OutboundLeg, OutboundLegs
from edge.trunks.destination import DestinationError, Line
from edge.trunks.servers import DEAD_STATUSES, Target
from edge.ua.messages import UaReferred, UaSendDigit
from media import RemoteError
from media.link import RequestFailedError
from media.messages import JoinStreams, SendDtmf

LEG_NAME = "trunk-1"
_PASSED_ON = frozenset({403, 404, 410, 480, 484, 486, 488, 503, 600, 603, 604, 606})
"""What the far end said that means the same to the caller."""

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
        self._leg: OutboundLeg | None = None
        self._outcome: asyncio.Future[int] | None = None
        self._rang = False
        self._early = False
        self._counted = False
        self._over = False

    async def prepare(self, line: Line) -> None:
        """Call the number; returns when it was answered and both hear each other.

        Raises:
            DestinationError: nobody answered.
        """
        self._line = line
        refusal = self._route.begin()
        if refusal is not None:
            raise refusal
        self._counted = True
        status, server = 503, ""
        for target in self._route.targets:
            server = str(target)
            status = await self._try(line, target)
            if status < 300:
                await self._join(line)
                return
            if self._over or self._rang or status not in DEAD_STATUSES:
                break
            self._route.note_dead(target, f"INVITE: {status}")
            log.warning("server_passed_over", server=server, sip_status=status)
        passed = status if status in _PASSED_ON else 408 if status == 487 else 503
        reason = f"trunk {self._route.trunk}, {server or 'no server'}: {status}"
        raise DestinationError(reason, passed, EndReason.NOT_REACHED)

    async def _try(self, line: Line, target: Target) -> int:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[int] = loop.create_future()
        self._outcome = outcome
        self._leg = self._legs.dial(line.call_id, LEG_NAME, self._route.dialled(target), self)
        try:
            async with asyncio.timeout(self._route.ring_timeout_s):
                return await outcome
        except TimeoutError:
            self._leg.release()
            self._leg = None
            return 487

    async def _join(self, line: Line) -> None:
        stream = self._leg.stream if self._leg is not None else None
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
        """Note that the server is alive, and the phone, too."""
        self._rang = True

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
        """Let prepare() go on to the next server, or end the call."""
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
        leg = self._leg
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
        if self._counted:
            self._counted = False
            self._route.end()
        if self._leg is not None:
            self._leg.release()
            self._leg = None
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
