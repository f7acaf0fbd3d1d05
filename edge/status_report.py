"""Put together what ``cordboard status`` shows."""

from __future__ import annotations

import time
from collections.abc import Collection

from edge.admission import Admission
from edge.call_task import CallTask
from edge.client_messages import CallStatus, ProcessStatus, Status, WorkerStatus
from edge.pool import Place, Pool


def report(
    admission: Admission,
    pool: Pool,
    calls: Collection[CallTask],
    *,
    processes: tuple[ProcessStatus, ...],
    engines: dict[str, str],
    uptime_s: int,
    records_failing: bool,
) -> Status:
    """Return the present state for clients."""
    reason = admission.why_not(workers_ready=pool.ready, calls=len(calls), limit=pool.limit)
    return Status(
        ready=reason is None,
        reason=reason or "",
        limit=pool.limit,
        uptime_s=uptime_s,
        processes=processes,
        workers=tuple(_worker(each) for each in pool.places),
        calls=tuple(_call(each, time.monotonic_ns()) for each in calls),
        engines=engines,
        records_failing=records_failing,
        ladder=admission.ladder,
    )


def _worker(place: Place) -> WorkerStatus:
    return WorkerStatus(
        number=place.number,
        state=place.state,
        pid=place.pid or 0,
        slots=place.slots,
        legs=place.legs,
        callers=place.callers,
        starts=place.generation,
        udp_port=place.udp_port,
        last_reason=place.last_reason,
        drained=place.drained,
    )


def _call(task: CallTask, now_ns: int) -> CallStatus:
    offered_ns = task.call.times.offered_ns or now_ns
    return CallStatus(
        call_id=task.call_id,
        state=task.handover.stage or task.call.state,
        caller=task.parties.caller,
        called=task.parties.called,
        agent=task.agent,
        duration_s=(now_ns - offered_ns) // 1_000_000_000,
    )
