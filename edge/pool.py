"""Keep the books of the UA workers (sans-IO).

A worker is disposable. It is *starting* until its UaReady, then *ready*; it is lost when its
process ends, when its link closes, or when its SIP thread has been silent for two seconds (a hung
pjsua2 still keeps its socket open, so only the heartbeat tells). A lost worker is killed, its
calls are told, and another takes its place after a back-off.

=========  =====================  =========================================
state      event                  then
=========  =====================  =========================================
waiting    its time has come      Spawn, starting
starting   UaReady                ready (SetLimit)
starting   10 s without UaReady   Kill, WorkerDown, waiting
ready      2 s without heartbeat  Kill, WorkerDown, waiting
any        process or link gone   Kill, WorkerDown, waiting
=========  =====================  =========================================

With ``front: none`` worker 0 listens on the SIP port and takes all INVITEs from the network. With
a front there are as many places as ``limits.calls`` needs, which is known when the first worker
has said how many slots the build has. A *drained* worker keeps its calls and takes no more.
Outbound workers come after those that take callers; they listen on ports of their own choosing and
refuse every INVITE that reaches them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from edge.backoff import Backoff
from edge.ua.messages import UaHeartbeat, UaReady

MS = 1_000_000
HEARTBEAT_LIMIT_MS = 2_000
START_LIMIT_MS = 10_000


class WorkerState(StrEnum):
    """Where a worker's place in the pool is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process of this place; its life is counted by ``generation``."""

    place: int
    generation: int


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the process of this place with SIGKILL and close its link."""

    place: int
    generation: int


@dataclass(frozen=True, slots=True)
class WorkerDown:
    """The dialogs of this life are gone; end their calls."""

    place: int
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Tell the worker how many callers it takes."""

    place: int
    callers: int


Action = Spawn | Kill | WorkerDown | SetLimit


@dataclass(slots=True)
class Place:
    """One worker's place, whoever fills it now."""

    number: int
    state: WorkerState = WorkerState.WAITING
    generation: int = 0
    """Lives so far; news of an earlier life are dropped."""
    pid: int | None = None
    slots: int = 0
    callers: int = 0
    """Callers that it takes on its own account."""
    legs: int = 0
    refused: int = 0
    udp_port: int = 0
    deadline_ns: int = 0
    """Of the start, the heartbeat or the back-off, by state."""
    last_reason: str = ""
    outbound: bool = False
    """Carries legs that we place and takes no callers."""
    drained: bool = False
    backoff: Backoff = field(default_factory=Backoff)


