"""Open the record database: WAL and foreign keys for SQLite, the schema's version checked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.orm import Session

from edge.records.models import SCHEMA_VERSION, Base, SchemaVersion
from media import LocalError

_BUSY_TIMEOUT_MS = 3_000
_MAKING_S = 1.0
"""How long a reader waits for the writer to finish making the database."""


class SchemaError(LocalError):
    """The database was written by another version of Cordboard."""


def open_database(url: str, *, create: bool) -> Engine:
    """Connect to the record database.

    Args:
        url: an SQLAlchemy URL whose SQLite path is absolute.
        create: make folder and tables where they are missing.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
        SchemaError: its layout is not ours.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and create and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    if sqlite:
        event.listen(engine, "connect", _set_up_sqlite)
    if create:
        Base.metadata.create_all(engine)
    _add_missing_columns(engine)
    _check_version(engine, create)
    return engine


def _add_missing_columns(engine: Engine) -> None:
    """Add the columns that were thought of after a database was made; they may be empty."""
    known = inspect(engine)
    there = set(known.get_table_names())
    for table in Base.metadata.sorted_tables:
        if table.name not in there:
            continue
        present = {each["name"] for each in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present and column.nullable:
                kind = column.type.compile(engine.dialect)
                with engine.begin() as connection:
                    statement = f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                    connection.execute(text(statement))


def database_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, None for any other database."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # With WAL a power cut may lose the last transactions but never the database; a killed process
    # loses nothing (sqlite.org/pragma.html#pragma_synchronous).
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _check_version(engine: Engine, create: bool) -> None:
    deadline = time.monotonic() + _MAKING_S
    while (version := _version(engine, create)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if version != SCHEMA_VERSION:
        raise SchemaError(
            f"the record database has layout {version}, this version reads {SCHEMA_VERSION}"
        )


def _version(engine: Engine, create: bool) -> int | None:
    """Return the layout's version; None where the writer has not come to say it."""
    if not inspect(engine).has_table(SchemaVersion.__tablename__):
        return None
    with Session(engine) as session, session.begin():
        version = session.scalar(select(SchemaVersion.version))
        if version is None and create:
            session.add(SchemaVersion(version=SCHEMA_VERSION))
            return SCHEMA_VERSION
        return version
