"""Keep every call in progress, and find it by its id, its dialog or its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from edge.call_events import (
    Event,
    InviteArrived,
)
from edge.call_surroundings import CallerLeg, Surroundings
from edge.call_task import CallTask
from edge.records.columns import Parties
from edge.trunks.routed import Routed
from edge.workers import WorkerKey
from media.messages import (
    CallId,
)

log = structlog.get_logger()


class CallBook:
    """The calls in progress.

    Args:
        around: what a call may use.
        on_gone: called with each call that is over.
    """

    def __init__(self, around: Surroundings, on_gone: Callable[[CallTask], None]) -> None:
        self.calls: dict[CallId, CallTask] = {}
        self.legs: dict[tuple[WorkerKey, int], CallTask] = {}
        self.streams: dict[int, CallTask] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._around = around
        self._on_gone = on_gone

    def start(
        self,
        call_id: CallId,
        parties: Parties,
        leg: CallerLeg,
        routed: Routed,
        invite: InviteArrived,
    ) -> CallTask:
        """Begin a call; one that is refused at the door only leaves its record."""
        call = CallTask(
            call_id,
            parties,
            leg,
            routed,
            self._around,
            lambda stream: self.streams.__setitem__(stream, call),
        )
        if invite.refusal is None:
            self.calls[call_id] = call
        task = asyncio.create_task(call.run(invite), name=f"call {call_id}")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda _: self._forget(call))
        return call

    def post_leg(self, key: WorkerKey, leg: int, event: Event) -> None:
        """Tell the call that has this dialog, if there is one."""
        task = self.legs.get((key, leg))
        if task is not None:
            task.post(event)

    def post_stream(self, stream: int, event: Event) -> None:
        """Tell the call that has this stream, if there is one."""
        call = self.streams.get(stream)
        if call is not None:
            call.post(event)

    def _forget(self, call: CallTask) -> None:
        self.calls.pop(call.call_id, None)
        self._on_gone(call)
        for stream in [number for number, each in self.streams.items() if each is call]:
            del self.streams[stream]
        for leg in [number for number, each in self.legs.items() if each is call]:
            del self.legs[leg]
