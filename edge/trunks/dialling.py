"""Have a persona call somebody: the call's own leg is placed by us instead of taken (shell).

To its state machine such a call is like any other: where it would send 200 to a caller, the INVITE
goes out; where a caller's ACK would come, the called one's 200 does. :class:`DialledLeg` stands
between the two and tries the trunk's servers in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from edge import sdp
from edge.apology import apology_file
from edge.call_events import (
    Confirmed,
    Disconnected,
    Event,
    Negotiated,
    NegotiationFailed,
    WorkerLost,
)
from edge.call_surroundings import CallerLeg
from edge.call_task import CallTask
from edge.outbound import SILENT, OutboundLegs
from edge.records.columns import Parties, new_call_id
from edge.trunks.connecting import DIALLABLE, RING_TIMEOUT_S
from edge.trunks.conversation import Conversation
from edge.trunks.messages import CallPlaced, PlaceCall
from edge.trunks.routed import Routed
from edge.trunks.routing import HOPS_HEADER, Routing
from edge.trunks.servers import DEAD_STATUSES, Target
from edge.trunks.trunk_call import Route
from edge.trunks.trunks import TrunkBoard, timers
from edge.ua.messages import (
    EndedBy,
    UaAnswer,
    UaCommandFailed,
    UaConfirmed,
    UaDialing,
    UaDigit,
    UaDisconnected,
    UaHangup,
    UaNegotiated,
    UaProgress,
    UaReject,
)
from edge.workers import WorkerKey
from media import RemoteError
from media.messages import CallId, Message

log = structlog.get_logger()


class DialledLeg:
    """The leg of a call that we place.

    Args:
        legs: the registry of outbound legs.
        route: how the number is reached.
        confirmed: told the dialog's names.
        press: told the keys that come by SIP INFO.
    """

    def __init__(
        self,
        legs: OutboundLegs,
        route: Route,
        confirmed: Callable[[UaConfirmed], None],
        press: Callable[[str], None],
    ) -> None:
        self.stream: int | None = None
        self.key: WorkerKey | None = None
        self.number = 0
        self.post: Callable[[Event], None] = lambda event: None
        """Takes news to the call; set once the call is there."""
        self._legs = legs
        self._route = route
        self._confirmed = confirmed
        self._press = press
        self._left: list[Target] = list(route.targets)
        self._target: Target | None = None
        self._answer: UaAnswer | None = None
        self._rang = self._up = self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ from the call

    def send(self, message: Message) -> None:
        """Carry out what the call asks of its leg."""
        match message:
            case UaAnswer():
                self._answer = message
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._route.ring_timeout_s, self._give_up)
                self._dial_next(503, "the trunk has no server")
            case UaHangup() | UaReject():
                self._release(message.headers)
            case _:
                pass  # nobody is there to hear ringing

    def _release(self, headers: dict[str, str]) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self.key is None:
            # nothing was sent yet: what would have answered is said here
            asyncio.get_running_loop().call_soon(self.post, Disconnected(False, 487))
        else:
            self._legs.send(self.key, UaHangup(self.number, headers=headers))

    def _give_up(self) -> None:
        if not self._up and self.key is not None:
            self._legs.send(self.key, UaHangup(self.number))

    def _dial_next(self, sip_status: int, reason: str) -> None:
        assert self._answer is not None
        place = self._legs.place(self) if self._left else None
        if place is None:
            because = reason if not self._left else "no worker has a free slot"
            self.post(Disconnected(False, sip_status, because, refused=True))
            return
        self.key, self.number = place
        target = self._target = self._left.pop(0)
        audio = self._answer
        dialled = self._route.dialled(target)
        where = (audio.media_address, audio.media_port, audio.srtp_secret)
        self._legs.send(self.key, dialled.dial(self.number, *where))
        if dialled.silence_s is not None:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(dialled.silence_s, self._pass_over)

    def _pass_over(self) -> None:
        """Nothing has come back: whoever answers later is hung up on."""
        self._legs.abandon(self)
        self.key = None
        self._end(SILENT, "no answer of any kind", by_far_end=False)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    # ------------------------------------------------------------ from the worker

    def receive(self, message: Message) -> None:
        """Take news of the worker."""
        if not isinstance(message, UaDialing):
            self._stop_waiting()
        match message:
            case UaProgress():
                self._rang = True
            case UaNegotiated():
                self.post(_negotiated(message))
            case UaConfirmed():
                self._up = True
                self._confirmed(message)
                self.post(Confirmed())
            case UaDigit(digit=digit):
                self._press(digit)
            case UaCommandFailed(command="UaDial", reason=reason):
                self._end(500, reason, by_far_end=False)
            case UaDisconnected():
                by_far_end = message.by is EndedBy.REMOTE
                self._end(message.sip_status, message.reason, message.reason_header, by_far_end)
            case _:
                pass

    def lose_worker(self) -> None:
        """The worker died, and the dialog with it."""
        self._stop_waiting()
        self.key = None
        self.post(WorkerLost("the worker of the outbound leg died"))

    def _end(self, sip_status: int, reason: str, cause: str = "", by_far_end: bool = True) -> None:
        self._legs.forget(self)
        self.key = None
        target = self._target
        silent = not (self._up or self._rang or self._over)
        if silent and target is not None and sip_status in DEAD_STATUSES:
            self._route.note_dead(target, f"INVITE: {sip_status}")
            if self._left:
                self._dial_next(sip_status, reason)
                return
        if self._timer is not None:
            self._timer.cancel()
        refused = not self._up and not self._over
        self.post(Disconnected(by_far_end, sip_status, reason, cause, refused=refused))


def _negotiated(message: UaNegotiated) -> Event:
    try:
        return Negotiated(sdp.agreed(message.local_sdp, message.remote_sdp))
    except RemoteError as error:
        return NegotiationFailed(str(error))


class Dialling:
    """Places calls for personas.

    Args:
        board: the trunks.
        legs: the registry of outbound legs.
        start: begins the call's task; given call id, parties, leg, where it goes.
        closed: why no call is taken at all, None where calls are.
    """

    def __init__(
        self,
        board: TrunkBoard,
        legs: OutboundLegs,
        start: Callable[[CallId, Parties, CallerLeg, Routed], CallTask],
        closed: Callable[[], str | None],
    ) -> None:
        self._board = board
        self._legs = legs
        self._start = start
        self._closed = closed

    def place(self, asked: PlaceCall) -> CallPlaced:
        """Begin a call.

        Raises:
            RemoteError: 404 for a name that does not exist, the trunk's status where it is full,
                503 while the service is not ready.
        """
        routing = self._board.routing
        trunk = self._trunk(asked.trunk, routing)
        if asked.agent not in routing.config.agents:
            known = ", ".join(routing.config.agents)
            raise RemoteError(f"no agent {asked.agent}; known: {known}", 404)
        if (why := self._closed()) is not None:
            raise RemoteError(why, 503)
        number = routing.numbers[trunk].receive(asked.to)
        if not DIALLABLE.match(number):
            raise RemoteError(f"{asked.to} is no number", 484)
        full = self._board.use.begin(trunk, time.monotonic_ns())
        if full is not None:
            raise RemoteError(full.reason, full.sip_status)
        return self._begin(asked, routing, trunk, number)

    def _trunk(self, wanted: str, routing: Routing) -> str:
        names = [name for name, each in routing.config.trunks.items() if each.carries_calls_out]
        if not wanted and len(names) == 1:
            return names[0]
        if wanted in names:
            return wanted
        known = f"trunks with servers: {', '.join(names) or 'none'}"
        raise RemoteError(f"no trunk {wanted}; {known}" if wanted else f"which trunk? {known}", 404)

    def _begin(self, asked: PlaceCall, routing: Routing, trunk: str, number: str) -> CallPlaced:
        connector = self._board.connector
        caller = asked.caller or routing.trunk(trunk).identity.number or ""
        variables = {"called": number, "caller": caller, "trunk": trunk, **asked.variables}
        headers = {HOPS_HEADER: "1"}
        # the call was counted when it was admitted, and is counted off when its task ends
        route = replace(
            connector.route(routing, trunk, number, caller, variables, headers),
            begin=lambda: None,
            end=lambda: None,
        )
        targets = route.targets
        call_id = new_call_id(time.time_ns())
        calls: list[CallTask] = []
        leg = DialledLeg(
            self._legs,
            route,
            lambda confirmed: calls[0].note_dialog(confirmed),
            lambda digit: calls[0].press(digit, in_audio=False),
        )
        config = routing.config
        routed = Routed(
            Conversation(connector.agent, asked.agent, variables),
            asked.agent,
            None,
            apology_file(config, asked.agent),
            direction="outbound",
            codecs=routing.trunk(trunk).codecs,
            timers=replace(timers(config), no_ack_ms=round(RING_TIMEOUT_S * 1_000) + 10_000),
        )
        shown = route.dialled(targets[0]) if targets else None
        parties = Parties(
            "",
            shown.from_uri if shown else caller,
            shown.uri if shown else number,
            str(targets[0]) if targets else "",
            trunk=trunk,
        )
        own = shown.address if shown else None
        task = self._start(call_id, parties, CallerLeg(0, leg.send, own), routed)
        task.trunk_counted = trunk
        leg.post = task.post
        calls.append(task)
        return CallPlaced(call_id, trunk)
