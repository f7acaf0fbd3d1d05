"""Report on a stream and hear the far end's reports (RFC 3550 section 6; sans-IO)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)

from media.reception import Reception

INTERVAL_NS = 5_000_000_000
"""RFC 3550 section 6.2: the fixed minimum, right for two parties."""
_NTP_EPOCH_S = 2_208_988_800
_CNAME = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """What we have sent so far."""

    packets: int
    octets: int
    timestamp: int
    """RTP timestamp now."""


class RtcpSession:
    """Reports of one leg, both directions.

    Args:
        ssrc: ours.
        cname: canonical name; says nothing about the caller (RFC 7022).
        random: returns 0 to 1; spreads the intervals (RFC 3550 section 6.3.1).
        wall_offset_ns: wall clock less monotonic clock.
        start_ns: monotonic.
    """

    def __init__(
        self,
        ssrc: int,
        cname: str,
        random: Callable[[], float],
        wall_offset_ns: int,
        start_ns: int,
    ) -> None:
        self.malformed = 0
        self.round_trip_ms: float | None = None
        self.remote_loss_ratio = 0.0
        self.remote_bye = False
        self.next_report_ns = start_ns + int(INTERVAL_NS * (0.25 + 0.5 * random()))
        self._ssrc = ssrc
        self._cname = cname.encode()
        self._random = random
        self._wall_offset_ns = wall_offset_ns
        self._sent_packets = 0
        self._last_sr_ntp = 0
        self._last_sr_ns: int | None = None

    def report(self, sent: Sent, reception: Reception | None, now_ns: int) -> bytes:
        """Build the compound packet that is due and set the time of the next."""
        self.next_report_ns = now_ns + int(INTERVAL_NS * (0.5 + self._random()))
        return self._compound(sent, reception, now_ns)

    def bye(self, sent: Sent, reception: Reception | None, now_ns: int) -> bytes:
        """Build the last compound packet."""
        return self._compound(sent, reception, now_ns) + bytes(RtcpByePacket([self._ssrc]))

    def receive(self, datagram: bytes, now_ns: int) -> None:
        """Take a compound packet of the far end; garbage is counted."""
        try:
            packets = RtcpPacket.parse(datagram)
        except (ValueError, IndexError, struct.error, UnicodeDecodeError):
            self.malformed += 1
            return
        if not packets:
            self.malformed += 1
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                self._last_sr_ntp = packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
                self._last_sr_ns = now_ns
            if isinstance(packet, RtcpSrPacket | RtcpRrPacket):
                for report in packet.reports:
                    self._receive_report(report, now_ns)
            elif isinstance(packet, RtcpByePacket):
                self.remote_bye = True

    def _receive_report(self, report: RtcpReceiverInfo, now_ns: int) -> None:
        if report.ssrc != self._ssrc:
            return
        if self._sent_packets:
            ratio = max(0, report.packets_lost) / self._sent_packets
            self.remote_loss_ratio = min(1.0, ratio)
        if report.lsr:
            # middle 32 bits of NTP time, in 1/65536 s (RFC 3550 section 6.4.1)
            elapsed = (self._ntp(now_ns) >> 16) - report.lsr - report.dlsr & 0xFFFFFFFF
            if elapsed < 0x80000000:
                self.round_trip_ms = elapsed / 65.536

    def _compound(self, sent: Sent, reception: Reception | None, now_ns: int) -> bytes:
        reports = [] if reception is None else [self._block(reception, now_ns)]
        if sent.packets > self._sent_packets:
            info = RtcpSenderInfo(
                self._ntp(now_ns),
                sent.timestamp,
                sent.packets & 0xFFFFFFFF,
                sent.octets & 0xFFFFFFFF,
            )
            first = bytes(RtcpSrPacket(self._ssrc, info, reports))
        else:
            first = bytes(RtcpRrPacket(self._ssrc, reports))
        self._sent_packets = sent.packets
        source = RtcpSourceInfo(self._ssrc, [(_CNAME, self._cname)])
        return first + bytes(RtcpSdesPacket([source]))

    def _block(self, reception: Reception, now_ns: int) -> RtcpReceiverInfo:
        block = reception.report()
        delay = 0
        if self._last_sr_ns is not None:
            delay = min((now_ns - self._last_sr_ns) * 65_536 // 1_000_000_000, 0xFFFFFFFF)
        return RtcpReceiverInfo(
            block.ssrc,
            block.fraction_lost,
            block.packets_lost,
            block.highest_sequence,
            block.jitter,
            self._last_sr_ntp,
            delay,
        )

    def _ntp(self, now_ns: int) -> int:
        wall_ns = now_ns + self._wall_offset_ns
        seconds, rest = divmod(wall_ns, 1_000_000_000)
        return (seconds + _NTP_EPOCH_S & 0xFFFFFFFF) << 32 | (rest << 32) // 1_000_000_000
