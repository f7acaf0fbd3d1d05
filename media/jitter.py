"""Put a leg's packets in order and hand them on the moment they may be heard (eager reading).

Theory of operation. The agent's ears want every sample as soon as it is there, so a packet that is
next in sequence is handed on at its arrival and a clean line has no added delay. Time is kept by
two counters: ``next_sequence`` (what must come next) and ``next_position`` (samples handed on since
the stream's start). ``position = timestamp + offset``.

============================  ==================================================================
what happens                  what is handed on
============================  ==================================================================
packet is next in sequence    it, at once, and those held behind it
packet after a gap            nothing; it is held until the missing one comes, or until the
                              missing one is later than 98 % of packets ever are (at most
                              ``jitter_max_ms``); then concealment and what is held
packet before ``next``        nothing; it is counted as late or as a duplicate
sequence goes on, timestamp   silence for the pause (RFC 3551 section 4.1), then the packet
jumps (DTX, telephone-event)
nothing comes                 silence by the clock, 20 ms each, so that the listener's time goes on
packets come after such       they are moved behind it (nothing is lost) and the lag is won back
silence was handed on         in quiet frames
============================  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media.comfort import noise_at
from media.concealment import Concealer
from media.delay import DelayEstimate
from media.g711 import NS_PER_SAMPLE, Codec, Samples, decode

IDLE_FRAME_SAMPLES = 160
_IDLE_MARGIN_MS = 60.0
"""Beyond the usual spread, no packet for so long is a pause of the sender and not of the path."""
_RESYNC_SAMPLES = 16_000
"""A timestamp that is further than 2 s from the clock was restarted, not delayed."""
_QUIET_RMS = 100.0
"""-50 dBFS: a frame that nobody misses."""
_SEEN_WINDOW = 256
_SILENCE_DBOV = 127
_MAX_HELD = 64


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """An RTP packet as the buffer sees it; counters are unwrapped."""

    sequence: int
    timestamp: int
    payload: bytes
    """G.711 octets; empty for packets without audio that hold a place in the sequence."""
    codec: Codec = Codec.PCMU
    arrival_ns: int = 0
    noise_dbov: int | None = None
    """Level of a comfort noise packet (RFC 3389), which has no audio of its own."""


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """A run of audio in order, to be listened to."""

    position_samples: int
    samples: Samples
    wire_ns: int
    """Arrival of the packet; for what stands in for one, the time it was made."""
    concealed: bool = False
    payload: bytes | None = None
    """The G.711 octets where the samples are exactly theirs."""
    codec: Codec = Codec.PCMU


class EagerJitterBuffer:
    """Order packets with no added delay on a clean line.

    Args:
        start_ns: position 0 of the stream.
        jitter_max_ms: a missing packet is never waited for longer.
    """

    def __init__(self, start_ns: int, jitter_max_ms: int = 120) -> None:
        self.late = 0
        self.duplicates = 0
        self.concealed_samples = 0
        self.delay = DelayEstimate()
        self.next_position = 0
        self._start_ns = start_ns
        self._jitter_max_ms = float(jitter_max_ms)
        self._next_sequence: int | None = None
        self._offset: int | None = None
        self._lag = 0
        self._held: dict[int, AudioPacket] = {}
        self._seen: set[int] = set()
        self._gap_deadline_ns: int | None = None
        self._idle_deadline_ns: int = start_ns + int(_IDLE_MARGIN_MS * 1e6)
        self._in_pause = True
        self._packet_samples = IDLE_FRAME_SAMPLES
        self._noise_dbov = _SILENCE_DBOV
        self._concealer = Concealer()

    @property
    def gap_deadline_ns(self) -> int | None:
        """When a missing packet is given up; None where none is missing."""
        return self._gap_deadline_ns

    @property
    def next_deadline_ns(self) -> int:
        """When :meth:`poll` must be called next."""
        if self._gap_deadline_ns is not None:
            return self._gap_deadline_ns
        return self._idle_deadline_ns

    def receive(self, packet: AudioPacket, now_ns: int) -> list[HeardFrame]:
        """Take a packet and return what can be heard now, in order."""
        if self._next_sequence is None:
            self._next_sequence = packet.sequence
        if packet.sequence < self._next_sequence:
            if packet.sequence in self._seen:
                self.duplicates += 1
            else:
                self._seen.add(packet.sequence)
                self.late += 1
                self.delay.receive(packet.timestamp, packet.arrival_ns)
            return []
        if packet.sequence in self._held:
            self.duplicates += 1
            return []
        if packet.payload:
            self.delay.receive(packet.timestamp, packet.arrival_ns)
        self._held[packet.sequence] = packet
        frames = self._drain(now_ns)
        if len(self._held) > _MAX_HELD:
            frames += self._skip_gap(now_ns)
        return frames

    def poll(self, now_ns: int) -> list[HeardFrame]:
        """Return what time alone brings: concealment of a gap, silence in a pause."""
        frames: list[HeardFrame] = []
        while self._gap_deadline_ns is not None and self._gap_deadline_ns <= now_ns:
            frames += self._skip_gap(now_ns)
        while self._gap_deadline_ns is None and self._idle_deadline_ns <= now_ns:
            frames.append(self._fill(IDLE_FRAME_SAMPLES, now_ns))
            self._in_pause = True
            self._idle_deadline_ns += IDLE_FRAME_SAMPLES * NS_PER_SAMPLE
        return frames

    def restart(self) -> None:
        """Expect a new source: other sequence, other timestamps; the position goes on."""
        self._next_sequence = None
        self._offset = None
        self._held.clear()
        self._seen.clear()
        self._gap_deadline_ns = None
        self._in_pause = True
        self.delay.reset()
        self._concealer.reset()

    def _drain(self, now_ns: int) -> list[HeardFrame]:
        assert self._next_sequence is not None
        frames: list[HeardFrame] = []
        while (packet := self._held.pop(self._next_sequence, None)) is not None:
            frames += self._emit(packet, now_ns, lost=False)
        self._set_gap_deadline(now_ns)
        return frames

    def _skip_gap(self, now_ns: int) -> list[HeardFrame]:
        first = min(self._held)
        self._next_sequence = first
        frames = self._emit(self._held.pop(first), now_ns, lost=True)
        self._gap_deadline_ns = None
        return frames + self._drain(now_ns)

    def _set_gap_deadline(self, now_ns: int) -> None:
        if not self._held:
            self._gap_deadline_ns = None
            return
        first = self._held[min(self._held)]
        missing = first.timestamp - self._packet_samples
        due_ms = self.delay.arrival_ms(missing) + self.delay.spread_ms
        waiting_ns = min(each.arrival_ns for each in self._held.values())
        latest_ms = waiting_ns / 1e6 + self._jitter_max_ms
        self._gap_deadline_ns = int(min(due_ms, latest_ms) * 1e6)

    def _emit(self, packet: AudioPacket, now_ns: int, *, lost: bool) -> list[HeardFrame]:
        self._next_sequence = packet.sequence + 1
        self._seen.add(packet.sequence)
        if len(self._seen) > 2 * _SEEN_WINDOW:
            self._seen = {each for each in self._seen if each > packet.sequence - _SEEN_WINDOW}
        if not packet.payload:
            if packet.noise_dbov is not None:
                self._noise_dbov = packet.noise_dbov
                self._idle_deadline_ns = self._idle_after(packet, 0)
            return []
        samples = decode(packet.codec, packet.payload)
        frames = self._bridge(packet, len(samples), now_ns, lost=lost)
        self._packet_samples = len(samples)
        self._idle_deadline_ns = self._idle_after(packet, len(samples))
        self._noise_dbov = _SILENCE_DBOV
        if self._lag >= len(samples) and float(np.std(samples)) < _QUIET_RMS:
            self._lag -= len(samples)
            assert self._offset is not None
            self._offset -= len(samples)
            return frames
        heard = self._concealer.receive(samples)
        frames.append(
            HeardFrame(
                self.next_position,
                heard,
                packet.arrival_ns,
                payload=packet.payload if heard is samples else None,
                codec=packet.codec,
            )
        )
        self.next_position += len(samples)
        self._in_pause = False
        return frames

    def _idle_after(self, packet: AudioPacket, samples: int) -> int:
        margin_ms = min(self.delay.spread_ms, self._jitter_max_ms) + _IDLE_MARGIN_MS
        last_ns = max(packet.arrival_ns, self._idle_deadline_ns - int(margin_ms * 1e6))
        return min(last_ns, packet.arrival_ns) + samples * NS_PER_SAMPLE + int(margin_ms * 1e6)

    def _bridge(
        self, packet: AudioPacket, length: int, now_ns: int, *, lost: bool
    ) -> list[HeardFrame]:
        """Fill what lies between the last sample handed on and this packet."""
        clock = (packet.arrival_ns - self._start_ns) // NS_PER_SAMPLE - length
        if self._offset is None:
            self._offset = max(clock, self.next_position) - packet.timestamp
            self._lag = 0
        position = packet.timestamp + self._offset
        if self._in_pause and self._lag:
            # a pause is where a lag can be won back unheard
            won = min(self._lag, max(0, position - self.next_position))
            self._offset -= won
            self._lag -= won
            position -= won
        gap = position - self.next_position
        if gap > _RESYNC_SAMPLES + max(0, clock - self.next_position) or gap < -_RESYNC_SAMPLES:
            self._offset = max(clock, self.next_position) - packet.timestamp
            self._lag = 0
            gap = max(0, clock - self.next_position)
        elif gap < 0:
            self._offset -= gap
            self._lag -= gap
            return []
        frames: list[HeardFrame] = []
        while gap > 0:
            step = min(gap, self._packet_samples)
            frames.append(self._conceal(step, now_ns) if lost else self._fill(step, now_ns))
            gap -= step
        return frames

    def _conceal(self, length: int, now_ns: int) -> HeardFrame:
        self.concealed_samples += length
        return self._stand_in(self._concealer.conceal(length), now_ns)

    def _fill(self, length: int, now_ns: int) -> HeardFrame:
        self._concealer.reset()
        return self._stand_in(noise_at(self._noise_dbov, length), now_ns)

    def _stand_in(self, samples: Samples, now_ns: int) -> HeardFrame:
        frame = HeardFrame(self.next_position, samples, now_ns, concealed=True)
        self.next_position += len(samples)
        return frame
