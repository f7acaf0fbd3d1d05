"""Limit what strangers' refused INVITEs may write into the records (sans-IO).

Anybody can send garbage, at any rate and from any address. A source's first refusals of a minute
are recorded one by one; what comes beyond is only counted, and told once a minute. What a trunk
sent is not asked about here: every call of a carrier has its record.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_NS = 60_000_000_000
MOST_PER_SOURCE = 10
"""Recorded of one address in a minute."""
MOST_SOURCES = 100
"""Addresses with records of their own in a minute: UDP sources may be forged."""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Refusals of a minute that have no record of their own."""

    count: int
    sources: int
    """Addresses that they came from, as far as they are told apart."""


class RefusalLimit:
    """Says which refusals are recorded."""

    def __init__(self) -> None:
        self._minute_ends_ns: int | None = None
        self._seen: dict[str, int] = {}
        self._unrecorded = 0
        self._unrecorded_of: set[str] = set()

    def admits(self, address: str, now_ns: int) -> bool:
        """Say whether a refusal is to be recorded; count it where it is not.

        Args:
            address: of the source, without its port.
            now_ns: monotonic; :meth:`end_minute` was asked before.
        """
        if self._minute_ends_ns is None:
            self._minute_ends_ns = now_ns + MINUTE_NS
        seen = self._seen.get(address, 0)
        full = address not in self._seen and len(self._seen) >= MOST_SOURCES
        if seen < MOST_PER_SOURCE and not full:
            self._seen[address] = seen + 1
            return True
        self._unrecorded += 1
        if len(self._unrecorded_of) < MOST_SOURCES:
            self._unrecorded_of.add(address)
        return False

    def next_end_ns(self) -> int | None:
        """Return when the minute under way ends, None where none is."""
        return self._minute_ends_ns

    def end_minute(self, now_ns: int) -> Unrecorded | None:
        """Return what the minute that is over left out; None where it is not, or left out nothing.

        Args:
            now_ns: monotonic.
        """
        if self._minute_ends_ns is None or now_ns < self._minute_ends_ns:
            return None
        told = Unrecorded(self._unrecorded, len(self._unrecorded_of)) if self._unrecorded else None
        self._minute_ends_ns, self._unrecorded = None, 0
        self._seen, self._unrecorded_of = {}, set()
        return told
