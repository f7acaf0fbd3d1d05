"""An RTP phone for tests: sends tones and WAVs on a clock, keeps what comes with its arrival time.

It shares no code with the product. It runs in threads of its own, so it may be used from any test,
asynchronous or not.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

Samples = NDArray[np.int16]
RATE_HZ = 8_000
_TYPES = {"PCMU": 0, "PCMA": 8}


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """One RTP packet that came."""

    arrival_ns: int
    source: tuple[str, int]
    sequence: int
    timestamp: int
    payload_type: int
    marker: bool
    ssrc: int
    payload: bytes

    @property
    def samples(self) -> Samples:
        """Decoded G.711, empty for other payloads."""
        return expand(self.payload_type, self.payload)


def expand(payload_type: int, payload: bytes) -> Samples:
    """Decode static G.711 payloads."""
    if payload_type == 0:
        return np.frombuffer(audioop.ulaw2lin(payload, 2), dtype=np.int16)
    if payload_type == 8:
        return np.frombuffer(audioop.alaw2lin(payload, 2), dtype=np.int16)
    return np.zeros(0, dtype=np.int16)


def compress(payload_type: int, samples: Samples) -> bytes:
    """Encode static G.711 payloads."""
    law = audioop.lin2ulaw if payload_type == 0 else audioop.lin2alaw
    return law(samples.tobytes(), 2)


def tone(hz: float, seconds: float, amplitude: int = 8_000, phase_samples: int = 0) -> Samples:
    """Make a sine, ``int16[n]`` at 8 kHz."""
    at = np.arange(phase_samples, phase_samples + int(seconds * RATE_HZ))
    return np.asarray(np.sin(2 * np.pi * hz * at / RATE_HZ) * amplitude, dtype=np.int16)


def tone_level(samples: Samples, hz: float) -> float:
    """Return the share of the energy that lies within 25 Hz of a frequency, 0 to 1."""
    if len(samples) < 400:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    bins = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    total = float(spectrum[bins > 20].sum())
    near = float(spectrum[np.abs(bins - hz) < 25].sum())
    return near / total if total > 0 else 0.0


def dominant_hz(samples: Samples) -> float:
    """Return the strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE_HZ)[int(np.argmax(spectrum))])


def rms_dbfs(samples: Samples) -> float:
    """Return the level relative to full scale, -120 for digital silence."""
    if not len(samples):
        return -120.0
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    return 20 * float(np.log10(max(rms, 0.033) / 32_768))


def rtp(
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    marker: bool = False,
) -> bytes:
    """Build an RTP packet."""
    second = int(marker) << 7 | payload_type
    head = struct.pack(
        "!BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc & 0xFFFFFFFF
    )
    return head + payload


