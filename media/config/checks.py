"""Constraints that stand beside a field's type in the model, as ``Annotated[int, Between(...)]``.

Each can say what is wrong with a value in words a person in ops can follow, and what it adds to
the JSON Schema.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import available_timezones


class Check:
    """Base of the constraints."""

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with a converted value, or None."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """Return what it adds to the field's JSON Schema (draft 2020-12)."""
        return {}

    def choices(self) -> tuple[str, ...]:
        """Return known values for "did you mean", empty when there are none to list."""
        return ()


@dataclass(frozen=True, slots=True)
class Between(Check):
    """A number in [low, high]."""

    low: float
    high: float
    unit: str = ""

    def problem(self, value: Any) -> str | None:
        """Say the range when the value is outside it."""
        if self.low <= value <= self.high:
            return None
        unit = f" {self.unit}" if self.unit else ""
        return f"{value} is out of range; expected {self.low:g} to {self.high:g}{unit}"

    def schema(self) -> dict[str, Any]:
        """Return minimum and maximum."""
        return {"minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class OneOf(Check):
    """One of the listed texts."""

    values: tuple[str, ...]

    def problem(self, value: Any) -> str | None:
        """List the values when it is none of them."""
        if value in self.values:
            return None
        return f'"{value}" is not known; expected one of {", ".join(self.values)}'

    def schema(self) -> dict[str, Any]:
        """Return the enumeration."""
        return {"enum": list(self.values)}

    def choices(self) -> tuple[str, ...]:
        """Return the values."""
        return self.values


@dataclass(frozen=True, slots=True)
class Matching(Check):
    """Text of a shape, the whole of it."""

    pattern: str
    says: str
    """What it should be, in words with an example."""

    def problem(self, value: Any) -> str | None:
        """Say the expected shape when it differs."""
        if re.fullmatch(self.pattern, value):
            return None
        return f'"{value}" cannot be used; expected {self.says}'

    def schema(self) -> dict[str, Any]:
        """Return the pattern, anchored as JSON Schema's is not."""
        return {"pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class IpAddress(Check):
    """An IPv4 or IPv6 address."""

    def problem(self, value: Any) -> str | None:
        """Say what an address looks like when it is none."""
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return f'"{value}" is not an IP address; expected for example 192.0.2.10 or 2001:db8::1'
        return None


@dataclass(frozen=True, slots=True)
class IpNetwork(Check):
    """An address or network in CIDR notation."""

    def problem(self, value: Any) -> str | None:
        """Say what a network looks like when it is none, or which one was probably meant."""
        try:
            ipaddress.ip_network(value)
        except ValueError:
            try:
                meant = ipaddress.ip_network(value, strict=False)
            except ValueError:
                return (
                    f'"{value}" is not an address or network; '
                    "expected for example 192.0.2.10 or 192.0.2.0/24"
                )
            return f'"{value}" has bits set beyond its mask; did you mean "{meant}"?'
        return None


@functools.cache
def _time_zones() -> tuple[str, ...]:
    """Return all zone names; listing them reads the zone database from disk."""
    return tuple(sorted(available_timezones()))


@dataclass(frozen=True, slots=True)
class TimeZone(Check):
    """A name of the time zone database."""

    def problem(self, value: Any) -> str | None:
        """Say that the zone is unknown."""
        if value in _time_zones():
            return None
        return f'"{value}" is not a time zone; expected for example Europe/Berlin'

    def choices(self) -> tuple[str, ...]:
        """Return the names of zones of places, and UTC; EST is not meant by CEST."""
        return ("UTC", *(each for each in _time_zones() if "/" in each))


@dataclass(frozen=True, slots=True)
class EachKey:
    """Mark a mapping each of whose keys must pass a check."""

    check: Check


@dataclass(frozen=True, slots=True)
class OnePlain:
    """Mark a tuple field whose single item may stand without list signs."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """Mark text that is a path of this machine; relative ones start at ``home``."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl(Check):
    """Mark an SQLAlchemy URL; a relative SQLite path starts at ``home``."""

    def problem(self, value: Any) -> str | None:
        """Say what a URL looks like when it is none."""
        if re.match(r"[a-z][a-z0-9+]*://", value):
            return None
        hint = f'; did you mean "sqlite:///{value}"?' if value.endswith((".db", ".sqlite")) else ""
        return f'"{value}" is no database URL; expected for example sqlite:///var/calls.db{hint}'


HEADER_NAME = Matching(
    r"[A-Za-z0-9!%*_+`'~.-]+", "the name of a SIP header, as X-Customer-Id (RFC 3261 section 25.1)"
)
Port = Annotated[int, Between(1, 65_535)]
Address = Annotated[str, IpAddress()]
PathText = Annotated[str, FilePath()]
