from __future__ import annotations

import base64
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given
from structlog.testing import capture_logs

from edge.front.refusals import (
    BATCH,
    NOTES,
    FrontRefused,
    RefusalNotes,
    RefusedAs,
    parse_note,
)
from edge.front.rpc import Parameter, RpcError, RpcRefusedError

pytestmark = pytest.mark.unit


def note(number: int, *words: bytes, status: str = "503", state: str = "full") -> str:
    """Write a note as Kamailio does."""
    wire = [*words, *[b""] * 6][:6]
    encoded = [base64.b64encode(each).decode() for each in wire]
    return " ".join([str(number), "1795684665.250000", status, state, *encoded, "."])


def test_a_note_is_the_call() -> None:
    """Every word has its place."""
    words = (b"c-1", b"sip:a@b", b"sip:100@d", b"[2001:db8::1]:5060", b"tcp", b"trunk:pbx")
    assert parse_note(note(7, *words, status="486"), 7) == FrontRefused(
        "c-1", "sip:a@b", "sip:100@d", "[2001:db8::1]:5060", "tcp", "trunk:pbx",
        486, RefusedAs.FULL, 1_795_684_665.25,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"\"'; DROP TABLE calls; --", "\"'; DROP TABLE calls; --"),
        ("Jürgen 北京 ☎".encode(), "Jürgen 北京 ☎"),
        (b"a\r\nb\0c\x1b[31m", "a\ufffd\ufffdb\ufffdc\ufffd[31m"),
        (b"\xff\xfe$(var(x)){}\\", "\ufffd\ufffd$(var(x)){}\\"),
        (b"sip:" + b"u" * 996, "sip:" + "u" * 996),
        (b"u" * 5_000, "u" * 1_024),
        (b"", ""),
    ],
)
def test_what_callers_write_stays_within_its_word(sent: bytes, read: str) -> None:
    """Quotes, semicolons, UTF-8, control characters and length reach the record and no further."""
    refused = parse_note(note(1, sent, b"sip:a@b", sent), 1)
    assert refused is not None
    assert (refused.sip_call_id, refused.from_uri, refused.request_uri) == (read, "sip:a@b", read)


@given(st.lists(st.binary(max_size=40), min_size=6, max_size=6))
def test_any_bytes_can_be_read(words: list[bytes]) -> None:
    """Whatever was sent is one printable line of its own field."""
    refused = parse_note(note(3, *words), 3)
    assert refused is not None
    got = (refused.sip_call_id, refused.from_uri, refused.request_uri,
           refused.source, refused.transport, refused.identity)  # fmt: skip
    assert all(each.isprintable() for each in got)
    for sent, read in zip(words, got, strict=True):
        if sent.isascii() and sent.decode().isprintable():
            assert read == sent.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        None, 7, "", "7", note(8), note(7) + " more", note(7, state="happy"),
        note(7, status="many"), note(7).replace("1795684665.250000", "inf"),
        note(7).replace("1795684665.250000", "nan"), note(7).replace("1795684665.250000", "-1"),
    ],
)  # fmt: skip
def test_what_is_no_note_is_none(wrong: object) -> None:
    """An older note in the same place of the ring, too."""
    assert parse_note(wrong, 7) is None


def test_a_word_that_is_no_base64_is_empty() -> None:
    """The rest of the note still makes a record."""
    refused = parse_note(note(7, b"c", b"sip:a@b").replace(base64.b64encode(b"c").decode(), "?"), 7)
    assert refused is not None
    assert (refused.sip_call_id, refused.from_uri) == ("", "sip:a@b")


