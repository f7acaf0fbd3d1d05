"""Tones and RTP of the phones in these tests: who speaks, and who is heard.

A frame of 160 samples holds a whole number of periods of every tone here, so one frame is sent
again and again, and who is heard in a packet is read off its spectrum.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tests.harness import g711

MS = 1_000_000
FRAME = 160
TONES = {
    "caller": 450,
    "caller-2": 550,
    "caller-3": 750,
    "ai": 650,
    "ann": 1_000,
    "bob": 1_250,
    "cleo": 1_500,
    "dan": 1_100,
    "eve": 1_350,
    "fay": 1_650,
    "whisper": 1_800,
    "music": 2_100,
    "announcement": 2_400,
    "outside": 2_700,
    "beep": 3_000,
}
CODECS = {0: "PCMU", 8: "PCMA"}
_AT = np.arange(FRAME) / 8_000
_BASES = np.stack([np.exp(-2j * np.pi * hz * _AT) for hz in TONES.values()])
_NAMES = tuple(TONES)
_AUDIBLE = 400.0


def samples_of(name: str, seconds: float = 0.02, amplitude: int = 6_000) -> np.ndarray:
    """Return a tone, ``int16[n]``."""
    at = np.arange(int(seconds * 8_000)) / 8_000
    return (np.sin(2 * np.pi * TONES[name] * at) * amplitude).astype(np.int16)


def who(samples: np.ndarray) -> frozenset[str]:
    """Return whose tones are in one frame."""
    if len(samples) != FRAME:
        return frozenset()
    levels = np.abs(_BASES @ samples.astype(np.float64)) * 2 / FRAME
    return frozenset(name for name, level in zip(_NAMES, levels, strict=True) if level > _AUDIBLE)


@dataclass
class Packet:
    """One received RTP packet."""

    at_ns: int
    payload: bytes
    codec: str = "PCMU"

    @cached_property
    def tones(self) -> frozenset[str]:
        """Whose tones are in it."""
        return who(g711.decode(self.codec, self.payload))


class Rtp(asyncio.DatagramProtocol):
    """One phone's audio: its tone out, what comes in kept."""

    def __init__(self, name: str) -> None:
        self.codec = "PCMU"
        self.samples = samples_of(name)
        self.tape: deque[np.ndarray] = deque()
        """What is said first, frame by frame."""
        self.keys_heard = 0
        """Packets of RFC 4733 that came in."""
        self.heard: list[Packet] = []
        self.remote: tuple[str, int] | None = None
        self.sending = True
        self.sent = 0
        self.sent_ns: deque[int] = deque(maxlen=3_000)
        """When the packets of the last minute left."""
        self.released_ns = 0
        """When the last key was let go."""
        self.pressed: list[tuple[str, int]] = []
        """Every key, and when its first packet left."""
        self._sequence, self._stamp = random.randrange(1 << 15), random.randrange(1 << 30)
        self._ssrc = random.randrange(1 << 32)
        self._digits: list[tuple[int, float]] = []
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Bind a port."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self.transport.get_extra_info("sockname")[1]

    def start(self, remote: tuple[str, int]) -> None:
        """Begin to send there."""
        self.remote = remote
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def press(self, digit: str) -> None:
        """Send a key as RFC 4733."""
        self._digits.append(("0123456789*#".index(digit), 0))

    def payload(self, samples: np.ndarray | None = None) -> bytes:
        """Return a frame of the tone, or of something else, as it goes out."""
        return g711.encode(self.codec, self.samples if samples is None else samples)

    def say(self, samples: np.ndarray) -> None:
        """Say something, then nothing more."""
        whole = len(samples) // FRAME * FRAME
        self.tape.extend(samples[:whole].reshape(-1, FRAME))
        self.samples = np.zeros(FRAME, dtype=np.int16)

    def paused(self, since_ns: int, until_ns: int, pause_ns: int) -> bool:
        """Say whether nothing was sent for so long, in a span of time in which something was."""
        times = [each for each in self.sent_ns if since_ns <= each < until_ns]
        ends = [*times[1:], until_ns]
        return any(end - sent >= pause_ns for sent, end in zip(times, ends, strict=False))

    def stop(self) -> None:
        """Stop sending."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        """Stop everything."""
        self.stop()
        self.transport.close()

    def datagram_received(self, datagram: bytes, _: object) -> None:
        """Keep audio."""
        kind = datagram[1] & 0x7F if len(datagram) >= 12 else -1
        self.keys_heard += kind == 101
        if kind in CODECS:
            self.heard.append(Packet(time.monotonic_ns(), datagram[12:], CODECS[kind]))

    def error_received(self, _: Exception) -> None:
        """Pass over what the far end's closed port says."""

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            if self._digits:
                due = await self._send_digit(self._digits.pop(0)[0], due)
                continue
            if self.sending:
                samples = self.tape.popleft() if self.tape else self.samples
                payload_type = next(each for each, name in CODECS.items() if name == self.codec)
                self._send(payload_type, self._stamp, self.payload(samples))
            self._stamp += FRAME
            due += 0.02
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def _send_digit(self, event: int, due: float) -> float:
        stamp = self._stamp
        self.pressed.append(("0123456789*#"[event], time.monotonic_ns()))
        for step in range(8):
            end = step >= 5
            length = min(step + 1, 6) * FRAME
            payload = struct.pack("!BBH", event, 0x8A if end else 0x0A, length)
            self._send(101, stamp, payload, marker=step == 0)
            if not end:
                self._stamp += FRAME
                due += 0.02
                await asyncio.sleep(max(0, due - time.monotonic()))
        self.released_ns = time.monotonic_ns()
        return due

    def _send(self, payload_type: int, stamp: int, payload: bytes, marker: bool = False) -> None:
        assert self.remote is not None
        head = struct.pack(
            "!BBHII",
            0x80,
            payload_type | (0x80 if marker else 0),
            self._sequence & 0xFFFF,
            stamp & 0xFFFFFFFF,
            self._ssrc,
        )
        self._sequence += 1
        self.sent += 1
        self.sent_ns.append(time.monotonic_ns())
        if not self.transport.is_closing():
            self.transport.sendto(head + payload, self.remote)
