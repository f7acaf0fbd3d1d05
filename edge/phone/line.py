"""The phone's RTP: one thread that sends every 20 ms, stamps what arrives and follows the script.

Packets leave at absolute times, so that a late one does not delay those behind it. Arrival is the
kernel's (SO_TIMESTAMPNS), so that a busy machine does not add to a measurement.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.phone.audio import FRAME_SAMPLES, PAYLOAD_TYPES, RATE_HZ, Samples, Track, decode, encode
from edge.phone.hearing import MS, Burst, BurstBegan, FarEndFinished, Hearing, level_dbfs
from edge.phone.line_events import (
    FarEndQuiet,
    FarEndSpoke,
    LineEvent,
    LineOptions,
    PhoneBegan,
    PhoneFinished,
    ScriptEnded,
)
from edge.phone.rtp import DTMF_PAYLOAD_TYPE, RtpPacket, SequenceCount, parse, serialize
from edge.phone.script import (
    Connected,
    HangUp,
    Item,
    ItemKind,
    ItemSpoken,
    Say,
    Script,
    ScriptAction,
    ScriptState,
)
from edge.phone.stopwatch import Spoken
from edge.phone.utterance import Utterance

_FRAME_NS = 20 * MS
_BREATH_NS = 200 * MS
"""Quiet inside speech; longer, and there is nobody to interrupt just now."""
_NOISE_AMPLITUDE = 8.0
"""Comfort noise of the phone, about -72 dBFS: the stream never stops and is never digital zero."""
_SO_TIMESTAMPNS = 35
"""asm-generic/socket.h; Python 3.11 has no name for it."""


@dataclass(slots=True)
class LineCounts:
    """What passed."""

    sent: int = 0
    dropped_on_purpose: int = 0
    lateness_max_ms: float = 0.0
    sequence: SequenceCount = field(default_factory=SequenceCount)


class Line:
    """One RTP leg that follows a script.

    Args:
        local_address: to bind; the port is chosen by the kernel unless given.
        script: decides what is said.
        items: the script's items.
        audio: ``int16[n]`` at 8 kHz for each SAY and INTERRUPT, by index.
        options: codec and damage.
        report: called in the line's thread with each :data:`LineEvent`.
        local_port: RTP port to bind, 0 for any.
    """

    def __init__(
        self,
        local_address: str,
        script: Script,
        items: Sequence[Item],
        audio: Mapping[int, Samples],
        options: LineOptions,
        report: Callable[[LineEvent], None],
        local_port: int = 0,
    ) -> None:
        self._script = script
        self._items = items
        self._audio = audio
        self._options = options
        self._report = report
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((local_address, local_port))
        self.port = int(self._socket.getsockname()[1])
        self._hearing = Hearing(options.silence_ms)
        self._random = random.Random(options.seed)
        self._noise = np.random.default_rng(options.seed)
        self._remote: tuple[str, int] | None = None
        self._held_back: list[tuple[int, int, bytes]] = []
        self._utterance: Utterance | None = None
        self._next_frame_ns = 0
        self._began_ns = 0
        self._sequence = self._random.randrange(0x8000)
        self._timestamp = self._random.randrange(0x8000_0000)
        self._ssrc = self._random.randrange(1, 0x1_0000_0000)
        self._right_anchor: tuple[int, int] | None = None
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phone-line", daemon=True)
        self.left = Track()
        self.right = Track()
        self.counts = LineCounts()
        self.answered_ns = 0
        """When ``connect`` was called: the ACK is on its way."""

    @property
    def bursts(self) -> tuple[Burst, ...]:
        """The far end's speech so far."""
        return self._hearing.bursts

    def start(self, remote: tuple[str, int]) -> None:
        """Begin to send to the far end's RTP address."""
        self._remote = remote
        if not self._thread.is_alive():
            self._thread.start()

    def connect(self, at_ns: int) -> None:
        """Begin the script: the call is up."""
        self.answered_ns = at_ns
        self._wanted.set()

    def stop(self) -> None:
        """Stop sending and close the socket; safe to call twice and before :meth:`start`."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self._socket.close()

    def _run(self) -> None:
        self._began_ns = self._next_frame_ns = time.monotonic_ns()
        while not self._stopped.is_set():
            now_ns = time.monotonic_ns()
            if self._wanted.is_set() and self._script.state is ScriptState.IDLE:
                self._carry_out(self._script.receive(Connected(), now_ns))
            while self._next_frame_ns <= now_ns:
                self._send_frame(now_ns)
                self._next_frame_ns += _FRAME_NS
            self._release(now_ns)
            self._hear(now_ns)
            self._carry_out(self._script.wake(now_ns, self._far_end_talks(now_ns)))
            self._receive_until(self._next_wake_ns())

    def _far_end_talks(self, now_ns: int) -> bool:
        bursts = self._hearing.bursts
        return bool(bursts) and now_ns - bursts[-1].last_ns < _BREATH_NS

    def _next_wake_ns(self) -> int:
        wake_ns = self._next_frame_ns
        if self._held_back:
            wake_ns = min(wake_ns, self._held_back[0][0])
        return wake_ns

    def _receive_until(self, wake_ns: int) -> None:
        """Take datagrams until it is time to do something else."""
        while (left_ns := wake_ns - time.monotonic_ns()) > 0:
            self._socket.settimeout(left_ns / 1e9)
            try:
                datagram, ancillary, _, _ = self._socket.recvmsg(2_048, 64)
            except (TimeoutError, BlockingIOError):
                return
            except OSError:  # ICMP unreachable: the far end's port is closed
                continue
            self._receive(datagram, _arrival_ns(ancillary))
        return

    def _receive(self, datagram: bytes, at_ns: int) -> None:
        packet = parse(datagram)
        if packet is None or packet.payload_type != PAYLOAD_TYPES[self._options.codec]:
            return
        if self._options.loss_ratio and self._random.random() < self._options.loss_ratio:
            return
        self.counts.sequence.receive(packet.sequence)
        samples = decode(self._options.codec, packet.payload)
        self._record_right(packet.timestamp, samples, at_ns)
        for event in self._hearing.receive(level_dbfs(samples), at_ns):
            self._far_end(event, at_ns)

    def _record_right(self, timestamp: int, samples: Samples, at_ns: int) -> None:
        arrival = (at_ns - self._began_ns) * RATE_HZ // 1_000_000_000
        if self._right_anchor is None:
            self._right_anchor = (timestamp, arrival)
        position = self._right_anchor[1] + ((timestamp - self._right_anchor[0]) & 0xFFFF_FFFF)
        if abs(position - arrival) > RATE_HZ:  # the far end began a new timestamp base
            self._right_anchor = (timestamp, arrival)
            position = arrival
        self.right.write(position, samples)

    def _hear(self, now_ns: int) -> None:
        for event in self._hearing.wake(now_ns):
            self._far_end(event, now_ns)

    def _far_end(self, event: BurstBegan | FarEndFinished, now_ns: int) -> None:
        if isinstance(event, BurstBegan):
            self._report(FarEndSpoke(event.at_ns))
        else:
            self._report(FarEndQuiet(event.last_ns))
        self._carry_out(self._script.receive(event, now_ns))

    def _carry_out(self, actions: Sequence[ScriptAction]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._begin(action.index)
            elif isinstance(action, HangUp):
                self._report(ScriptEnded())

    def _begin(self, index: int) -> None:
        item = self._items[index]
        if item.kind is ItemKind.DTMF:
            self._utterance = Utterance.dialled(index, item.text)
        else:
            self._utterance = Utterance.voiced(index, self._audio[index])

    def _send_frame(self, now_ns: int) -> None:
        late_ms = (now_ns - self._next_frame_ns) / MS
        self.counts.lateness_max_ms = max(self.counts.lateness_max_ms, late_ms)
        samples, event = self._next_samples()
        slot = (self._next_frame_ns - self._began_ns) // _FRAME_NS
        self.left.write(int(slot) * FRAME_SAMPLES, samples)
        if event is None:
            payload_type = PAYLOAD_TYPES[self._options.codec]
            payload = encode(self._options.codec, samples)
            timestamp, marker = self._timestamp, slot == 0
        else:
            payload_type, payload = DTMF_PAYLOAD_TYPE, event[0]
            timestamp = self._timestamp - event[1] * FRAME_SAMPLES
            marker = event[1] == 0
        packet = RtpPacket(
            payload_type,
            self._sequence & 0xFFFF,
            timestamp & 0xFFFF_FFFF,
            self._ssrc,
            payload,
            marker,
        )
        self._sequence += 1
        self._timestamp += FRAME_SAMPLES
        self._emit(serialize(packet), now_ns)
        self._follow_utterance()

    def _next_samples(self) -> tuple[Samples, tuple[bytes, int] | None]:
        noise = (self._noise.standard_normal(FRAME_SAMPLES) * _NOISE_AMPLITUDE).astype(np.int16)
        if self._utterance is None:
            return noise, None
        return self._utterance.next_frame(noise)

    def _emit(self, datagram: bytes, now_ns: int) -> None:
        if self._options.loss_ratio and self._random.random() < self._options.loss_ratio:
            self.counts.dropped_on_purpose += 1
            return
        if self._options.jitter_ms:
            due_ns = now_ns + int(self._random.uniform(0, self._options.jitter_ms) * MS)
            heapq.heappush(self._held_back, (due_ns, self.counts.sent, datagram))
            self.counts.sent += 1
            return
        self.counts.sent += 1
        self._transmit(datagram)

    def _release(self, now_ns: int) -> None:
        while self._held_back and self._held_back[0][0] <= now_ns:
            self._transmit(heapq.heappop(self._held_back)[2])

    def _transmit(self, datagram: bytes) -> None:
        if self._remote is not None:
            with contextlib.suppress(OSError):  # a closed port answers with ICMP
                self._socket.sendto(datagram, self._remote)

    def _follow_utterance(self) -> None:
        """Stamp the packet that just left and notice the utterance's last audible one."""
        utterance = self._utterance
        if utterance is None:
            return
        now_ns = time.monotonic_ns()
        if utterance.stamp(now_ns):
            self._report(PhoneBegan(utterance.index, now_ns))
        if utterance.nothing_audible_left and not utterance.reported:
            self._finish(utterance, now_ns)
        if utterance.over:
            self._utterance = None

    def _finish(self, utterance: Utterance, now_ns: int) -> None:
        utterance.reported = True
        first_ns = utterance.first_ns if utterance.first_ns is not None else now_ns
        last_ns = utterance.last_ns or now_ns
        interrupts = self._items[utterance.index].kind is ItemKind.INTERRUPT
        spoken = Spoken(first_ns, last_ns, interrupts)
        self._report(PhoneFinished(utterance.index, spoken))
        self._carry_out(self._script.receive(ItemSpoken(last_ns), now_ns))
        talking = self._hearing.bursts[-1] if self._hearing.bursts else None
        inside = talking is not None and first_ns < talking.first_ns
        if talking is not None and inside and now_ns - talking.last_ns < 100 * MS:
            self._carry_out(self._script.far_end_was_talking(talking.first_ns, now_ns))


def _arrival_ns(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """Turn the kernel's real-time stamp of a datagram into CLOCK_MONOTONIC."""
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(value) >= 16:
            seconds, nanoseconds = struct.unpack("@ll", value[:16])
            age_ns = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            return time.monotonic_ns() - max(0, int(age_ns))
    return time.monotonic_ns()