class Pool:
    """Books of all workers.

    Args:
        places: how many workers there are.
        callers: ``limits.calls``; None takes what the build allows less one slot for refusing.
        outbound: further workers, for legs that we place.
        fronted: whether a front stands before them, so that all take callers with all slots.
    """

    def __init__(
        self,
        places: int = 1,
        callers: int | None = None,
        outbound: int = 0,
        *,
        fronted: bool = False,
    ) -> None:
        self.places = [
            Place(number, outbound=number >= places) for number in range(places + outbound)
        ]
        self._fronted = fronted
        self.outbound = self.places[places:]
        self._callers = callers
        self._open = False

    @property
    def next_deadline_ns(self) -> int:
        """When :meth:`pass_time` is due next."""
        return min(each.deadline_ns for each in self.places)

    @property
    def limit(self) -> int:
        """Callers at once that the ready workers take while open."""
        limit = sum(self._limit_of(each) for each in self.places if self._takes_callers(each))
        return limit if self._callers is None else min(limit, self._callers)

    @property
    def ready(self) -> bool:
        """Whether some worker takes INVITEs."""
        return any(self._takes_callers(each) for each in self.places)

    def open(self, is_open: bool) -> list[Action]:
        """Take callers, or let the workers refuse them all with 503 and Retry-After."""
        if is_open is self._open:
            return []
        self._open = is_open
        return [self._set_limit(each) for each in self.places if self._takes_callers(each)]

    def set_callers(self, callers: int | None) -> list[Action]:
        """Take another limit; callers in progress stay, however many they are."""
        self._callers = callers
        return [self._set_limit(each) for each in self.places if self._takes_callers(each)]

    @property
    def callers(self) -> int:
        """Callers in progress, by the legs that hold slots."""
        return sum(each.legs for each in self.places if not each.outbound)

    def free(self, place: Place) -> int:
        """Return how many more callers a worker could take now."""
        if not self._open or not self._takes_callers(place):
            return 0
        return max(self._limit_of(place) - place.legs, 0)

    def drain(self, number: int, drained: bool) -> list[Action]:
        """Take no more callers on a worker, or take them again.

        Raises:
            IndexError: there is no such worker.
        """
        if number < 0:
            raise IndexError(number)
        place = self.places[number]
        place.drained = drained
        return [self._set_limit(place)] if self._takes_callers(place) else []

    def count_leg(self, number: int, generation: int, change: int) -> None:
        """Note that a leg began or ended, ahead of the heartbeat that says the same."""
        place = self.places[number]
        if generation == place.generation:
            place.legs = max(place.legs + change, 0)

    def pass_time(self, now_ns: int) -> list[Action]:
        """Spawn whose time has come, give up those that are late."""
        actions: list[Action] = []
        for place in self.places:
            if now_ns < place.deadline_ns:
                continue
            if place.state is WorkerState.WAITING:
                actions.append(self._spawn(place, now_ns))
            elif place.state is WorkerState.STARTING:
                actions += self._lose(place, "did not start", now_ns)
            else:
                actions += self._lose(place, "SIP thread is silent", now_ns)
        return actions

    def spawned(self, number: int, pid: int) -> None:
        """Note the process of the current life."""
        self.places[number].pid = pid

    def receive_ready(
        self, number: int, generation: int, message: UaReady, now_ns: int
    ) -> list[Action]:
        """Note that a worker has bound its sockets."""
        place = self.places[number]
        if generation != place.generation or place.state is not WorkerState.STARTING:
            return []
        place.state = WorkerState.READY
        place.slots, place.callers = message.slots, message.callers
        place.udp_port = message.udp_port
        place.deadline_ns = now_ns + HEARTBEAT_LIMIT_MS * MS
        self._grow(place)
        return [self._set_limit(place)] if self._takes_callers(place) else []

    def receive_heartbeat(
        self, number: int, generation: int, message: UaHeartbeat, now_ns: int
    ) -> None:
        """Note a sign of life of the SIP thread."""
        place = self.places[number]
        if generation == place.generation and place.state is WorkerState.READY:
            place.deadline_ns = now_ns + HEARTBEAT_LIMIT_MS * MS
            place.legs, place.refused = message.legs, message.refused

    def receive_gone(self, number: int, generation: int, reason: str, now_ns: int) -> list[Action]:
        """Note that the process ended or its link closed."""
        place = self.places[number]
        if generation != place.generation or place.state is WorkerState.WAITING:
            return []
        return self._lose(place, reason, now_ns)

    def _spawn(self, place: Place, now_ns: int) -> Action:
        place.generation += 1
        place.state = WorkerState.STARTING
        place.deadline_ns = now_ns + START_LIMIT_MS * MS
        place.legs = place.refused = 0
        place.backoff.started(now_ns)
        return Spawn(place.number, place.generation)

    def _lose(self, place: Place, reason: str, now_ns: int) -> list[Action]:
        place.state = WorkerState.WAITING
        place.deadline_ns = now_ns + place.backoff.wait_ms(now_ns) * MS
        place.pid = None
        place.legs = 0
        place.last_reason = reason
        return [
            Kill(place.number, place.generation),
            WorkerDown(place.number, place.generation, reason),
        ]

    def _grow(self, place: Place) -> None:
        """Add the places that the limit needs, now that a build has said its slots."""
        if not self._fronted or self._callers is None or place.slots < 1:
            return
        taking = sum(not each.outbound for each in self.places)
        for _ in range(taking, math.ceil(self._callers / place.slots)):
            self.places.append(Place(len(self.places)))

    def _takes_callers(self, place: Place) -> bool:
        hears_callers = self._fronted or place.number == 0
        return hears_callers and not place.outbound and place.state is WorkerState.READY

    def _limit_of(self, place: Place) -> int:
        if place.drained:
            return 0
        if self._fronted:
            return place.slots
        most = max(place.slots - 1, 1)
        return most if self._callers is None else min(self._callers, most)

    def _set_limit(self, place: Place) -> Action:
        return SetLimit(place.number, self._limit_of(place) if self._open else 0)
