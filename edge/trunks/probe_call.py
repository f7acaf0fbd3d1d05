"""Call a number over a trunk to see what the far end does, and hang up (asyncio shell).

Only an operator's command on this machine asks for it (``cordboard trunk probe NAME --call``); the
call counts against the trunk's limits as any other. Everything that we can do is offered, whatever
the trunk's settings are, so that the answer shows what the far end would take. Once answered it is
ended at once, and it is taken back when it has rung for long enough.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import structlog

from edge import sdp
from edge.called_side import Destination
from edge.outbound import OutboundLegs
from edge.records.columns import new_call_id
from edge.trunks.connecting import DIALLABLE, Connector
from edge.trunks.messages import CallProbed, ProbeTrunk
from edge.trunks.routing import HOPS_HEADER, Routing
from edge.trunks.servers import Target
from edge.ua.messages import (
    UaCommandFailed,
    UaConfirmed,
    UaDisconnected,
    UaHangup,
    UaNegotiated,
    UaProgress,
)
from edge.workers import WorkerKey
from media import RemoteError
from media.messages import AllocateStream, CloseStream, Message, StreamAllocated

END_S = 8.0
"""How long the far end may take over BYE or CANCEL; Timer F would be 32 s."""

log = structlog.get_logger()


async def call_to_probe(
    connector: Connector, routing: Routing, asked: ProbeTrunk, target: Target
) -> CallProbed:
    """Call one number over one server of a trunk.

    Args:
        connector: knows how a trunk is dialled.
        routing: in force.
        asked: with the number.
        target: the server.

    Raises:
        RemoteError: 484, it is no number; the trunk's status where it is full;
            503, there is no worker for it.
    """
    trunk = asked.trunk
    number = routing.numbers[trunk].receive(asked.call)
    if not DIALLABLE.match(number):
        raise RemoteError(f"{asked.call} is no number", 484)
    caller = routing.trunk(trunk).identity.number or ""
    dialled = connector.dialled(routing, trunk, number, target, caller, {}, {HOPS_HEADER: "1"})
    offering = replace(
        dialled,
        codecs=tuple(dict.fromkeys((*dialled.codecs, *sdp.CODECS))),
        dtmf_in_audio=True,
        session_timers="supported",
        rel100="supported",
    )
    full = connector.use.begin(trunk, time.monotonic_ns())
    if full is not None:
        raise RemoteError(full.reason, full.sip_status)
    log.info("trunk_probe_called", trunk=trunk, server=str(target), pii_number=number)
    try:
        call = _ProbingCall(connector.legs, offering)
        return await call.run(CallProbed(str(target), number, 408), asked.ring_s)
    finally:
        connector.use.end(trunk)


@dataclass(slots=True)
class _ProbingCall:
    """One call that is only watched."""

    legs: OutboundLegs
    destination: Destination
    stream: int | None = None
    key: WorkerKey | None = None
    number: int = 0
    news: asyncio.Queue[Message | None] = field(default_factory=asyncio.Queue)

    def receive(self, message: Message) -> None:
        """Take news of the worker or of media."""
        failed = isinstance(message, UaCommandFailed) and message.command == "UaDial"
        if failed or isinstance(message, UaDisconnected):
            self.legs.forget(self)  # not before: until then the dialog has a slot
        self.news.put_nowait(message)

    def lose_worker(self) -> None:
        """The worker died, and the dialog with it."""
        self.key = None
        self.news.put_nowait(None)

    async def run(self, found: CallProbed, ring_s: float) -> CallProbed:
        """Dial, watch, hang up; return what was seen."""
        call_id = new_call_id(time.time_ns())
        address = self.destination.address
        answer = await self.legs.media.request(AllocateStream(call_id, "probe", address))
        assert isinstance(answer, StreamAllocated)
        try:
            place = self.legs.place(self)
            if place is None:
                raise RemoteError("no UA worker has a free slot", 503)
            self.key, self.number = place
            audio = (answer.address, answer.port, answer.srtp_secret)
            dial = self.destination.dial(self.number, *audio)
            self.legs.send(self.key, dial)
            return await self._watch(found, ring_s)
        finally:
            self.legs.media.send(CloseStream(answer.stream))

    async def _watch(self, found: CallProbed, ring_s: float) -> CallProbed:
        began = time.monotonic()
        deadline, ending = began + ring_s, False
        while True:
            try:
                async with asyncio.timeout_at(_loop_time(deadline)):
                    message = await self.news.get()
            except TimeoutError:
                if ending:
                    return found  # the far end leaves our BYE or CANCEL unanswered
                ending, deadline = self._hang_up()
                continue
            found = _seen(found, message, round((time.monotonic() - began) * 1_000))
            if message is None or isinstance(message, UaDisconnected | UaCommandFailed):
                return found
            if isinstance(message, UaConfirmed) and not ending:
                ending, deadline = self._hang_up()

    def _hang_up(self) -> tuple[bool, float]:
        if self.key is not None:
            self.legs.send(self.key, UaHangup(self.number))
        return True, time.monotonic() + END_S


def _loop_time(monotonic: float) -> float:
    return asyncio.get_running_loop().time() + monotonic - time.monotonic()


def _seen(found: CallProbed, message: Message | None, at_ms: int) -> CallProbed:
    """Add what one piece of news shows."""
    match message:
        case UaProgress():
            shown = f"{message.status} {message.reason}".strip()
            require = message.headers.get("require", "").lower()
            return replace(
                found,
                provisional=tuple(dict.fromkeys((*found.provisional, shown))),
                ringing_ms=at_ms if found.ringing_ms is None else found.ringing_ms,
                early_media=found.early_media or bool(message.sdp.strip()),
                reliable=found.reliable or "100rel" in require,
                headers={**found.headers, **message.headers},
                body=message.sdp or found.body,
            )
        case UaNegotiated():
            return replace(found, body=message.remote_sdp or found.body)
        case UaConfirmed():
            headers = {**found.headers, **message.headers}
            return replace(found, sip_status=200, reason="OK", answered_ms=at_ms, headers=headers)
        case UaDisconnected() if found.answered_ms is None:
            return replace(found, sip_status=message.sip_status, reason=message.reason)
        case UaCommandFailed():
            return replace(found, sip_status=500, reason=message.reason)
        case None:
            return replace(found, sip_status=500, reason="the UA worker died")
    return found
