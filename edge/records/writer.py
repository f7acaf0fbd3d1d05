"""Write call records in one thread of their own, so that no call ever waits for a disk.

Each write is an upsert that may be repeated. One that the database refuses is kept in memory, put
down as a line of JSON in the spool file, and tried again every second; a start replays what the
last run left in the spool. So a full disk or a locked database costs no record and no call.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edge.call_events import EndReason, Party
from edge.records.database import open_database
from edge.records.models import AttemptRow, CallRow, RecordState, TurnRow
from media import LocalError

RETRY_INTERVAL_S = 1.0
PENDING_LIMIT = 10_000
"""Writes kept in memory; beyond that only the spool file has them."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Write:
    """One transaction: a call's changed columns, turns and attempts."""

    call: dict[str, Any]
    """Columns of the call, ``call_id`` among them."""
    turns: tuple[dict[str, Any], ...] = ()
    attempts: tuple[dict[str, Any], ...] = ()


class RecordWriter:
    """The one writer of the record database.

    Args:
        url: SQLAlchemy URL.
        spool: file for what the database did not take.
    """

    def __init__(self, url: str, spool: Path) -> None:
        self._url = url
        self._spool = spool
        self._alive = spool.with_suffix(".alive")
        self._engine: Engine | None = None
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._pending: deque[Write] = deque()
        self._failing = False
        self._last_run_ended_at: str | None = None
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    @property
    def failing(self) -> bool:
        """Whether the database refused the last write."""
        return self._failing

    def start(self) -> None:
        """Start the thread; opening the database happens there, too."""
        self._thread.start()

    def put(
        self,
        call: Mapping[str, Any],
        turns: tuple[Mapping[str, Any], ...] = (),
        attempts: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        """Hand over one transaction; returns at once, order is kept."""
        rows = (tuple(dict(each) for each in some) for some in (turns, attempts))
        self._queue.put(Write(dict(call), *rows))

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what was handed over, then end the thread."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    # ------------------------------------------------------------ in the thread

    def _run(self) -> None:
        self._last_run_ended_at = self._read_alive()
        self._replay_spool()
        self._flush()
        stopping = False
        while not stopping:
            self._touch_alive()
            try:
                write = self._queue.get(timeout=RETRY_INTERVAL_S)
            except Empty:
                self._flush()
                continue
            if write is None:
                stopping = True
            elif self._pending or not self._attempt_write(write):
                self._keep(write)
        self._flush()
        if self._engine is not None:
            self._engine.dispose()

    def _attempt_write(self, write: Write) -> bool:
        return self._attempt(lambda session: store(session, write))

    def _attempt(self, work: Any) -> bool:
        try:
            if self._engine is None:
                engine = open_database(self._url, create=True)
                with Session(engine) as session, session.begin():
                    close_open_records(session, self._last_run_ended_at)
                self._engine = engine
            with Session(self._engine) as session, session.begin():
                work(session)
        except (SQLAlchemyError, LocalError, OSError) as error:
            if not self._failing:
                log.error("records_failing", reason=_one_line(error), spool=str(self._spool))
            self._failing = True
            return False
        if self._failing:
            log.info("records_recovered")
        self._failing = False
        return True

    def _keep(self, write: Write) -> None:
        self._spool_line(write)
        self._pending.append(write)
        if len(self._pending) > PENDING_LIMIT:
            self._pending.popleft()

    def _spool_line(self, write: Write) -> None:
        try:
            self._spool.parent.mkdir(parents=True, exist_ok=True)
            with self._spool.open("a", encoding="utf-8") as spool:
                spool.write(json.dumps(asdict(write), ensure_ascii=False) + "\n")
        except OSError as error:
            log.error("spool_failed", reason=str(error), call_id=write.call.get("call_id"))

    def _flush(self) -> None:
        if self._engine is None:
            self._attempt(lambda session: None)
        while self._pending and self._attempt_write(self._pending[0]):
            self._pending.popleft()
        if not self._pending and not self._failing:
            self._spool.unlink(missing_ok=True)

    def _replay_spool(self) -> None:
        if not self._spool.exists():
            return
        last: dict[str, Write] = {}
        for number, line in enumerate(self._spool.read_text("utf-8").splitlines(), 1):
            try:
                body = json.loads(line)
                write = Write(body["call"], tuple(body["turns"]), tuple(body.get("attempts", ())))
                last[write.call["call_id"]] = write
            except (ValueError, KeyError, TypeError) as error:
                log.warning("spool_line_refused", line=number, reason=str(error))
                continue
            self._pending.append(write)
        for call_id, write in last.items():
            if write.call.get("state") != RecordState.CLOSED:
                lost = control_lost_columns(write.call.get("answered_at"), self._last_run_ended_at)
                self._pending.append(Write({"call_id": call_id, **lost}))

    def _touch_alive(self) -> None:
        with contextlib.suppress(OSError):
            self._alive.parent.mkdir(parents=True, exist_ok=True)
            self._alive.touch()

    def _read_alive(self) -> str | None:
        try:
            return utc_text(self._alive.stat().st_mtime_ns)
        except OSError:
            return None


def store(session: Session, write: Write) -> None:
    """Insert or update one call with its turns and attempts."""
    row = session.get(CallRow, write.call["call_id"])
    if row is None:
        session.add(CallRow(**write.call))
    else:
        for column, value in write.call.items():
            setattr(row, column, value)
    session.flush()
    for turn in write.turns:
        session.merge(TurnRow(**turn))
    for attempt in write.attempts:
        session.merge(AttemptRow(**attempt))


def close_open_records(session: Session, ended_at: str | None) -> None:
    """Close what a killed control process left open; its calls were released by the workers.

    Args:
        session: in a transaction.
        ended_at: when that process was last known to live, None where nobody knows.
    """
    for row in session.scalars(select(CallRow).where(CallRow.state == RecordState.OPEN)):
        for column, value in control_lost_columns(row.answered_at, ended_at).items():
            setattr(row, column, value)
        log.warning("call_ended", call_id=row.call_id, reason=row.reason, ended_by=row.ended_by)


def control_lost_columns(answered_at: str | None, ended_at: str | None) -> dict[str, Any]:
    """Return the columns that close the record of a call which control did not see end."""
    return {
        "state": RecordState.CLOSED,
        "ended_by": Party.SYSTEM,
        "reason": EndReason.CONTROL_LOST,
        "cause": "the control process went down during the call",
        "ended_at": ended_at,
        "sip_status": 500 if answered_at is None else 200,
    }


def utc_text(wall_ns: int) -> str:
    """Return UTC as ``2026-01-31T12:00:00.123Z``."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1_000_000:03}Z"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
