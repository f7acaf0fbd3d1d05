"""Count what arrives on one RTP source: loss, order, jitter (RFC 3550 appendix A)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_DROPOUT = 3_000
"""A forward jump beyond this is a restarted source (RFC 3550 A.1)."""
MAX_MISORDER = 100
_SEEN_WINDOW = 512


class Arrival(StrEnum):
    """What a packet's sequence number says about it."""

    FRESH = "fresh"
    DUPLICATE = "duplicate"
    STRAY = "stray"
    """Far from all others, alone so far: not to be used (RFC 3550 A.1)."""
    RESTART = "restart"
    """The second in a row over there: the source counts anew, from its predecessor on."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver report says about this source (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Loss since the last report, in 1/256."""
    packets_lost: int
    highest_sequence: int
    """Extended: cycles in the upper 16 bits."""
    jitter: int
    """In timestamp units of 125 µs."""


class Reception:
    """Statistics of one synchronisation source; sequence numbers come unwrapped."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.received = 0
        self.duplicates = 0
        self.jitter_max = 0.0
        self._jitter = 0.0
        self._base: int | None = None
        self._highest = 0
        self._earlier_expected = 0
        self._prior_expected = 0
        self._prior_received = 0
        self._transit: float | None = None
        self._seen: set[int] = set()
        self._expected_stray: int | None = None

    def receive(self, sequence: int) -> Arrival:
        """Count a packet and say what it is.

        Args:
            sequence: unwrapped sequence number.
        """
        if self._base is None:
            self._base = self._highest = sequence
        arrival = Arrival.FRESH
        jump = sequence - self._highest
        if jump > MAX_DROPOUT or jump < -MAX_MISORDER:
            if sequence != self._expected_stray:
                self._expected_stray = sequence + 1
                return Arrival.STRAY
            arrival = Arrival.RESTART
            self._restart(sequence)
        elif sequence in self._seen:
            self.duplicates += 1
            return Arrival.DUPLICATE
        self._expected_stray = None
        self._base = min(self._base, sequence)
        self._highest = max(self._highest, sequence)
        self._seen.add(sequence)
        if len(self._seen) > 2 * _SEEN_WINDOW:
            self._seen = {each for each in self._seen if each > self._highest - _SEEN_WINDOW}
        self.received += 1
        return arrival

    def measure_jitter(self, timestamp: int, arrival_ns: int) -> None:
        """Feed the interarrival jitter (RFC 3550 A.8); audio only, not telephone-events.

        Args:
            timestamp: unwrapped RTP timestamp, 8 kHz.
            arrival_ns: monotonic arrival.
        """
        transit = arrival_ns / 125_000 - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < 8_000 * 5:
                self._jitter += (difference - self._jitter) / 16
                self.jitter_max = max(self.jitter_max, self._jitter)
        self._transit = transit

    @property
    def expected(self) -> int:
        """Packets that should have come so far (RFC 3550 A.3)."""
        if self._base is None:
            return 0
        return self._earlier_expected + self._highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that never came; late ones came."""
        return max(0, self.expected - self.received)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter now."""
        return self._jitter / 8

    @property
    def jitter_max_ms(self) -> float:
        """Highest interarrival jitter so far."""
        return self.jitter_max / 8

    def report(self) -> ReportBlock:
        """Build a report block and begin the next report interval."""
        expected = self.expected - self._prior_expected
        received = self.received - self._prior_received
        self._prior_expected, self._prior_received = self.expected, self.received
        lost = expected - received
        fraction = 0 if expected <= 0 or lost <= 0 else min(255, (lost << 8) // expected)
        return ReportBlock(
            self.ssrc,
            fraction,
            min(self.lost, 0x7FFFFF),
            self._highest & 0xFFFFFFFF,
            int(self._jitter) & 0xFFFFFFFF,
        )

    def _restart(self, sequence: int) -> None:
        assert self._base is not None
        self._earlier_expected += self._highest - self._base + 1
        self._base = self._highest = sequence - 1
        self._seen = {sequence - 1}
        self.received += 1
        self._transit = None
