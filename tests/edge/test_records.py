import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from edge.call_events import EndReason, Party, Termination
from edge.call_parts import CallTimes
from edge.records.columns import (
    Parties,
    WallClock,
    closing,
    duration_ms,
    new_call_id,
    opening,
    stages,
    turn_columns,
)
from edge.records.database import SchemaError, open_database
from edge.records.reader import RecordError, RecordReader
from edge.records.writer import RecordWriter, utc_text
from media.messages import CallId, Speaker, StreamQuality, Turn

pytestmark = pytest.mark.unit

MS = 1_000_000
CLOCK = WallClock(1_769_860_800_000 * MS)
PARTIES = Parties("abc@caller", "sip:alice@a", "sip:100@b", "127.0.0.1:5062", "Alice")
TIMES = CallTimes(0, 10 * MS, 20 * MS, 30 * MS, 5_030 * MS)
OVER = Termination(Party.CALLER, 200, EndReason.CALLER_HANGUP, "Q.850;cause=16")
TURN = Turn(CallId("c1"), 1, Speaker.AGENT, "Hello.", 130 * MS, 1_130 * MS, response_ms=640)

MakeWriter = Callable[[], RecordWriter]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/calls.db"


@pytest.fixture
def make(tmp_path: Path, url: str) -> MakeWriter:
    def make() -> RecordWriter:
        writer = RecordWriter(url, tmp_path / "run" / "records.spool")
        writer.start()
        return writer

    return make


def opened(call_id: str) -> dict[str, Any]:
    return opening(CallId(call_id), PARTIES, TIMES, CLOCK, "support")


def closed(call_id: str, quality: StreamQuality | None = None) -> dict[str, Any]:
    return closing(CallId(call_id), TIMES, CLOCK, OVER, quality)


def test_a_call_is_written_ahead_and_closed_once(make: MakeWriter, url: str) -> None:
    """One row per call, its turns in order, everything that the last transaction said."""
    writer = make()
    writer.put(opened("c1"))
    writer.put(stages(CallId("c1"), TIMES, CLOCK))
    writer.put({"call_id": "c1"}, (turn_columns(TURN, 30 * MS),))
    quality = StreamQuality(packets_received=250, mos=4.4, recording="/r.wav")
    writer.put(closed("c1", quality), (turn_columns(TURN, 30 * MS),))
    writer.stop()
    reader = RecordReader(url)
    (row,) = reader.recent(10)
    assert (row.state, row.reason, row.ended_by, row.sip_status) == (
        "closed",
        "caller_hangup",
        "caller",
        200,
    )
    assert (row.offered_at, row.answered_at) == (
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00.030Z",
    )
    assert (row.duration_ms, row.mos, row.recording) == (5_000, 4.4, "/r.wav")
    (turn,) = reader.turns("c1")
    assert (turn.offset_ms, turn.duration_ms, turn.response_ms) == (100, 1_000, 640)
    assert reader.turn_counts(["c1"]) == {"c1": 1}
    reader.close()


def test_a_new_start_closes_what_a_killed_process_left_open(make: MakeWriter, url: str) -> None:
    """A record without an end becomes control_lost, ended when that process last lived."""
    first = make()
    first.put(opened("c1"))
    first.put(opened("c2") | {"answered_at": "2026-01-31T12:00:00.030Z"})
    first.put(closed("c3") | opened("c3") | {"state": "closed"})
    first.stop()
    make().stop()
    reader = RecordReader(url)
    rows = {each.call_id: each for each in reader.recent(10)}
    reader.close()
    assert (rows["c1"].state, rows["c1"].reason) == ("closed", "control_lost")
    assert rows["c1"].ended_at is not None
    assert (rows["c1"].sip_status, rows["c2"].sip_status) == (500, 200)
    assert rows["c3"].reason == "caller_hangup"


def test_what_the_database_refuses_is_spooled_and_written_later(
    tmp_path: Path, make: MakeWriter, url: str
) -> None:
    """A database that cannot be opened loses no record: the spool replays it at the next start."""
    in_the_way = tmp_path / "calls.db"
    in_the_way.mkdir()
    writer = make()
    writer.put(opened("c1"))
    writer.put(closed("c1"), (turn_columns(TURN, 30 * MS),))
    writer.put(opened("c2"))
    writer.stop()
    assert writer.failing
    spool = tmp_path / "run" / "records.spool"
    assert len(spool.read_text("utf-8").splitlines()) == 3
    with spool.open("a", encoding="utf-8") as torn:
        torn.write('{"call": {"call_')
    in_the_way.rmdir()
    make().stop()
    reader = RecordReader(url)
    rows = {each.call_id: each for each in reader.recent(10)}
    assert rows["c1"].reason == "caller_hangup"
    assert len(reader.turns("c1")) == 1
    assert rows["c2"].reason == "control_lost"
    assert not spool.exists()
    reader.close()


