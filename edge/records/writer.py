"""Write call records in one thread of their own, so that no call ever waits for a disk.

Each write is an upsert that may be repeated. While the database takes none, writes are kept in
memory, put down as lines of JSON in the spool file, and tried again every second; a start replays
what the last run left in the spool. So a full disk or a locked database costs no record and no
call. A write that can never succeed goes to the file ``records.rejected`` instead, for somebody to
look at, so that it stands in nobody's way.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from edge.call_events import EndReason, Party
from edge.records.database import open_database
from edge.records.models import AttemptRow, CallRow, RecordState, TurnRow
from media import LocalError

RETRY_INTERVAL_S = 1.0
PENDING_LIMIT = 10_000
"""Writes kept in memory; beyond that only the spool file has them."""

_UNAVAILABLE = (DBAPIError, PoolTimeoutError, LocalError, OSError)
"""The database's trouble, which passes: the write is tried again."""
_HOPELESS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""Among those the write's own fault."""

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
        self._rejected = spool.with_suffix(".rejected")
        self._engine: Engine | None = None
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._pending: deque[Write] = deque()
        self._unread_from: int | None = None
        """Offset of the first write that only the spool file has; None where memory has all."""
        self._failing = False
        self._rejects_wait = False
        self._last_run_ended_at: str | None = None
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    @property
    def failing(self) -> bool:
        """Whether the database refuses writes, or rejected ones wait for somebody to look."""
        return self._failing or self._rejects_wait

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
        stopping, flush_at = False, time.monotonic()
        while not stopping:
            self._touch_alive()
            if time.monotonic() >= flush_at:
                self._flush()
                flush_at = time.monotonic() + RETRY_INTERVAL_S
            try:
                write = self._queue.get(timeout=max(flush_at - time.monotonic(), 0.0))
            except Empty:
                continue
            if write is None:
                stopping = True
            elif self._backlog or not self._attempt(write):
                self._keep(write)
        self._flush()
        if self._engine is not None:
            self._engine.dispose()

    @property
    def _backlog(self) -> bool:
        return bool(self._pending) or self._unread_from is not None

    def _open(self) -> bool:
        if self._engine is not None:
            return True
        try:
            engine = open_database(self._url, create=True)
            with Session(engine) as session, session.begin():
                close_open_records(session, self._last_run_ended_at)
        except Exception as error:  # whatever it is, it is not the writes' fault: they wait
            self._note_failure(error)
            return False
        self._engine = engine
        self._note_success()
        return True

    def _attempt(self, write: Write) -> bool:
        """Write; False where it is to be tried again."""
        if not self._open():
            return False
        try:
            with Session(self._engine) as session, session.begin():
                store(session, write)
        except Exception as error:  # one write's fault must stop neither the others nor the thread
            if isinstance(error, _UNAVAILABLE) and not isinstance(error, _HOPELESS):
                self._note_failure(error)
                return False
            self._reject(write, error)
            return True
        self._note_success()
        return True

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            log.error("records_failing", reason=_one_line(error), spool=str(self._spool))
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.info("records_recovered")
        self._failing = False

    def _reject(self, write: Write, error: Exception) -> None:
        self._rejects_wait = True
        reason, call_id = _one_line(error), str(write.call.get("call_id"))
        log.error("record_rejected", reason=reason, call_id=call_id, file=str(self._rejected))
        line = json.dumps({"reason": reason} | asdict(write), default=repr)
        self._append(self._rejected, line, call_id)

    def _keep(self, write: Write) -> None:
        try:
            line = json.dumps(asdict(write))
        except (TypeError, ValueError) as error:
            self._reject(write, error)
            return
        offset = self._append(self._spool, line, str(write.call.get("call_id")))
        if self._unread_from is None and len(self._pending) < PENDING_LIMIT:
            self._pending.append(write)
        elif offset is None:
            log.error("record_lost", call_id=write.call.get("call_id"))
        elif self._unread_from is None:
            self._unread_from = offset

    def _append(self, path: Path, line: str, call_id: str) -> int | None:
        """Add a line to a file, whole or not at all; return its offset."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:
                offset = file.tell()
                octets = f"{line}\n".encode()
                if file.write(octets) == len(octets):
                    return offset
                file.truncate(offset)
            log.error("spool_failed", reason="the disk is full", call_id=call_id)
        except OSError as error:
            log.error("spool_failed", reason=str(error), call_id=call_id)
        return None

    def _flush(self) -> None:
        self._rejects_wait = self._rejected.exists()
        if not self._open():
            return
        while self._pending or self._read_on():
            if not self._attempt(self._pending[0]):
                return
            self._pending.popleft()
        if not self._backlog and not self._failing:
            with contextlib.suppress(OSError):
                self._spool.unlink(missing_ok=True)

    def _read_on(self) -> bool:
        """Take the next writes that only the spool has into memory; False where there are none."""
        while self._unread_from is not None and not self._pending:
            try:
                with self._spool.open("rb") as spool:
                    size = spool.seek(0, 2)
                    spool.seek(self._unread_from)
                    for line in islice(spool, PENDING_LIMIT):
                        if (write := _parsed(line)) is not None:
                            self._pending.append(write)
                    offset = spool.tell()
            except OSError as error:
                log.error("spool_failed", reason=str(error))
                return False
            self._unread_from = offset if offset < size else None
        return bool(self._pending)

    def _replay_spool(self) -> None:
        try:
            octets = self._spool.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("spool_failed", reason=str(error))
            return
        if octets and not octets.endswith(b"\n"):  # torn: what is added must not be joined to it
            self._append(self._spool, "", "")
        last: dict[str, Write] = {}
        for line in octets.splitlines():
            if (write := _parsed(line)) is not None:
                last[write.call["call_id"]] = write
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


def _parsed(line: bytes) -> Write | None:
    try:
        body = json.loads(line)
        write = Write(body["call"], tuple(body["turns"]), tuple(body.get("attempts", ())))
        write.call["call_id"]
    except (ValueError, KeyError, TypeError) as error:
        if line.strip():
            log.warning("spool_line_refused", reason=_one_line(error))
        return None
    return write


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
