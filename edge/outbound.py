"""Place calls to people's phones on workers that take no callers (asyncio shell).

One :class:`OutboundLeg` is one dialog at a worker and one stream at media. Legs are placed on the
outbound workers only, so they never take the slot that a listening worker keeps for refusing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from edge import sdp
from edge.call_surroundings import Asked
from edge.called_side import Destination
from edge.farewell import placed_dialog, say_bye, say_cancel
from edge.leg_listeners import EarlyListener, LegListener, MachineListener
from edge.placed import Abandoned, PlacedLeg
from edge.pool import Pool, WorkerState
from edge.ua.messages import (
    EndedBy,
    UaCommandFailed,
    UaConfirmed,
    UaDialing,
    UaDigit,
    UaDisconnected,
    UaHangup,
    UaNegotiated,
    UaProgress,
    UaReferred,
)
from edge.workers import WorkerKey
from media import RemoteError
from media.messages import (
    AllocateStream,
    CallId,
    CloseStream,
    ConfigureStream,
    DtmfReceived,
    MachineHeard,
    Message,
    RtpTimedOut,
    StreamAllocated,
    StreamFailed,
)

ANSWERED_ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'
"""RFC 3326: the phone shows no missed call."""
WORKER_WAIT_S = 4.0
"""A call waits so long for a worker that is being started; full workers are not waited for."""
WORKER_POLL_S = 0.05
SILENT = 408
"""Of a leg whose INVITE nobody has answered in any way."""
_FAULT = 500

log = structlog.get_logger()


class OutboundLeg:
    """One call to a phone.

    Args:
        call_id: of the call it belongs to.
        name: ``agent-1``, ``agent-2`` ...
        destination: whom to call.
        listener: told what happens.
        legs: the registry.
    """

    def __init__(
        self,
        call_id: CallId,
        name: str,
        destination: Destination,
        listener: LegListener,
        legs: OutboundLegs,
    ) -> None:
        self.call_id = call_id
        self.name = name
        self.destination = destination
        self.stream: int | None = None
        self.codec = ""
        self.confirmed: UaConfirmed | None = None
        self.key: WorkerKey | None = None
        self.number = 0
        self._listener = listener
        self._legs = legs
        self._released = False
        self._gone = False
        self._configured = False
        self._dialing: UaDialing | None = None
        self._silence: asyncio.TimerHandle | None = None
        """Runs from the order to dial to the first sign of life."""
        self._told_answer = False

    async def open(self) -> None:
        """Get a port from media and a slot from a worker, then dial."""
        media = self._legs.media
        address = await self._legs.audio_address(self.destination)
        request = AllocateStream(self.call_id, self.name, address)
        try:
            answer = await media.request(request)
        except RemoteError as error:
            log.warning("phone_failed", call_id=self.call_id, leg=self.name, reason=str(error))
            self._end(503)
            return
        assert isinstance(answer, StreamAllocated)
        if self._released:
            media.send(CloseStream(answer.stream))
            return
        self.stream = answer.stream
        place = await self._find_place()
        if self._released or self._gone:
            return
        if place is None:
            log.warning("phone_failed", call_id=self.call_id, leg=self.name, reason="no free slot")
            self._end(503)
            return
        self.key, self.number = place
        audio = (answer.address, answer.port, answer.srtp_secret)
        self.send(self.destination.dial(self.number, *audio))
        if self.destination.silence_s is not None:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(self.destination.silence_s, self._give_up)

    async def _find_place(self) -> tuple[WorkerKey, int] | None:
        deadline = time.monotonic() + WORKER_WAIT_S
        while not self._released and not self._gone:
            place = self._legs.place(self)
            if place is not None or not self._legs.starting or time.monotonic() > deadline:
                return place
            await asyncio.sleep(WORKER_POLL_S)
        return None

    def send(self, message: Message) -> None:
        """Send a message to the worker that holds the dialog."""
        if self.key is not None:
            self._legs.send(self.key, message)

    def release(self, *, answered_elsewhere: bool = False) -> None:
        """End the leg: CANCEL while it rings, BYE afterwards; nobody is told any more."""
        if self._released or self._gone:
            return
        self._released = True
        self._stop_waiting()
        headers = {"Reason": ANSWERED_ELSEWHERE} if answered_elsewhere else {}
        self.send(UaHangup(self.number, headers=headers))
        self._close_stream()

    def receive(self, message: Message) -> None:
        """Take news of the worker or of media."""
        if not isinstance(message, UaDialing | StreamFailed):
            self._stop_waiting()
        if isinstance(message, UaDisconnected):
            self._legs.forget(self)
            self._end(message.sip_status, by=message.by)
            return
        if self._released or self._gone:
            return
        match message:
            case UaDialing():
                self._dialing = message
            case UaProgress():
                self._listener.leg_rings(self)
            case UaNegotiated():
                self._legs.spawn(self._configure(message))
            case UaConfirmed():
                self.confirmed = message
                self._tell_answer()
            case UaDigit(digit=digit) | DtmfReceived(digit=digit):
                self._listener.leg_pressed(self, digit)
            case UaReferred():
                self._listener.leg_referred(self, message)
            case MachineHeard(sign=sign) if isinstance(self._listener, MachineListener):
                self._listener.leg_sounds_like_machine(self, sign)
            case RtpTimedOut():
                self._break("no RTP")
            case StreamFailed(reason=reason):
                self._break(f"media failed: {reason}")
            case UaCommandFailed(command=command, reason=reason):
                log.warning("command_refused", leg=self.name, command=command, reason=reason)
                if command == "UaDial":
                    self._legs.forget(self)
                    self._end(_FAULT)

    def lose_worker(self) -> None:
        """The worker died, and the dialog with it; the phone is told by BYE."""
        if self.confirmed is not None and not self._gone:
            dialog = placed_dialog(self.confirmed, self.destination.uri, self.destination.from_uri)
            self._legs.spawn(say_bye(dialog))
        elif self._dialing is not None and not self._gone:
            self._legs.spawn(say_cancel(self._dialing))
        self._end(_FAULT)

    async def _configure(self, message: UaNegotiated) -> None:
        try:
            parameters = sdp.agreed(message.local_sdp, message.remote_sdp)
            if self.stream is None:
                return
            self.codec = parameters.codec
            await self._legs.media.request(ConfigureStream(self.stream, parameters))
        except RemoteError as error:
            self._break(str(error), error.sip_status if error.sip_status == 488 else _FAULT)
            return
        self._configured = True
        if self.confirmed is None and isinstance(self._listener, EarlyListener):
            self._listener.leg_audible(self)
        self._tell_answer()

    def _tell_answer(self) -> None:
        whole = self._configured and self.confirmed is not None
        if whole and not self._told_answer and not self._released and not self._gone:
            self._told_answer = True
            self._listener.leg_answered(self)

    def _give_up(self) -> None:
        self._break("no answer of any kind", SILENT)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _break(self, reason: str, sip_status: int = _FAULT) -> None:
        if self._released or self._gone:
            return
        log.warning("phone_failed", call_id=self.call_id, leg=self.name, reason=reason)
        self.send(UaHangup(self.number))
        self._end(sip_status)

    def _end(self, sip_status: int, by: EndedBy = EndedBy.REMOTE) -> None:
        if self._gone:
            return
        self._gone = True
        self._stop_waiting()
        self._close_stream()
        if not self._released:
            self._listener.leg_gone(self, sip_status)

    def _close_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            self._legs.close_stream(stream)


class OutboundLegs:
    """Every outbound leg of the process.

    Args:
        pool: the workers' books.
        send: sends a message to one life of a worker.
        media: where streams come from.
        toward_registered: returns our address toward who is registered at the front under a name,
            given the one that is wanted; None for media's own.
    """

    def __init__(
        self,
        pool: Pool,
        send: Callable[[WorkerKey, Message], None],
        media: Asked,
        toward_registered: Callable[[str, str | None], Awaitable[str | None]] | None = None,
    ) -> None:
        self._toward_registered = toward_registered
        self.media = media
        self.send = send
        self._pool = pool
        self._numbers = itertools.count(-1, -1)
        self._by_number: dict[tuple[WorkerKey, int], PlacedLeg] = {}
        self._by_stream: dict[int, PlacedLeg] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Legs that hold a slot."""
        return len(self._by_number)

    @property
    def starting(self) -> bool:
        """Whether an outbound worker is on its way up: a slot will be there soon."""
        return any(each.state is not WorkerState.READY for each in self._pool.outbound)

    def dial(
        self, call_id: CallId, name: str, destination: Destination, listener: LegListener
    ) -> OutboundLeg:
        """Begin a call; news come to the listener, never before this returns."""
        leg = OutboundLeg(call_id, name, destination, listener, self)
        self.spawn(leg.open())
        return leg

    async def audio_address(self, destination: Destination) -> str | None:
        """Return the address to bind and advertise for a call, None where media's own is right."""
        if not destination.registered or self._toward_registered is None:
            return destination.address
        return await self._toward_registered(destination.registered, destination.address)

    def place(self, leg: PlacedLeg) -> tuple[WorkerKey, int] | None:
        """Take a slot at the emptiest outbound worker, None where all are full or down."""
        used: dict[int, int] = {}
        for key, _ in self._by_number:
            used[key.place] = used.get(key.place, 0) + 1
        free = [
            (used.get(each.number, 0) - each.slots, each.number)
            for each in self._pool.outbound
            if each.state is WorkerState.READY and used.get(each.number, 0) < each.slots
        ]
        if not free:
            return None
        place = self._pool.places[min(free)[1]]
        key = WorkerKey(place.number, place.generation)
        number = next(self._numbers)
        self._by_number[key, number] = leg
        if leg.stream is not None:
            self._by_stream[leg.stream] = leg
        return key, number

    def receive(self, key: WorkerKey, message: Message) -> bool:
        """Take a worker's message; False where it is about none of our legs."""
        leg = self._by_number.get((key, int(getattr(message, "leg", 0))))
        if leg is not None:
            leg.receive(message)
        return leg is not None

    def receive_media(
        self, message: DtmfReceived | MachineHeard | RtpTimedOut | StreamFailed
    ) -> bool:
        """Take media's message; False where it is about none of our streams."""
        leg = self._by_stream.get(message.stream)
        if leg is not None:
            leg.receive(message)
        return leg is not None

    def lose_worker(self, key: WorkerKey) -> None:
        """End the legs of a life that is over."""
        for owner, number in [each for each in self._by_number if each[0] == key]:
            self._by_number.pop((owner, number)).lose_worker()

    def forget(self, leg: PlacedLeg) -> None:
        """Give a leg's slot back."""
        if leg.key is not None:
            self._by_number.pop((leg.key, leg.number), None)

    def abandon(self, leg: PlacedLeg) -> None:
        """Hang up a dialog whose holder goes on with another.

        Its slot is given back when the worker says that it is over: a far end that was silent may
        still answer, and is told BYE then.
        """
        if leg.key is not None:
            self._by_number[leg.key, leg.number] = Abandoned(self.forget, leg.key, leg.number)
            self.send(leg.key, UaHangup(leg.number))

    def close_stream(self, stream: int) -> None:
        """Close a leg's stream at media."""
        self._by_stream.pop(stream, None)
        self.media.send(CloseStream(stream))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside the callers' tasks; what it raises ends up in the log."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("phone_task_failed", error=repr(error), exc_info=error)
