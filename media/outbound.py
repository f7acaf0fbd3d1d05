"""Make what a leg is sent: clips, the joined leg, key presses, comfort noise (sans-IO).

One packet per packet time, always: the stream never stops while the far end may hear it.

==============================  ==================================================
there is                        the packet carries
==============================  ==================================================
a key press to send             telephone-event (what is joined is let go by)
one joined leg, no clip         its octets, bit for bit where the codec is the same
joined legs, a clip             their sum
a clip                          the clip, filled up with comfort noise
nothing                         comfort noise
==============================  ==================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from aiortc.rtp import RtpPacket

from media.clocked import ClockedReader, ReadAudio, mix, octets
from media.comfort import ComfortNoise
from media.dtmf import DtmfSender
from media.g711 import Codec, Samples, encode
from media.messages import Direction, StreamParameters
from media.playout import ClipEvent, PlayoutQueue

_NO_EVENTS: list[ClipEvent] = []


@dataclass(frozen=True, slots=True)
class OutboundPacket:
    """One packet time."""

    datagram: bytes | None
    """RTP to be sent, None where the far end may not be sent to."""
    samples: Samples
    """What the far end hears, for the recording."""
    events: list[ClipEvent]
    voice: bool = False
    """Whether something that a joined leg's far end sent is in it."""


class Outbound:
    """The sending half of a leg.

    Args:
        ssrc: ours, random (RFC 3550 section 8.1).
        sequence: first sequence number, random.
        timestamp: first timestamp, random.
    """

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.playout = PlayoutQueue()
        self.dtmf = DtmfSender()
        self.voices: dict[int, ClockedReader] = {}
        """Joined legs that are heard here, by their streams' numbers."""
        self.packets = 0
        self.octets = 0
        self.packet_samples = 160
        self.timestamp = timestamp & 0xFFFFFFFF
        """Of the next packet."""
        self._sequence = sequence & 0xFFFF
        self._noise = ComfortNoise(offset_samples=ssrc)
        self._parameters: StreamParameters | None = None
        self._codec = Codec.PCMU
        self._talking = False

    def configure(self, parameters: StreamParameters) -> None:
        """Take what an offer/answer round agreed."""
        self._parameters = parameters
        self._codec = Codec(parameters.codec)
        self.packet_samples = parameters.ptime_ms * 8

    @property
    def sends(self) -> bool:
        """True where the far end may be sent audio."""
        return (
            self._parameters is not None
            and self._parameters.direction in (Direction.SENDRECV, Direction.SENDONLY)
            and self._parameters.remote_port > 0
            and self._parameters.remote_address not in ("0.0.0.0", "::")
        )

    def skip(self, packets: int) -> None:
        """Let packet times go by that could not be met; clips wait, the timestamp does not."""
        self.timestamp = (self.timestamp + packets * self.packet_samples) & 0xFFFFFFFF

    def pop(self) -> OutboundPacket:
        """Make the next packet."""
        assert self._parameters is not None
        length = self.packet_samples
        if not self.sends:
            self._pop_voices(length)
            self.skip(1)
            self._talking = False
            return OutboundPacket(None, np.zeros(length, dtype=np.int16), [])
        if self.dtmf.active:
            pressed = self._pop_dtmf(length)
            if pressed is not None:
                return pressed
            clip, filled, events = None, 0, _NO_EVENTS
        else:
            clip, filled, events = self.playout.pop(length)
        voices = self._pop_voices(length)
        payload, samples = self._make_audio(length, voices, clip, filled)
        datagram = self._packet(self._parameters.payload_type, payload, marker=not self._talking)
        self._talking = True
        self.skip(1)
        voice = any(each.is_voice for each in voices)
        return OutboundPacket(datagram, samples, events, voice)

    def _make_audio(
        self, length: int, voices: list[ReadAudio], clip: Samples | None, filled: int
    ) -> tuple[bytes, Samples]:
        if len(voices) == 1 and clip is None:
            return octets(voices[0], self._codec), voices[0].samples
        if voices:
            heard = [each.samples for each in voices]
            samples = mix(*heard) if clip is None else mix(*heard, clip)
        elif clip is None:
            samples = self._noise.pop(length)
        elif filled < length:
            samples = np.concatenate([clip[:filled], self._noise.pop(length - filled)])
        else:
            samples = clip
        return encode(self._codec, samples), samples

    def _pop_voices(self, length: int) -> list[ReadAudio]:
        popped = [each.pop(length) for each in self.voices.values()]
        return [each for each in popped if each is not None]

    def _pop_dtmf(self, length: int) -> OutboundPacket | None:
        assert self._parameters is not None
        event = self.dtmf.pop(length)
        if event is None or self._parameters.dtmf_payload_type is None:
            return None
        self._pop_voices(length)
        datagram = self._packet(
            self._parameters.dtmf_payload_type,
            event.payload,
            marker=event.marker,
            timestamp=self.timestamp - event.timestamp_offset,
        )
        self.skip(1)
        return OutboundPacket(datagram, np.zeros(length, dtype=np.int16), [])

    def _packet(
        self, payload_type: int, payload: bytes, *, marker: bool, timestamp: int | None = None
    ) -> bytes:
        packet = RtpPacket(
            payload_type=payload_type,
            marker=int(marker),
            sequence_number=self._sequence,
            timestamp=(self.timestamp if timestamp is None else timestamp) & 0xFFFFFFFF,
            ssrc=self.ssrc,
            payload=payload,
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return bytes(packet.serialize())
