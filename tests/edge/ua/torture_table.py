"""What RFC 4475 says about each of its messages, and what a UA worker does with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FOLDER = Path(__file__).parent / "torture"


class Kind(Enum):
    """How the RFC classes a message."""

    VALID = "valid"
    INVALID = "invalid"
    """Must not be served as if it were right."""
    LIBERAL = "invalid, may be taken liberally"
    """Syntactically wrong, but the RFC lets an element ignore the fault."""
    RESPONSE = "response to nothing"
    """Never answered."""


@dataclass(frozen=True)
class Expectation:
    """One row."""

    name: str
    section: str
    kind: Kind
    statuses: tuple[int, ...]
    """Final or first answers that are right; empty where silence is."""
    offered: bool = False
    """Whether control is asked to take the call."""

    @property
    def octets(self) -> bytes:
        """The message."""
        return (FOLDER / f"{self.name}.dat").read_bytes()

    @property
    def reply_port(self) -> int:
        """Port that the top Via asks for answers at."""
        top = re.search(
            rb"^(?:v|via)\s*:\s*SIP\s*/\s*\d\.0\s*/\s*\S+\s+[^\s;:,]+(?::(\d+))?",
            self.octets,
            re.IGNORECASE | re.MULTILINE,
        )
        return int(top[1]) if top and top[1] else 5_060

    @property
    def transaction(self) -> bytes:
        """Branch of the top Via: messages that share one must not meet."""
        branch = re.search(rb"branch\s*=\s*([^\s;,]+)", self.octets)
        return branch[1] if branch else b""


def _row(name: str, section: str, kind: Kind, *statuses: int, offered: bool = False) -> Expectation:
    return Expectation(name, section, kind, statuses, offered)


_V, _I, _L, _R = Kind.VALID, Kind.INVALID, Kind.LIBERAL, Kind.RESPONSE
TABLE = (
    _row("wsinv", "3.1.1.1", _V, 481),
    _row("intmeth", "3.1.1.2", _V, 501),
    _row("esc01", "3.1.1.3", _V, 100, offered=True),
    _row("escnull", "3.1.1.4", _V, 405),
    _row("esc02", "3.1.1.5", _V, 501),
    _row("lwsdisp", "3.1.1.6", _V, 200),
    _row("longreq", "3.1.1.7", _V, 100, offered=True),
    _row("dblreq", "3.1.1.8", _V, 405),
    _row("semiuri", "3.1.1.9", _V, 200),
    _row("transports", "3.1.1.10", _V, 200),
    _row("mpart01", "3.1.1.11", _V, 405),
    _row("unreason", "3.1.1.12", _R),
    _row("noreason", "3.1.1.13", _R),
    _row("badinv01", "3.1.2.1", _I, 400),
    _row("clerr", "3.1.2.2", _I, 400),
    _row("ncl", "3.1.2.3", _I, 400),
    _row("scalar02", "3.1.2.4", _I, 405),
    _row("scalarlg", "3.1.2.5", _R),
    _row("quotbal", "3.1.2.6", _I, 400),
    _row("ltgtruri", "3.1.2.7", _I, 400),
    _row("lwsruri", "3.1.2.8", _I, 400),
    _row("lwsstart", "3.1.2.9", _L, 100, offered=True),
    _row("trws", "3.1.2.10", _L, 200),
    _row("escruri", "3.1.2.11", _L, 100, offered=True),
    _row("baddate", "3.1.2.12", _L, 100, offered=True),
    _row("regbadct", "3.1.2.13", _L, 405),
    _row("badaspec", "3.1.2.14", _L, 200),
    _row("baddn", "3.1.2.15", _L, 200),
    _row("badvers", "3.1.2.16", _I, 505),
    _row("mismatch01", "3.1.2.17", _I, 400),
    _row("mismatch02", "3.1.2.18", _I, 501),
    _row("bigcode", "3.1.2.19", _R),
    _row("badbranch", "3.2.1", _L, 200),
    _row("insuf", "3.3.1", _I, 400),
    _row("unkscm", "3.3.2", _I, 416),
    _row("novelsc", "3.3.3", _I, 416),
    _row("unksm2", "3.3.4", _V, 405),
    _row("bext01", "3.3.5", _I, 420),
    _row("invut", "3.3.6", _V, 415),
    _row("regaut01", "3.3.7", _V, 405),
    _row("multi01", "3.3.8", _I, 400),
    _row("mcl01", "3.3.9", _I, 400),
    _row("bcast", "3.3.10", _R),
    _row("zeromf", "3.3.11", _V, 200),
    _row("cparam01", "3.3.12", _V, 405),
    _row("cparam02", "3.3.13", _V, 405),
    _row("regescrt", "3.3.14", _V, 405),
    _row("sdp01", "3.3.15", _V, 406),
    _row("inv2543", "3.4.1", _L, 400),
)
