"""A tone at each end of a call: the agent's place plays one, a caller's socket the other."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from media.link import Link, connect
from media.messages import AttachStream, CallAnswered, ClipEnded, Message, StartConversation
from media.wire import AudioFrame, AudioKind
from tests.harness import g711
from tests.sip_matrix.service import ScriptedAgent

AGENT_HZ, CALLER_HZ = 440.0, 1_000.0
_RATE_HZ = 8_000
_FRAME = 160
_CHUNK_S = 10
_AHEAD = 3
"""Chunks that are sent before they are due."""
Samples = NDArray[np.int16]


def sine(hz: float, count: int, start: int = 0) -> Samples:
    """Return a sine, ``int16[count]`` at 8 kHz, that goes on where one of ``start`` ended."""
    at = (np.arange(count) + start) / _RATE_HZ
    return (np.sin(2 * np.pi * hz * at) * 8_000).astype(np.int16)


def purity(samples: Samples, hz: float) -> float:
    """Return which part of the energy lies within 30 Hz of a tone."""
    if len(samples) < _RATE_HZ // 10:
        return 0.0
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / _RATE_HZ)
    total = float(power.sum())
    return float(power[np.abs(frequencies - hz) < 30].sum()) / total if total else 0.0


class ToneAgent(ScriptedAgent):
    """Plays a tone to every caller and keeps what callers send.

    Args:
        media_address: of the media process.
        play_s: length of the tone.
    """

    def __init__(self, media_address: Callable[[], str], play_s: int) -> None:
        super().__init__()
        self._media_address = media_address
        self._play_s = play_s
        self._media: Link | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: deque[tuple[int, Samples]] = deque(maxlen=4_000)
        self._streams: dict[str, int] = {}

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._media is not None:
            self._media.close()
        await super().stop()

    def heard_since(self, at_ns: int) -> Samples:
        """Return the caller's audio that arrived since."""
        kept = [samples for arrived, samples in list(self._heard) if arrived >= at_ns]
        return np.concatenate(kept) if kept else np.zeros(0, np.int16)

    def answer(self, message: Message) -> Iterable[Message]:
        if isinstance(message, StartConversation):
            self._streams[message.call_id] = message.stream
            self._start(self._attach(message.stream))
        elif isinstance(message, CallAnswered):
            self._start(self._play(self._streams[message.call_id]))
        return super().answer(message)

    def _start(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attach(self, stream: int) -> None:
        if self._media is None:
            self._media = await connect(
                self._media_address(),
                role="agent",
                on_message=lambda *_: None,
                on_audio=lambda _, frame: self._hear(frame),
            )
        await self._media.request(AttachStream(stream))

    def _hear(self, frame: AudioFrame) -> None:
        if not frame.concealed:
            self._heard.append((time.monotonic_ns(), frame.samples))

    async def _play(self, stream: int) -> None:
        while self._media is None:
            await asyncio.sleep(0.01)
        chunk = _CHUNK_S * _RATE_HZ
        for number in range(self._play_s // _CHUNK_S):
            if number >= _AHEAD:
                await asyncio.sleep(_CHUNK_S)
            start = number * chunk
            audio = sine(AGENT_HZ, chunk, start)
            self._media.send_audio(AudioFrame(AudioKind.CLIP, stream, 1, start, 0, audio))
        self._media.send(ClipEnded(stream, 1))


class ToneCaller:
    """RTP of a caller: a tone every 20 ms, and what comes back.

    Args:
        address: of ours.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.payload_type = 0
        self.sending = True
        self.target: tuple[str, int] | None = None
        self._lock = threading.Lock()
        self._received: deque[tuple[int, int, int, bytes]] = deque(maxlen=20_000)
        self._socket = self._open_socket()
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where we listen now."""
        return int(self._socket.getsockname()[1])

    def move(self) -> int:
        """Listen on another port from now on, and send from there."""
        with self._lock:
            old, self._socket = self._socket, self._open_socket()
        old.close()
        return self.port

    def packets_since(self, at_ns: int) -> list[tuple[int, int, int, bytes]]:
        """Return (arrival, payload type, sequence, payload) of what came since."""
        return [each for each in list(self._received) if each[0] >= at_ns]

    def kinds_since(self, at_ns: int) -> set[int]:
        """Return the payload types that came since."""
        return {each[1] for each in self.packets_since(at_ns)}

    def heard_since(self, at_ns: int) -> Samples:
        """Return the audio that came since, in the order of its sequence numbers."""
        packets = sorted(self.packets_since(at_ns), key=lambda each: each[2])
        if packets and packets[-1][2] - packets[0][2] > 1 << 15:  # wrapped
            packets.sort(key=lambda each: (each[2] + (1 << 15)) % (1 << 16))
        decoded = [g711.decode("PCMA" if pt == 8 else "PCMU", body) for _, pt, _, body in packets]
        return np.concatenate(decoded) if decoded else np.zeros(0, np.int16)

    def close(self) -> None:
        """Stop."""
        self._running = False
        self._thread.join(1)
        self._socket.close()

    def _open_socket(self) -> socket.socket:
        six = ":" in self.address
        opened = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        for port in range(31_640, 31_699, 2):
            try:
                opened.bind((self.address, port))
            except OSError:
                continue
            opened.settimeout(0.002)
            return opened
        raise RuntimeError("no free port")

    def _run(self) -> None:
        due_ns = time.monotonic_ns()
        for number in itertools.count():
            due_ns += 20_000_000
            if self.target is not None and self.sending:
                codec = "PCMA" if self.payload_type == 8 else "PCMU"
                body = g711.encode(codec, sine(CALLER_HZ, _FRAME, number * _FRAME))
                head = struct.pack(
                    "!BBHII", 0x80, self.payload_type, number & 0xFFFF, number * _FRAME, 7
                )
                with self._lock:
                    self._socket.sendto(head + body, self.target)
            while self._running and time.monotonic_ns() < due_ns:
                self._receive()
            if not self._running:
                return

    def _receive(self) -> None:
        try:
            with self._lock:
                datagram = self._socket.recv(2_048)
        except (TimeoutError, OSError):
            return
        payload_type, sequence = datagram[1] & 0x7F, struct.unpack_from("!H", datagram, 2)[0]
        if payload_type in (0, 8):
            self._received.append((time.monotonic_ns(), payload_type, sequence, datagram[12:]))