class RtpEndpoint:
    """A phone's media.

    Args:
        host: address to bind.
        port: RTP port to bind (0 takes any); RTCP is bound on the next one where it is free.
        codec: ``PCMU`` or ``PCMA``.
        ptime_ms: packet time that is sent.
        loss: share of packets that are not sent, 0 to 1.
        jitter_ms: each packet is delayed by up to this much (uniform), so they may overtake.
        seed: of loss and jitter.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        codec: str = "PCMU",
        ptime_ms: int = 20,
        loss: float = 0.0,
        jitter_ms: float = 0.0,
        seed: int = 1,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.host, self.port = self.socket.getsockname()[:2]
        self.rtcp_socket: socket.socket | None = socket.socket(family, socket.SOCK_DGRAM)
        try:
            assert self.rtcp_socket is not None
            self.rtcp_socket.bind((host, self.port + 1))
        except OSError:
            self.rtcp_socket.close()
            self.rtcp_socket = None
        self.payload_type = _TYPES[codec]
        self.packet_samples = ptime_ms * 8
        self.loss = loss
        self.jitter_ms = jitter_ms
        self.target: tuple[str, int] | None = None
        self.received: list[ReceivedPacket] = []
        self.rtcp_received: list[tuple[int, tuple[str, int], bytes]] = []
        self.ssrc = 0x10000000 + self.port
        self.sequence = 65_530
        self.timestamp = 0xFFFFFF00
        self.sent: list[tuple[int, int]] = []
        self.sent_payloads: list[bytes] = []
        self.sending = True
        self.wrap: Callable[[bytes], bytes] | None = None
        """Applied to each datagram before it is sent (SRTP)."""
        self.unwrap: Callable[[bytes], bytes] | None = None
        self._random = random.Random(seed)
        self._queue: Samples = np.zeros(0, dtype=np.int16)
        self._tone: tuple[float, int] | None = None
        self._phase = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> RtpEndpoint:
        """Start to receive."""
        self._spawn(self._receive)
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop everything and close."""
        self.close()

    def close(self) -> None:
        """Stop everything and close the sockets."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2)
        self.socket.close()
        if self.rtcp_socket is not None:
            self.rtcp_socket.close()

    def start(self, host: str, port: int) -> None:
        """Send there from now on, a packet each packet time: silence until told otherwise."""
        self.target = (host, port)
        self._spawn(self._send)

    def play(self, samples: Samples) -> None:
        """Queue samples to be sent."""
        with self._lock:
            self._queue = np.concatenate([self._queue, samples.astype(np.int16)])

    def play_tone(self, hz: float | None, amplitude: int = 8_000) -> None:
        """Send a tone whenever nothing is queued; None for silence."""
        self._tone = None if hz is None else (hz, amplitude)

    @property
    def queued(self) -> bool:
        """True while queued samples wait to be sent."""
        return len(self._queue) > 0

    def press(self, event: int, payload_type: int = 101, packets: int = 5, drop: str = "") -> None:
        """Send one telephone-event now, in a burst.

        Args:
            event: 0 to 15.
            payload_type: of telephone-event.
            packets: before the three end packets.
            drop: indices of packets that are left out, as characters.
        """
        assert self.target is not None
        with self._lock:
            start = self.timestamp
            plan = [(n + 1) * 160 for n in range(packets)] + [packets * 160] * 3
            for index, duration in enumerate(plan):
                end = index >= packets
                payload = struct.pack("!BBH", event, (0x80 if end else 0) | 10, duration)
                datagram = rtp(payload_type, self.sequence, start, self.ssrc, payload, index == 0)
                self.sequence += 1
                if str(index) not in drop:
                    self.socket.sendto(datagram, self.target)
            self.timestamp += packets * 160

    def heard(self, since_ns: int = 0, until_ns: int = 2**63) -> Samples:
        """Return the audio received in a span of arrival time, in order of timestamps."""
        packets = [p for p in list(self.received) if since_ns <= p.arrival_ns < until_ns]
        if not packets:
            return np.zeros(0, dtype=np.int16)
        base = packets[0].timestamp

        def relative(packet: ReceivedPacket) -> int:
            return (packet.timestamp - base + 2**31) % 2**32 - 2**31

        ordered = sorted((p for p in packets if p.payload_type in (0, 8)), key=relative)
        return np.concatenate([p.samples for p in ordered] or [np.zeros(0, dtype=np.int16)])

    def wait_packets(self, count: int, timeout_s: float = 5.0) -> list[ReceivedPacket]:
        """Wait until so many more packets have come and return them."""
        start = len(self.received)
        deadline = time.monotonic() + timeout_s
        while len(self.received) - start < count and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.received[start:]

    def _spawn(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _receive(self) -> None:
        sockets = [each for each in (self.socket, self.rtcp_socket) if each is not None]
        while not self._stop.is_set():
            ready, _, _ = select.select(sockets, [], [], 0.1)
            for sock in ready:
                try:
                    datagram, source = sock.recvfrom(2_048)
                except OSError:
                    continue
                now_ns = time.monotonic_ns()
                if sock is self.socket:
                    self._keep(datagram, source[:2], now_ns)
                else:
                    self.rtcp_received.append((now_ns, source[:2], datagram))

    def _keep(self, datagram: bytes, source: tuple[str, int], now_ns: int) -> None:
        if self.unwrap is not None:
            try:
                datagram = self.unwrap(datagram)
            except Exception:
                return
        if len(datagram) < 12:
            return
        _, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", datagram)
        self.received.append(
            ReceivedPacket(
                now_ns,
                source,
                sequence,
                timestamp,
                second & 0x7F,
                bool(second & 0x80),
                ssrc,
                datagram[12:],
            )
        )

    def _send(self) -> None:
        due = time.monotonic()
        late: list[tuple[float, bytes]] = []
        while not self._stop.is_set():
            now = time.monotonic()
            for each in [each for each in late if each[0] <= now]:
                late.remove(each)
                self._emit(each[1])
            if now >= due:
                datagram = self._next_packet()
                if datagram is not None and self._random.random() >= self.loss:
                    delay_s = self._random.random() * self.jitter_ms / 1_000
                    if delay_s:
                        late.append((now + delay_s, datagram))
                    else:
                        self._emit(datagram)
                due += self.packet_samples / RATE_HZ
                continue
            wake = min([due, *[each[0] for each in late]])
            time.sleep(max(0.0002, wake - now))

    def _emit(self, datagram: bytes) -> None:
        assert self.target is not None
        try:
            self.socket.sendto(self.wrap(datagram) if self.wrap else datagram, self.target)
        except OSError:
            return
        self.sent.append((time.monotonic_ns(), struct.unpack_from("!I", datagram, 4)[0]))

    def _next_packet(self) -> bytes | None:
        with self._lock:
            samples = self._next_samples()
            timestamp = self.timestamp
            self.timestamp = (self.timestamp + self.packet_samples) & 0xFFFFFFFF
            if not self.sending:
                return None
            payload = compress(self.payload_type, samples)
            datagram = rtp(self.payload_type, self.sequence, timestamp, self.ssrc, payload)
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.sent_payloads.append(payload)
            return datagram

    def _next_samples(self) -> Samples:
        length = self.packet_samples
        if len(self._queue):
            samples, self._queue = self._queue[:length], self._queue[length:]
            return np.pad(samples, (0, length - len(samples)))
        if self._tone is not None:
            samples = tone(self._tone[0], length / RATE_HZ, self._tone[1], self._phase)
            self._phase += length
            return samples
        return np.zeros(length, dtype=np.int16)
