"""Serialize and parse RTP (RFC 3550), count loss, and send DTMF events (RFC 4733)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge.phone.audio import FRAME_SAMPLES

_HEADER = struct.Struct("!BBHII")
DTMF_PAYLOAD_TYPE = 101
_DIGITS = "0123456789*#ABCD"
_EVENT_FRAMES = 5
"""A digit lasts 100 ms and is followed by as much silence."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def serialize(packet: RtpPacket) -> bytes:
    """Serialize a packet without CSRC and extension."""
    second = packet.payload_type | (0x80 if packet.marker else 0)
    head = _HEADER.pack(0x80, second, packet.sequence, packet.timestamp, packet.ssrc)
    return head + packet.payload


def parse(datagram: bytes) -> RtpPacket | None:
    """Parse a datagram; None for anything that is not RTP version 2 (it is only counted)."""
    if len(datagram) < _HEADER.size or datagram[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    if start > end:
        return None
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(second & 0x80)
    )


class SequenceCount:
    """Count received and lost packets across wraps (RFC 3550 A.1, A.3)."""

    def __init__(self) -> None:
        self.received = 0
        self._first: int | None = None
        self._highest = 0

    def receive(self, sequence: int) -> None:
        """Take one packet's sequence number."""
        self.received += 1
        if self._first is None:
            self._first = self._highest = sequence
            return
        step = ((sequence - self._highest + 0x8000) & 0xFFFF) - 0x8000
        self._highest = max(self._highest, self._highest + step)

    @property
    def lost(self) -> int:
        """Packets that never came; duplicates count against it, never below 0."""
        if self._first is None:
            return 0
        return max(0, self._highest - self._first + 1 - self.received)


def dtmf_payloads(digits: str) -> list[tuple[bytes, int]]:
    """Return per 20 ms frame (event payload or b"" for a pause, frames since the key was pressed).

    Raises:
        ValueError: a character that no key has.
    """
    frames: list[tuple[bytes, int]] = []
    for digit in digits.upper():
        event = _DIGITS.index(digit)
        for count in range(1, _EVENT_FRAMES + 1):
            frames.append((_event(event, count, False), count - 1))
        # the end is sent three times (RFC 4733 section 2.5.1.4)
        frames += [(_event(event, _EVENT_FRAMES, True), _EVENT_FRAMES + each) for each in range(3)]
        frames += [(b"", 0)] * _EVENT_FRAMES
    return frames


def _event(event: int, frames: int, ended: bool) -> bytes:
    return struct.pack("!BBH", event, 0x8A if ended else 0x0A, frames * FRAME_SAMPLES)
