"""Make the records of calls that were refused before control heard of them.

A UA worker tells of each INVITE that it answered by itself, Kamailio of each that it had no worker
for. Both leave the same record; a stranger's are limited (:mod:`edge.refusal_limit`). Where a
worker behind Kamailio is full or broken the next one is asked: the record is Kamailio's to tell.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from edge.admission import Admission
from edge.call_book import CallBook
from edge.call_events import Disconnected, EndReason, InviteArrived, Party, Termination
from edge.call_surroundings import CallerLeg
from edge.front.refusals import FrontRefused, RefusedAs
from edge.records.columns import Parties, new_call_id
from edge.refusal_limit import RefusalLimit
from edge.trunks.destination import Chain
from edge.trunks.intake import Intake
from edge.trunks.recognition import host_of
from edge.trunks.routed import Routed
from edge.ua.messages import UaRefused

_OF_WORKER = {488: EndReason.UNACCEPTABLE, 503: EndReason.FULL, 486: EndReason.FULL}
_CAUSES = {
    RefusedAs.FULL: "all lines are taken",
    RefusedAs.CLOSED: "no calls were taken",
    RefusedAs.SILENT: "the control process was not up",
    RefusedAs.UNANSWERED: "no UA worker could take the call",
    RefusedAs.CANCELLED: "no UA worker had answered",
}

log = structlog.get_logger()


class RefusedCalls:
    """Records refused calls.

    Args:
        book: the calls in progress.
        admission: who may call now.
        intake: knows whose source an address is.
        fronted: whether Kamailio stands before the workers.
    """

    def __init__(
        self, book: CallBook, admission: Admission, intake: Intake, *, fronted: bool
    ) -> None:
        self._book = book
        self._admission = admission
        self._intake = intake
        self._fronted = fronted
        self._limit = RefusalLimit()

    def by_worker(self, refused: UaRefused) -> None:
        """Record what a worker answered by itself."""
        if self._fronted and (refused.sip_status == 486 or refused.sip_status >= 500):
            return
        trunk = self._intake.trunk_of(refused.source)
        # a carrier's calls are bounded by its contract, and every one of them is asked about
        if trunk is None and not self._is_recorded(refused.source):
            return
        reason = _OF_WORKER.get(refused.sip_status, EndReason.REFUSED)
        cause = refused.reason
        if reason is EndReason.FULL and (closed := self._admission.why_closed()) is not None:
            cause = closed
            reason = EndReason.FULL if self._admission.overloaded else EndReason.NOT_READY
        sip_call_id, source = refused.sip_call_id, refused.source
        called, trunk = refused.to_uri, trunk or "default"
        parties = Parties(sip_call_id, refused.from_uri, called, source, trunk=trunk)
        self._record(parties, Termination(Party.SYSTEM, refused.sip_status, reason, cause))

    def by_front(self, refused: FrontRefused) -> None:
        """Record what Kamailio refused, at the time when it did."""
        trunk = self._intake.trunk_of(refused.source, refused.identity, refused.request_uri)
        known = trunk is not None or refused.identity.startswith("phone:")
        if not known and not self._is_recorded(refused.source):
            return
        parties = Parties(
            refused.sip_call_id,
            refused.from_uri,
            refused.request_uri,
            refused.source,
            trunk=trunk or "default",
        )
        age_ns = max(time.time_ns() - round(refused.at_s * 1e9), 0)
        self._record(parties, self._verdict(refused), age_ns)

    def _verdict(self, refused: FrontRefused) -> Termination:
        state, status = refused.state, refused.sip_status
        who, reason, cause = Party.SYSTEM, EndReason.NOT_READY, _CAUSES[state]
        if state is RefusedAs.FULL:
            reason = EndReason.FULL
        elif state is RefusedAs.CANCELLED:
            who, reason = Party.CALLER, EndReason.CALLER_CANCELLED
        elif state is RefusedAs.CLOSED and (closed := self._admission.why_closed()) is not None:
            cause = closed
            reason = EndReason.FULL if self._admission.overloaded else EndReason.NOT_READY
        return Termination(who, status, reason, cause)

    def _record(self, parties: Parties, verdict: Termination, age_ns: int = 0) -> None:
        leg = CallerLeg(0, lambda message: None, None)
        call_id = new_call_id(time.time_ns() - age_ns)
        task = self._book.start(call_id, parties, leg, Routed(Chain(())), InviteArrived(verdict))
        task.record.backdate(age_ns)
        # after the task has begun, whose first event is the INVITE
        asyncio.get_running_loop().call_soon(task.post, Disconnected(False, verdict.sip_status))

    def _is_recorded(self, source: str) -> bool:
        """Say whether a stranger's refusal is recorded, or only counted."""
        now_ns = time.monotonic_ns()
        self._tell_unrecorded(now_ns)
        fresh = self._limit.next_end_ns() is None
        admitted = self._limit.admits(host_of(source), now_ns)
        if fresh and (end_ns := self._limit.next_end_ns()) is not None:
            loop, wait_s = asyncio.get_running_loop(), (end_ns - now_ns) / 1e9
            loop.call_later(wait_s + 0.01, lambda: self._tell_unrecorded(time.monotonic_ns()))
        return admitted

    def _tell_unrecorded(self, now_ns: int) -> None:
        if (left_out := self._limit.end_minute(now_ns)) is not None:
            log.warning("refusals_unrecorded", count=left_out.count, sources=left_out.sources)
