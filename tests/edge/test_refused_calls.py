from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from edge.admission import OVERLOADED, Admission
from edge.call_book import CallBook
from edge.call_parts import CallTimers
from edge.call_surroundings import Surroundings
from edge.front.refusals import FrontRefused, RefusedAs
from edge.records.models import CallRow
from edge.records.reader import RecordReader
from edge.records.writer import RecordWriter
from edge.refusal_limit import MOST_PER_SOURCE
from edge.refused_calls import RefusedCalls
from edge.trunks.intake import Intake
from edge.trunks.routing import Routing
from edge.ua.messages import UaRefused
from media.config.load import parse_config

pytestmark = pytest.mark.unit

CONFIG = b"""\
sip: {address: 192.0.2.10, front: kamailio}
limits: {calls: 4}
phones: {anna: {password: one}}
trunks:
  known: {sources: 198.51.100.1}
  pbx: {digest: {username: pbx, password: two, accept_register: true}}
agents: {a: {greeting: Hello., instructions: Help.}}
dialplan: [{agent: a}]
"""
KNOWN, STRANGER = "198.51.100.1:5060", "203.0.113.5:5060"


class Door:
    """Refused calls and what became of them in a real book and database."""

    def __init__(self, folder: Path) -> None:
        loaded = parse_config(CONFIG, Path("/srv/c.yaml")).config
        assert loaded is not None
        nobody = cast(Any, None)
        self._url = f"sqlite:///{folder}/calls.db"
        self._writer = RecordWriter(self._url, folder / "spool")
        self._writer.start()
        around = Surroundings(
            nobody, nobody, self._writer, lambda _: None, lambda: 7, False, CallTimers(), nobody
        )
        self.book = CallBook(around, lambda _: None)
        self.admission = Admission(needs_agent=True)
        self.admission.media_up = self.admission.agent_up = self.admission.agent_ready = True
        intake = Intake(Routing.compile(loaded), nobody, lambda *_: "", lambda _: None)
        self.refused = RefusedCalls(self.book, self.admission, intake, fronted=True)

    async def rows(self) -> list[CallRow]:
        """Return the records, once every call is over."""
        async with asyncio.timeout(10):
            while self.book.tasks:
                await asyncio.sleep(0.005)
        self._writer.stop()
        reader = RecordReader(self._url)
        rows = list(reader.recent(100))
        reader.close()
        return rows


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Provide a door that is open."""
    return Door(tmp_path)


def by_front(
    source: str = KNOWN,
    identity: str = "",
    status: int = 503,
    state: RefusedAs = RefusedAs.FULL,
    age_s: float = 0.0,
) -> FrontRefused:
    """Return what Kamailio tells."""
    at_s = time.time() - age_s
    return FrontRefused("c", "sip:a@b", "sip:100@d", source, "udp", identity, status, state, at_s)


@pytest.mark.parametrize(
    ("state", "status", "ended_by", "reason", "cause"),
    [
        (RefusedAs.FULL, 503, "system", "full", "all lines are taken"),
        (RefusedAs.FULL, 480, "system", "full", "all lines are taken"),
        (RefusedAs.FULL, 486, "system", "full", "all lines are taken"),
        (RefusedAs.CLOSED, 503, "system", "not_ready", "no calls were taken"),
        (RefusedAs.SILENT, 503, "system", "not_ready", "the control process was not up"),
        (RefusedAs.UNANSWERED, 503, "system", "not_ready", "no UA worker could take the call"),
        (RefusedAs.CANCELLED, 487, "caller", "caller_cancelled", "no UA worker had answered"),
    ],
)
async def test_the_record_says_why(
    door: Door, state: RefusedAs, status: int, ended_by: str, reason: str, cause: str
) -> None:
    """One closed record with the caller's answer, and no line taken."""
    door.refused.by_front(by_front(status=status, state=state))
    assert door.book.calls == {}
    (row,) = await door.rows()
    assert (row.state, row.sip_status, row.ended_by) == ("closed", status, ended_by)
    assert (row.reason, row.cause, row.trunk) == (reason, cause, "known")
    assert (row.sip_call_id, row.caller, row.called) == ("c", "sip:a@b", "sip:100@d")


@pytest.mark.parametrize("overloaded", [False, True])
async def test_what_keeps_calls_out_is_the_cause(door: Door, overloaded: bool) -> None:
    """Overload is a full house; a process that is away is not."""
    door.admission.agent_refusing = overloaded
    door.admission.agent_up = overloaded
    door.refused.by_front(by_front(state=RefusedAs.CLOSED))
    (row,) = await door.rows()
    expected = ("full", OVERLOADED) if overloaded else ("not_ready", "the agent process is not up")
    assert (row.reason, row.cause) == expected


@pytest.mark.parametrize(
    ("source", "identity", "trunk", "recorded"),
    [
        (KNOWN, "", "known", 25),
        (STRANGER, "trunk:pbx", "pbx", 25),
        (STRANGER, "phone:anna", "default", 25),
        (STRANGER, "", "default", MOST_PER_SOURCE),
        (STRANGER, "trunk:gone", "default", MOST_PER_SOURCE),
    ],
)
async def test_who_is_known_is_always_recorded(
    door: Door, source: str, identity: str, trunk: str, recorded: int
) -> None:
    """Trunks by address or password and desk phones; of strangers some a minute."""
    for _ in range(25):
        door.refused.by_front(by_front(source, identity))
    rows = await door.rows()
    assert [each.trunk for each in rows] == [trunk] * recorded


async def test_the_record_has_the_time_of_the_refusal(door: Door) -> None:
    """Whenever control hears of it."""
    began = time.time()
    door.refused.by_front(by_front(age_s=3_600))
    (row,) = await door.rows()
    assert row.ended_at is not None
    for text in (row.offered_at, row.ended_at):
        at = datetime.fromisoformat(text)
        assert abs(at.astimezone(UTC).timestamp() - (began - 3_600)) < 60
    stamp = time.strftime("%Y%m%d-%H", time.gmtime(began - 3_600))
    assert row.call_id.startswith(stamp)


async def test_a_worker_that_passes_the_call_on_leaves_no_record(door: Door) -> None:
    """Behind the front the next worker may take it; what no worker could take has its record."""
    for status in (486, 488, 500, 503):
        said = UaRefused(str(status), "sip:a@b", "sip:c@d", KNOWN, "UDP", status, "why")
        door.refused.by_worker(said)
    assert [each.sip_call_id for each in await door.rows()] == ["488"]
