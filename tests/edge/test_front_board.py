from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge.front.board import TABLES, Board, Books, Command, Seat, User

pytestmark = pytest.mark.unit

SEATS = (Seat("sip:127.0.0.1:1", 4), Seat("sip:127.0.0.1:2", 4))
BOOKS = Books(SEATS, free=8, is_open=True, retry_after_s=10)
Tables = dict[tuple[str, str], str | int]


def carry_out(tables: Tables, commands: list[Command]) -> None:
    """Do what Kamailio does with them."""
    for each in commands:
        match each.method, each.parameters:
            case "htable.flush", (table,):
                for cell in [one for one in tables if one[0] == table]:
                    del tables[cell]
            case "htable.delete", (table, key):
                del tables[str(table), str(key)]
            case (("htable.seti" | "htable.sets"), (table, key, value)):
                assert isinstance(value, int) == (each.method == "htable.seti")
                tables[str(table), str(key)] = value
            case _:
                raise AssertionError(each)


def whole(books: Books, mark: str = "me") -> Tables:
    """Return the tables of a Kamailio that was told everything at once."""
    tables: Tables = {}
    carry_out(tables, Board(mark).changes(books))
    return tables


def test_a_new_kamailio_is_told_everything_and_the_mark_last() -> None:
    """Tables are emptied first, and the mark proves that all of it came."""
    commands = Board("me").changes(BOOKS)
    assert [each.parameters[0] for each in commands[: len(TABLES)]] == list(TABLES)
    assert commands[-1] == Command("htable.sets", ("front", "mark", "me"))
    tables = whole(BOOKS)
    assert tables["free", "1"] == 4
    assert tables["uri", "1"] == "sip:127.0.0.1:2"
    assert tables["front", "places"] == 2
    assert tables["front", "retry"] == 10


def test_only_what_differs_is_told_again() -> None:
    """A call taken costs two numbers, nothing costs nothing."""
    board = Board("me")
    board.changes(BOOKS)
    assert board.changes(BOOKS) == []
    later = Books((SEATS[0], Seat("sip:127.0.0.1:2", 3)), 7, True, 10)
    assert board.changes(later) == [
        Command("htable.seti", ("free", "1", 3)),
        Command("htable.seti", ("front", "free", 7)),
    ]


def test_numbers_that_kamailio_lowered_are_told_though_they_are_equal() -> None:
    """A call that came and went between two rounds leaves Kamailio's own copy lowered."""
    board = Board("me")
    board.changes(BOOKS)
    board.lowered(1)
    assert board.changes(BOOKS) == [
        Command("htable.seti", ("free", "1", 4)),
        Command("htable.seti", ("front", "free", 8)),
    ]


def test_a_lost_worker_has_no_slots_and_no_address() -> None:
    """Requests of its calls are answered 481 at once."""
    board, tables = Board("me"), whole(BOOKS)
    board.changes(BOOKS)
    carry_out(tables, board.changes(Books((SEATS[0], Seat("", 4)), 4, True, 10)))
    assert tables["free", "1"] == 0
    assert ("uri", "1") not in tables


def test_reminders_are_the_lease_and_every_number() -> None:
    """Whatever went wrong is right a second later."""
    reminders = Board("me").reminders(BOOKS)
    assert Command("htable.seti", ("lease", "control", 1)) in reminders
    assert {each.parameters[:2] for each in reminders} == {
        ("lease", "control"), ("free", "0"), ("free", "1"), ("front", "free"),
    }  # fmt: skip


def test_users_come_and_go() -> None:
    """A phone taken out of the file has no password any more."""
    anna = User("0" * 32, "phone:anna", "anna")
    board = Board("me")
    tables: Tables = {}
    carry_out(tables, board.changes(Books(users={"anna": anna})))
    assert tables["ha1", "anna"] == "0" * 32
    assert tables["address", "anna"] == "anna"
    assert tables["user", "anna"] == "anna"
    assert tables["front", "passwords"] == 1
    carry_out(tables, board.changes(Books()))
    assert not [cell for cell in tables if cell[1] == "anna"]


def test_trunks_that_register_and_registrars_are_told() -> None:
    """What a full house says to a trunk, and whose requests are no stranger's."""
    pbx = User("0" * 32, "trunk:pbx", "pbx", "480/-")
    board = Board("me")
    tables: Tables = {}
    carry_out(tables, board.changes(Books(users={"pbx": pbx}, known=("192.0.2.9",))))
    assert tables["refusal", "pbx"] == "480/-"
    assert tables["known", "192.0.2.9"] == 1
    carry_out(tables, board.changes(Books(users={"pbx": pbx})))
    assert ("known", "192.0.2.9") not in tables


seats = st.builds(Seat, st.sampled_from(["", "sip:127.0.0.1:5", "sip:127.0.0.1:6"]),
                  st.integers(0, 4))  # fmt: skip
users = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.builds(User, st.just("1"), st.just("phone:x"), st.sampled_from(["", "x"])),
)
books = st.builds(
    Books,
    st.lists(seats, max_size=4).map(tuple),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 9),
    users,
)


@given(st.lists(st.tuples(books, st.sampled_from(["", "forget", "lowered"])), max_size=8))
def test_whatever_happens_kamailio_ends_up_with_the_books(
    history: list[tuple[Books, str]],
) -> None:
    """Any way of changes, losses and local counts ends in the tables of a fresh start."""
    board = Board("me")
    tables: Tables = {}
    for each, event in history:
        carry_out(tables, board.changes(each))
        if event == "forget":
            board.forget()
            tables.clear()
        elif event == "lowered" and each.seats:
            board.lowered(0)
            tables["free", "0"] = -1
            tables["front", "free"] = -1
    last = history[-1][0] if history else Books()
    carry_out(tables, board.changes(last))
    assert tables == whole(last)
