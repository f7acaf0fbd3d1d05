"""Keep Kamailio's tables equal to the books of the control process (sans-IO).

Theory of operation
===================

Who counts the calls of a worker? Kamailio's dispatcher can (algorithm 10), from the messages that
pass it. It was not taken: a lost BYE leaves a call in its books for up to two hours, legs that a
worker itself began never enter them, ``dispatcher.reload`` empties them in the middle of the busy
hour (all three measured with 5.6.3), and after a restart it knows nothing of the calls that go on.

The control process knows the truth already: every worker tells it of every leg's beginning and
end, and of its life by a heartbeat of its SIP thread. So control counts and Kamailio is told, as
*absolute* numbers in hash tables. Nothing accumulates, so nothing can leak: any number that is
wrong is wrong until the next one, at most a second. Between two of them Kamailio lowers its own
copy for each call that it gives away, so that a burst spreads evenly before control has heard of
it. And the last word is the worker's: it refuses what it has no slot for, and Kamailio goes on to
the next worker. The numbers decide the order; they cannot lose a call or admit one too many.

===================================  ==============================================================
what dies                            then
===================================  ==============================================================
a worker                             control sees its socket close, its slots become 0 at once; an
                                     INVITE on its way goes to the next worker after 2 s
the control process                  the lease runs out in 3 s: 503 with Retry-After, no timeouts
Kamailio                             its new life has no mark: everything is told again, within
                                     a fifth of a second; calls go on, their Contact leads here
===================================  ==============================================================

A drained worker is one whose free slots are told as 0: new calls pass it by, requests of its calls
reach it as before.

What is told:

=========  =====================  ==================================================================
table      key                    value
=========  =====================  ==================================================================
free       place of a worker      callers that it could take now
uri        place of a worker      where it listens
front      free                   callers that may still come, whatever the workers could take
front      places, open, retry    number of places; 1 where calls are taken at all; Retry-After
front      unknown, strangers     what callers of no trunk get; 1 where control judges them
front      passwords, realm       number of users, realm of their passwords
front      mark                   the life of control that told all this
known      address                1 for a server that we are registered at
lease      control                1, again each second
ha1 ...    digest user            MD5(user:realm:password), who it is, address to register,
                                  what it hears when all lines are taken
user       address                the digest user who may register it, and who calls from it
=========  =====================  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.front.rpc import Parameter

TABLES = ("free", "uri", "front", "ha1", "identity", "address", "user", "refusal", "known")
"""Tables that control fills and that are emptied before it fills them anew."""

_LOWERED = "lowered"
"""Stands for a number that only Kamailio knows."""

Cell = tuple[str, str]
"""Table and key."""


@dataclass(frozen=True, slots=True)
class Command:
    """One call of Kamailio's JSON-RPC."""

    method: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker as Kamailio shall see it."""

    uri: str
    """Where it listens, empty while nobody does."""
    free: int
    """Callers that it could take now."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password."""

    ha1: str
    """MD5(user:realm:password), hexadecimal."""
    identity: str
    """``phone:NAME`` or ``trunk:NAME``."""
    address: str = ""
    """User part of the address that may be registered, empty for none."""
    refusal: str = ""
    """Of a trunk: what a full house is answered with, as ``503/7``."""


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that Kamailio shall know."""

    seats: tuple[Seat, ...] = ()
    free: int = 0
    """Callers that may still come."""
    is_open: bool = False
    retry_after_s: int = 5
    unknown: str = "drop"
    """What callers of no trunk get: ``accept``, ``forbid`` or ``drop``."""
    strangers_pass: bool = False
    """Calls to a registration of ours get to a worker: control knows their tokens."""
    users: dict[str, User] = field(default_factory=dict)
    realm: str = "cordboard"
    """Of every challenge: who asks for a user must not learn from it whether there is one."""
    known: tuple[str, ...] = ()
    """Addresses of servers that we are registered at: no strangers."""


class Board:
    """What Kamailio was told and what is to be told next.

    Args:
        mark: says which life of control filled the tables.
    """

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._told: dict[Cell, Parameter] = {}
        self._whole = False

    def forget(self) -> None:
        """Kamailio lost everything, or may have: tell all of it at the next occasion."""
        self._told = {}
        self._whole = False

    def lowered(self, place: int) -> None:
        """Kamailio has changed its copy of these numbers: tell them again, though they be equal."""
        for cell in (("free", str(place)), ("front", "free")):
            if cell in self._told:
                self._told[cell] = _LOWERED

    def changes(self, books: Books) -> list[Command]:
        """Return what differs from what was told, and take it as told."""
        wanted = _cells(books)
        commands: list[Command] = []
        if not self._whole:
            commands += [Command("htable.flush", (table,)) for table in TABLES]
            # the mark comes last: a life that has it has everything
            wanted["front", "mark"] = self.mark
            self._whole = True
        else:
            wanted["front", "mark"] = self.mark
            commands += [
                Command("htable.delete", cell) for cell in self._told if cell not in wanted
            ]
        for cell, value in wanted.items():
            if self._told.get(cell) != value:
                commands.append(_setting(cell, value))
        self._told = wanted
        return commands

    def reminders(self, books: Books) -> list[Command]:
        """Return what is told each second: the lease, and the numbers that Kamailio lowers."""
        commands = [_setting(("lease", "control"), 1)]
        for cell, value in _cells(books).items():
            if cell[0] == "free" or cell == ("front", "free"):
                commands.append(_setting(cell, value))
        return commands


def _setting(cell: Cell, value: Parameter) -> Command:
    return Command("htable.seti" if isinstance(value, int) else "htable.sets", (*cell, value))


def _cells(books: Books) -> dict[Cell, Parameter]:
    cells: dict[Cell, Parameter] = {}
    for place, seat in enumerate(books.seats):
        if seat.uri:
            cells["uri", str(place)] = seat.uri
        cells["free", str(place)] = seat.free if seat.uri else 0
    for user, each in books.users.items():
        cells["ha1", user] = each.ha1
        cells["identity", user] = each.identity
        if each.address:
            cells["address", user] = each.address
            cells["user", each.address] = user
        if each.refusal:
            cells["refusal", user] = each.refusal
    for address in books.known:
        cells["known", address] = 1
    cells["front", "unknown"] = books.unknown
    cells["front", "strangers"] = int(books.strangers_pass)
    cells["front", "passwords"] = len(books.users)
    cells["front", "realm"] = books.realm
    cells["front", "retry"] = books.retry_after_s
    cells["front", "places"] = len(books.seats)
    cells["front", "open"] = int(books.is_open)
    cells["front", "free"] = books.free
    return cells
