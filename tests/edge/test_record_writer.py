"""What the record writer does with writes that the database does not take."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from edge.records import writer as writing
from edge.records.reader import RecordReader
from edge.records.writer import RecordWriter, Write

pytestmark = pytest.mark.unit


def row(call_id: str, **columns: Any) -> dict[str, Any]:
    required = ("state", "sip_call_id", "direction", "trunk", "source", "caller", "caller_name")
    return {
        "call_id": call_id,
        **dict.fromkeys((*required, "called"), "x"),
        "offered_at": "2026-01-31T12:00:00.000Z",
        **columns,
    }


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Disk:
    """Stands for the database: full or not, and what it has taken."""

    def __init__(self) -> None:
        self.full = True
        self.taken: list[str] = []

    def store(self, session: Session, write: Write) -> None:
        if self.full:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        self.taken.append(write.call["call_id"])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(writing, "store", disk.store)
    monkeypatch.setattr(writing, "RETRY_INTERVAL_S", 0.05)
    monkeypatch.setattr(writing, "PENDING_LIMIT", 3)
    return disk


def test_what_waits_is_written_under_traffic(tmp_path: Path, disk: Disk) -> None:
    """Writes that come all the time do not keep the waiting ones from the recovered database."""
    writer = RecordWriter(f"sqlite:///{tmp_path}/calls.db", tmp_path / "records.spool")
    writer.start()
    writer.put({"call_id": "c0"})
    wait_until(lambda: writer.failing)
    disk.full = False
    for number in range(100):
        writer.put({"call_id": f"t{number}"})
        time.sleep(0.01)
    assert "c0" in disk.taken
    writer.stop()


def test_what_memory_does_not_hold_is_read_from_the_spool(tmp_path: Path, disk: Disk) -> None:
    """Beyond the limit the spool file alone has the writes; all come, in order, none is lost."""
    writer = RecordWriter(f"sqlite:///{tmp_path}/calls.db", tmp_path / "records.spool")
    writer.start()
    names = [f"c{number}" for number in range(10)]
    for name in names:
        writer.put({"call_id": name, "cause": "one\u2028line"})
    spool = tmp_path / "records.spool"
    wait_until(lambda: spool.exists() and spool.read_bytes().count(b"\n") == 10)
    disk.full = False
    wait_until(lambda: not spool.exists())
    assert disk.taken == names
    writer.stop()


def test_a_write_that_can_never_succeed_is_put_aside(tmp_path: Path) -> None:
    """Too large, of no column, without what is required: to the rejected file; the next is kept."""
    url, rejected = f"sqlite:///{tmp_path}/calls.db", tmp_path / "records.rejected"
    writer = RecordWriter(url, tmp_path / "records.spool")
    writer.start()
    writer.put(row("large", duration_ms=2**70))
    writer.put(row("no-column", colour="green"))
    writer.put({"call_id": "half"})
    writer.put(row("surrogate", caller_name="\udcff"))
    writer.put(row("object", cause=object()))
    writer.put(row("good"))
    writer.stop()
    lines = [json.loads(each) for each in rejected.read_text("utf-8").splitlines()]
    names = ["large", "no-column", "half", "surrogate", "object"]
    assert [each["call"]["call_id"] for each in lines] == names
    assert all(each["reason"] for each in lines)
    assert writer.failing
    reader = RecordReader(url)
    assert [each.call_id for each in reader.recent(10)] == ["good"]
    reader.close()


def test_rejected_writes_are_told_until_the_file_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start still says that rejected writes wait; moving the file away ends that."""
    monkeypatch.setattr(writing, "RETRY_INTERVAL_S", 0.05)
    url, rejected = f"sqlite:///{tmp_path}/calls.db", tmp_path / "records.rejected"
    before = RecordWriter(url, tmp_path / "records.spool")
    before.start()
    before.put(row("large", duration_ms=2**70))
    before.stop()
    reader = RecordReader(url)
    writer = RecordWriter(url, tmp_path / "records.spool")
    writer.start()
    try:
        wait_until(lambda: writer.failing)
        writer.put(row("good"))
        wait_until(lambda: reader.recent(1))
        assert writer.failing, "a write that succeeds does not hide the rejected one"
        rejected.unlink()
        wait_until(lambda: not writer.failing)
        assert not rejected.exists()
    finally:
        writer.stop()
        reader.close()
