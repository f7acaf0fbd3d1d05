"""Read call records, whether the service runs or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from edge.records.database import database_path, open_database
from edge.records.models import AttemptRow, CallRow, TurnRow
from media import LocalError

LAST = "last"


class RecordError(LocalError):
    """The records cannot be read, or there is no such call."""


class RecordReader:
    """The record database, for reading.

    Args:
        url: SQLAlchemy URL.

    Raises:
        RecordError: there is no database, or it is not ours.
    """

    def __init__(self, url: str) -> None:
        try:
            path = database_path(url)
            if path is not None and not path.exists():
                raise RecordError(f"no call has been recorded yet ({path} does not exist)")
            self._engine: Engine = open_database(url, create=False)
        except (SQLAlchemyError, ImportError) as error:  # a driver that is not installed
            raise RecordError(f"cannot read the records: {_first_line(error)}") from error

    def recent(self, limit: int) -> Sequence[CallRow]:
        """Return the latest calls, newest first."""
        with self._session() as session:
            newest = select(CallRow).order_by(CallRow.call_id.desc()).limit(limit)
            return session.scalars(newest).all()

    def turn_counts(self, call_ids: Sequence[str]) -> dict[str, int]:
        """Return how many turns each of the calls has."""
        with self._session() as session:
            counted = (
                select(TurnRow.call_id, func.count())
                .where(TurnRow.call_id.in_(call_ids))
                .group_by(TurnRow.call_id)
            )
            return {call_id: count for call_id, count in session.execute(counted)}

    def find(self, wanted: str) -> CallRow:
        """Return the one call that an id, the beginning or end of one, or ``last`` names.

        Raises:
            RecordError: no call, or several.
        """
        with self._session() as session:
            query = select(CallRow).order_by(CallRow.call_id.desc())
            if wanted == LAST:
                rows = session.scalars(query.limit(1)).all()
            else:
                starts = CallRow.call_id.startswith(wanted, autoescape=True)
                ends = CallRow.call_id.endswith(wanted, autoescape=True)
                rows = session.scalars(query.where(starts | ends).limit(6)).all()
        if not rows:
            raise RecordError(f"no call {wanted!r}" if wanted != LAST else "no calls yet")
        if len(rows) > 1:
            some = ", ".join(each.call_id for each in rows[:5])
            raise RecordError(f"{wanted!r} names several calls: {some}" + " ..." * (len(rows) > 5))
        return rows[0]

    def turns(self, call_id: str) -> Sequence[TurnRow]:
        """Return a call's turns as they began."""
        with self._session() as session:
            ordered = (
                select(TurnRow)
                .where(TurnRow.call_id == call_id)
                .order_by(TurnRow.offset_ms, TurnRow.number)
            )
            return session.scalars(ordered).all()

    def since(self, first: str | None) -> tuple[Sequence[CallRow], Sequence[TurnRow]]:
        """Return all calls offered at or after a UTC time (None: all) and all their turns."""
        calls, turns = select(CallRow), select(TurnRow)
        if first is not None:
            calls = calls.where(CallRow.offered_at >= first)
            turns = turns.join(CallRow).where(CallRow.offered_at >= first)
        with self._session() as session:
            return session.scalars(calls).all(), session.scalars(turns).all()

    def attempts_since(self, first: str | None) -> Sequence[AttemptRow]:
        """Return the attempts of all calls offered at or after a UTC time (None: all)."""
        if not inspect(self._engine).has_table(AttemptRow.__tablename__):
            return []
        wanted = select(AttemptRow)
        if first is not None:
            wanted = wanted.join(CallRow).where(CallRow.offered_at >= first)
        with Session(self._engine, expire_on_commit=False) as session:
            return session.scalars(wanted).all()

    def attempts(self, call_id: str) -> Sequence[AttemptRow]:
        """Return a call's attempts to reach a human, in order."""
        with self._session() as session:
            if not inspect(self._engine).has_table(AttemptRow.__tablename__):
                return []  # written before there were any
            mine = select(AttemptRow).where(AttemptRow.call_id == call_id)
            return session.scalars(mine.order_by(AttemptRow.number)).all()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self._engine, expire_on_commit=False) as session:
                yield session
        except SQLAlchemyError as error:
            raise RecordError(f"cannot read the records: {_first_line(error)}") from error

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
