"""Take what arrives on a leg's RTP port: check, decrypt, count, order, report (sans-IO)."""

from __future__ import annotations

from dataclasses import dataclass

from aiortc.rtp import RtpPacket

from media import RemoteError
from media.dtmf import DtmfReceiver
from media.g711 import Codec
from media.jitter import AudioPacket, EagerJitterBuffer, HeardFrame
from media.latch import Source, SourceLatch
from media.messages import Direction, StreamParameters
from media.reception import Arrival, Reception
from media.sequence import Unwrapper
from media.srtp import SrtpError, SrtpReplayError, SrtpSession

MAX_PAYLOAD_BYTES = 1_600
"""200 ms of G.711; nobody sends so much in one packet."""
_STATIC_CODECS = {0: Codec.PCMU, 8: Codec.PCMA}
_STATIC_COMFORT_NOISE = 13


@dataclass(frozen=True, slots=True)
class Heard:
    """Audio to be listened to, in order."""

    frame: HeardFrame


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key was pressed."""

    digit: str
    at_ns: int


InboundEvent = Heard | Pressed


class Inbound:
    """The receiving half of a leg.

    Args:
        start_ns: position 0.
        jitter_max_ms: a missing packet is never waited for longer.
    """

    def __init__(self, start_ns: int, jitter_max_ms: int) -> None:
        self.latch = SourceLatch()
        self.jitter = EagerJitterBuffer(start_ns, jitter_max_ms)
        self.reception: Reception | None = None
        self.malformed = 0
        self.unauthentic = 0
        """Datagrams that are not from the holder of the SRTP key; they are never heard."""
        self.replayed = 0
        self.first_packet_ns: int | None = None
        self.last_packet_ns: int | None = None
        self.srtp: SrtpSession | None = None
        self._parameters: StreamParameters | None = None
        self._codecs: dict[int, Codec] = {}
        self._dtmf = DtmfReceiver()
        self._sequence = Unwrapper(16)
        self._timestamp = Unwrapper(32)
        self._earlier: list[Reception] = []

    def configure(self, parameters: StreamParameters, srtp: SrtpSession | None) -> None:
        """Take what an offer/answer round agreed."""
        self._parameters = parameters
        self.srtp = srtp
        self._codecs = {**_STATIC_CODECS, parameters.payload_type: Codec(parameters.codec)}
        self.latch.signal(parameters.remote_address, parameters.remote_port)

    @property
    def expects(self) -> bool:
        """True where the far end's silence would be a fault."""
        # who holds us (we are recvonly) may play music and need not (RFC 3264 section 8.4)
        return self._parameters is not None and self._parameters.direction == Direction.SENDRECV

    @property
    def receptions(self) -> list[Reception]:
        """Statistics of every source of this leg, oldest first."""
        return [*self._earlier, *([self.reception] if self.reception else [])]

    def receive(self, datagram: bytes, source: Source, now_ns: int) -> list[InboundEvent]:
        """Take one datagram; garbage is counted and gives nothing."""
        if self._parameters is None:
            self.latch.foreign += 1
            return []
        try:
            clear = datagram if self.srtp is None else self.srtp.unprotect(datagram)
            packet = RtpPacket.parse(clear)
            self._check(packet)
        except SrtpReplayError:
            self.replayed += 1
            return []
        except SrtpError:
            self.unauthentic += 1
            return []
        except (ValueError, UnicodeDecodeError, IndexError, RemoteError):
            self.malformed += 1
            return []
        if not self.latch.receive(source, packet.ssrc, packet.sequence_number, now_ns):
            return []
        return self._receive_valid(packet, now_ns)

    def poll(self, now_ns: int) -> list[InboundEvent]:
        """Return what time alone brings."""
        if self._parameters is None:
            return []
        return [Heard(frame) for frame in self.jitter.poll(now_ns)]

    def _check(self, packet: RtpPacket) -> None:
        payload_type = packet.payload_type
        if payload_type in self._codecs:
            if not 0 < len(packet.payload) <= MAX_PAYLOAD_BYTES:
                raise ValueError("audio packet of impossible length")
        elif not (self._is_dtmf(payload_type) or self._is_noise(payload_type)):
            raise ValueError("payload type was not agreed")

    def _is_dtmf(self, payload_type: int) -> bool:
        assert self._parameters is not None
        return payload_type == self._parameters.dtmf_payload_type

    def _is_noise(self, payload_type: int) -> bool:
        assert self._parameters is not None
        agreed = self._parameters.comfort_noise_payload_type
        # 13 is static (RFC 3551): senders use it unasked
        return payload_type in (agreed, _STATIC_COMFORT_NOISE)

    def _receive_valid(self, packet: RtpPacket, now_ns: int) -> list[InboundEvent]:
        if self.reception is None or packet.ssrc != self.reception.ssrc:
            self._begin_source(packet.ssrc)
        assert self.reception is not None
        if self.first_packet_ns is None:
            self.first_packet_ns = now_ns
        self.last_packet_ns = now_ns
        sequence = self._sequence.receive(packet.sequence_number)
        arrival = self.reception.receive(sequence)
        if arrival is Arrival.STRAY:
            return []
        if arrival is Arrival.RESTART:
            self._restart_order()
        timestamp = self._timestamp.receive(packet.timestamp)
        codec = self._codecs.get(packet.payload_type)
        events: list[InboundEvent] = []
        if codec is not None:
            if arrival is not Arrival.DUPLICATE:
                self.reception.measure_jitter(timestamp, now_ns)
            audio = AudioPacket(sequence, timestamp, packet.payload, codec, now_ns)
        elif self._is_dtmf(packet.payload_type):
            events += self._receive_dtmf(timestamp, packet.payload, now_ns)
            audio = AudioPacket(sequence, timestamp, b"", arrival_ns=now_ns)
        else:
            level = packet.payload[0] & 0x7F if packet.payload else 127
            audio = AudioPacket(sequence, timestamp, b"", arrival_ns=now_ns, noise_dbov=level)
        events += [Heard(frame) for frame in self.jitter.receive(audio, now_ns)]
        return events

    def _receive_dtmf(self, timestamp: int, payload: bytes, now_ns: int) -> list[InboundEvent]:
        try:
            digit = self._dtmf.receive(timestamp, payload)
        except ValueError:
            self.malformed += 1
            return []
        return [] if digit is None else [Pressed(digit, now_ns)]

    def _begin_source(self, ssrc: int) -> None:
        if self.reception is not None:
            self._earlier.append(self.reception)
            del self._earlier[:-8]
            self._restart_order()
        self._sequence.reset()
        self.reception = Reception(ssrc)

    def _restart_order(self) -> None:
        """Expect other sequence numbers and timestamps; the listener's time goes on."""
        self.jitter.restart()
        self._timestamp.reset()
        self._dtmf.reset()
