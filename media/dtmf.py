"""Receive and send key presses as telephone-events (RFC 4733)."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from media.g711 import SAMPLES_PER_MS

DIGITS = "0123456789*#ABCD"
"""A digit's place is its event code (RFC 4733 section 3.2)."""
END_PACKETS = 3
"""The last packet of an event is sent three times (RFC 4733 section 2.5.1.4)."""
_VOLUME = 10
"""-10 dBm0 (RFC 4733 section 2.3.4; 6 bits)."""
_PAYLOAD = struct.Struct("!BBH")
_SEGMENT_SLACK_SAMPLES = 240
_MAX_DURATION = 0xFFFF


class DtmfReceiver:
    """Turn telephone-event packets into one report per press.

    A press is known by its RTP timestamp, so any one of its packets is enough: the first that
    comes reports it, the others (updates, repeated ends, reordered ones) do not.
    """

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._event = -1
        self._duration = 0
        self._ended = False

    def receive(self, timestamp: int, payload: bytes) -> str | None:
        """Take one packet; return the digit if it is the first of a new press.

        Args:
            timestamp: unwrapped RTP timestamp.
            payload: the RTP payload.

        Raises:
            ValueError: the payload is no telephone-event.
        """
        if len(payload) < _PAYLOAD.size:
            raise ValueError("telephone-event is truncated")
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        end = bool(flags & 0x80)
        if self._timestamp is not None:
            if timestamp < self._timestamp:
                return None
            if timestamp == self._timestamp:
                self._duration = max(self._duration, duration)
                self._ended |= end
                return None
            if self._is_continuation(timestamp, event):
                self._timestamp, self._duration, self._ended = timestamp, duration, end
                return None
        self._timestamp, self._event = timestamp, event
        self._duration, self._ended = duration, end
        return DIGITS[event] if event < len(DIGITS) else None

    def _is_continuation(self, timestamp: int, event: int) -> bool:
        # a long press goes on in a new segment (RFC 4733 section 2.5.1.3); and there are gateways
        # that move the timestamp with every packet: both begin where the last packet ended
        gap = timestamp - (self._timestamp or 0)
        limit = self._duration + _SEGMENT_SLACK_SAMPLES
        return event == self._event and not self._ended and gap <= limit

    def reset(self) -> None:
        """Forget the last press: the source has started anew."""
        self._timestamp = None


@dataclass(frozen=True, slots=True)
class DtmfPacket:
    """One telephone-event packet to be sent."""

    payload: bytes
    timestamp_offset: int
    """Samples back from this packet's own time to the start of the event."""
    marker: bool


@dataclass(slots=True)
class _Press:
    event: int
    duration_samples: int
    gap_samples: int
    elapsed_samples: int = 0
    ends_sent: int = 0


class DtmfSender:
    """Produce the packets of queued digits, one per packet time."""

    def __init__(self) -> None:
        self._queue: deque[_Press] = deque()
        self._gap_samples = 0

    @property
    def active(self) -> bool:
        """True while an event or the gap after it has the line."""
        return bool(self._queue) or self._gap_samples > 0

    def send(self, digits: str, duration_ms: int, gap_ms: int) -> None:
        """Queue digits.

        Raises:
            ValueError: a digit is not one of 0-9 * # A-D, or a time is out of range.
        """
        events = [DIGITS.find(each) for each in digits.upper()]
        if not digits or min(events) < 0:
            raise ValueError(f"not DTMF digits: {digits!r}")
        if not 40 <= duration_ms <= 8_000 or not 30 <= gap_ms <= 8_000:
            raise ValueError("duration_ms must be 40 to 8000, gap_ms 30 to 8000")
        self._queue.extend(
            _Press(each, duration_ms * SAMPLES_PER_MS, gap_ms * SAMPLES_PER_MS) for each in events
        )

    def pop(self, samples: int) -> DtmfPacket | None:
        """Return the packet for the next packet time, None in a gap.

        Args:
            samples: the packet time.
        """
        if self._gap_samples > 0 or not self._queue:
            self._gap_samples = max(0, self._gap_samples - samples)
            return None
        press = self._queue[0]
        first = press.elapsed_samples == 0
        offset = press.elapsed_samples
        press.elapsed_samples += samples
        end = press.elapsed_samples >= press.duration_samples
        duration = min(press.elapsed_samples, press.duration_samples, _MAX_DURATION)
        if end:
            press.ends_sent += 1
            if press.ends_sent == END_PACKETS:
                self._queue.popleft()
                spent = (END_PACKETS - 1) * samples
                self._gap_samples = max(samples, press.gap_samples - spent)
        payload = _PAYLOAD.pack(press.event, (0x80 if end else 0) | _VOLUME, duration)
        return DtmfPacket(payload, offset, first)