def test_a_recovered_database_gets_what_waited(tmp_path: Path, make: MakeWriter, url: str) -> None:
    """Writes that failed are tried again while the process runs; the spool is then gone."""
    in_the_way = tmp_path / "calls.db"
    in_the_way.mkdir()
    writer = make()
    writer.put(opened("c1"))
    writer.put(closed("c1"))
    spool = tmp_path / "run" / "records.spool"
    while not spool.exists():
        pass
    in_the_way.rmdir()
    writer.stop()
    assert not writer.failing
    assert not spool.exists()
    reader = RecordReader(url)
    assert reader.find("c1").reason == "caller_hangup"
    reader.close()


def test_calls_are_found_by_either_end_of_their_id(make: MakeWriter, url: str) -> None:
    """Beginning, end and 'last' name a call; what names several or none is an error."""
    writer = make()
    for call_id in ("20260131-120000-000-aaaaaa", "20260131-120000-001-bbbbbb"):
        writer.put(opened(call_id))
        writer.put(closed(call_id))
    writer.stop()
    reader = RecordReader(url)
    assert reader.find("last").call_id.endswith("bbbbbb")
    assert reader.find("aaaaaa").call_id.endswith("aaaaaa")
    assert reader.find("20260131-120000-001").call_id.endswith("bbbbbb")
    with pytest.raises(RecordError, match="several"):
        reader.find("2026")
    with pytest.raises(RecordError, match="no call"):
        reader.find("%")
    reader.close()


def test_no_database_is_one_readable_line(tmp_path: Path) -> None:
    """Before the first call the error says that nothing was recorded, and creates nothing."""
    with pytest.raises(RecordError, match="no call has been recorded yet"):
        RecordReader(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """A broken file is told in one line."""
    (tmp_path / "calls.db").write_text("this is not a database at all, whatever it is called")
    with pytest.raises(RecordError, match="cannot read"):
        RecordReader(f"sqlite:///{tmp_path}/calls.db")


@pytest.mark.parametrize("url", ["oracle+cx_oracle://u@h/d", "nosuch://h/d", "sqlite"])
def test_a_database_that_cannot_be_spoken_to_is_one_readable_line(url: str) -> None:
    """Its driver is not installed, nobody knows it, or it is no URL."""
    with pytest.raises(RecordError, match="^cannot read the records: "):
        RecordReader(url)


def test_a_damaged_database_is_one_readable_line(make: MakeWriter, url: str) -> None:
    """Also where the damage is found by the query: a table is gone, or its pages are."""
    writer = make()
    writer.put(opened("c1"))
    writer.stop()
    engine = open_database(url, create=False)
    with Session(engine) as session, session.begin():
        session.execute(text("DROP TABLE calls"))
    engine.dispose()
    reader = RecordReader(url)
    for read in (lambda: reader.recent(5), lambda: reader.find("c1"), lambda: reader.since(None)):
        with pytest.raises(RecordError, match="^cannot read the records: .*no such table"):
            read()
    reader.close()


def test_another_layout_is_refused(url: str) -> None:
    """A database of another version is not touched."""
    engine = open_database(url, create=True)
    with Session(engine) as session, session.begin():
        session.execute(text("UPDATE schema_version SET version = 99"))
    engine.dispose()
    with pytest.raises(SchemaError, match="99"):
        open_database(url, create=True)


def test_a_reader_waits_for_a_database_that_is_being_made(url: str) -> None:
    """The tables are there before the version is: a moment later it can be read."""
    engine = open_database(url, create=True)
    with Session(engine) as session, session.begin():
        session.execute(text("DELETE FROM schema_version"))
    with pytest.raises(SchemaError, match="layout None"):
        open_database(url, create=False)
    writer = threading.Timer(0.2, lambda: open_database(url, create=True).dispose())
    writer.start()
    try:
        RecordReader(url).close()
    finally:
        writer.join()
    engine.dispose()


def test_sqlite_writes_ahead(url: str) -> None:
    """Readers never wait for the writer: the journal is WAL."""
    engine = open_database(url, create=True)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_call_ids_sort_by_time() -> None:
    """The id begins with the UTC time of the INVITE and never repeats."""
    early = new_call_id(1_769_860_800_123 * MS)
    late = new_call_id(1_769_860_800_124 * MS)
    assert early.startswith("20260131-120000-123-")
    assert early < late
    assert new_call_id(0) != new_call_id(0)


def test_times_are_utc_text() -> None:
    """ISO 8601 with milliseconds and Z; a time that never was stays None."""
    assert utc_text(1_769_860_800_007 * MS) == "2026-01-31T12:00:00.007Z"
    assert CLOCK.text(None) is None
    assert abs(WallClock.read().offset_ns - WallClock.read().offset_ns) < 50 * MS


def test_an_unanswered_call_lasted_nothing() -> None:
    """Duration counts from the ACK."""
    assert duration_ms(CallTimes(0, 10, None, None, 99 * MS)) == 0
    assert duration_ms(TIMES) == 5_000


def test_further_figures_of_a_turn_are_kept() -> None:
    """The detail map travels as JSON."""
    turn = Turn(CallId("c1"), 1, Speaker.CALLER, "Hi", 0, MS, detail={"cut_offs": 1.0})
    assert json.loads(turn_columns(turn, 0)["detail"]) == {"cut_offs": 1.0}