class Tables:
    """Kamailio's tables, filled as its NOTE route does."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Any] = {}
        self.failing = 0
        """How many commands from now on one is not answered; 0 for none."""

    def refuse(self, how_many: int = 1) -> None:
        for _ in range(how_many):
            count = self.cells.get(("notes", "count"), 0)
            if count - self.cells.get(("notes", "heard"), 0) < NOTES:
                number = count + 1
                self.cells["note", str(number % NOTES)] = note(number, f"call-{number}".encode())
                self.cells["notes", "count"] = number
            else:
                self.cells["notes", "lost"] = self.cells.get(("notes", "lost"), 0) + 1

    async def call(self, method: str, parameters: tuple[Parameter, ...]) -> Any:
        if self.failing:
            self.failing -= 1
            if not self.failing:
                raise RpcError("no answer")
        table, key, *value = parameters
        if method == "htable.seti":
            (self.cells[str(table), str(key)],) = value
            return "Ok."
        assert method == "htable.get"
        if (str(table), str(key)) not in self.cells:
            raise RpcRefusedError("Key name doesn't exist in htable.")
        return {"item": {"value": self.cells[str(table), str(key)]}}


async def read_all(notes: RefusalNotes, tables: Tables) -> int:
    """Read until nothing waits; return in how many batches."""
    batches = 1
    while await notes.read(cast(Any, tables)):
        batches += 1
    return batches


def collecting() -> tuple[RefusalNotes, list[str]]:
    """Return notes and the Call-IDs that they tell."""
    heard: list[str] = []
    return RefusalNotes(lambda refused: heard.append(refused.sip_call_id)), heard


async def test_each_note_is_read_once_in_batches() -> None:
    """Nothing costs nothing; a second reading brings what is new only."""
    tables, (notes, heard) = Tables(), collecting()
    assert await read_all(notes, tables) == 1
    tables.refuse(2 * BATCH + 1)
    assert await read_all(notes, tables) == 3
    tables.refuse()
    assert await read_all(notes, tables) == 1
    assert heard == [f"call-{number}" for number in range(1, 2 * BATCH + 3)]


async def test_another_control_process_goes_on_where_the_old_one_stopped() -> None:
    """What was refused while there was none is not lost, what was read is not read again."""
    tables, (notes, heard) = Tables(), collecting()
    tables.refuse(3)
    await read_all(notes, tables)
    tables.refuse(2)
    after, later = collecting()
    await read_all(after, tables)
    assert (heard, later) == (["call-1", "call-2", "call-3"], ["call-4", "call-5"])


async def test_a_new_kamailio_is_read_from_its_first_note() -> None:
    """It counts from one again."""
    tables, (notes, heard) = Tables(), collecting()
    tables.refuse(2)
    await read_all(notes, tables)
    tables.cells.clear()
    tables.refuse()
    notes.forget()
    await read_all(notes, tables)
    assert heard == ["call-1", "call-2", "call-1"]


async def test_a_full_ring_is_told_once_and_takes_notes_again() -> None:
    """The calls that found no room are counted; the ring goes round."""
    tables, (notes, heard) = Tables(), collecting()
    tables.refuse(NOTES + 7)
    with capture_logs() as logs:
        await read_all(notes, tables)
        await read_all(notes, tables)
    told = [each for each in logs if each["event"] == "front_refusals_unrecorded"]
    assert [(each["count"], each["reason"]) for each in told] == [(7, "too many at once")]
    assert len(heard) == NOTES
    tables.refuse(2)
    await read_all(notes, tables)
    assert heard[NOTES:] == [f"call-{NOTES + 1}", f"call-{NOTES + 2}"]


async def test_an_unreadable_note_is_counted_and_passed_over() -> None:
    """It does not keep the later ones."""
    tables, (notes, heard) = Tables(), collecting()
    tables.refuse(3)
    tables.cells["note", "2"] = "garbage"
    with capture_logs() as logs:
        await read_all(notes, tables)
    assert heard == ["call-1", "call-3"]
    assert [each["count"] for each in logs] == [1]


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 30))
async def test_commands_that_fail_lose_nothing_and_repeat_nothing(
    bursts: list[int], failing: int
) -> None:
    """Whichever command is not answered, the next reading goes on; it never raises."""
    tables, (notes, heard) = Tables(), collecting()
    tables.failing = failing
    for each in bursts:
        tables.refuse(each)
        await read_all(notes, tables)
    await read_all(notes, tables)
    await read_all(notes, tables)
    assert heard == [f"call-{number}" for number in range(1, sum(bursts) + 1)]
