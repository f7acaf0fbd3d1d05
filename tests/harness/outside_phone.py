"""An outside phone: own SIP, own G.711, own RTP, own stopwatch; shares no code with the product.

Definitions, on packets at this phone's own socket:
  response  first audible packet of the answer - last audible packet sent of the utterance
  barge-in  last audible packet of the interrupted speech - first audible packet of the interruption
A packet is audible when its RMS level is above -50 dBFS; speech begins with the first of three
audible packets within 100 ms; it is over when nothing was audible
for 300 ms; a turn is over after 1.8 s, so that what follows a filler belongs to it.
"""

from __future__ import annotations

import math
import random
import socket
import statistics
import struct
import threading
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.harness import g711
from tests.harness.outside_sip import Dialled, OutsideDialog, SipMessage, sdp_audio

MS = 1_000_000
AUDIBLE_DBFS = -50.0
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
Samples = NDArray[np.int16]


def level_dbfs(samples: Samples) -> float:
    """Return the RMS level of ``int16[n]``."""
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
    return 20 * float(np.log10(max(rms, 1e-3) / 32_768))


def load_wav(path: Path) -> Samples:
    """Read a mono 16-bit WAV as ``int16[n]`` at 8 kHz, its lead-in and tail silence cut."""
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    if rate != 8_000:
        samples = np.clip(soxr.resample(samples, rate, 8_000), -32_768, 32_767).astype(np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def tone(hz: float, seconds: float, amplitude: int = 8_000) -> Samples:
    """Return a sine, ``int16[n]`` at 8 kHz."""
    at = np.arange(int(seconds * 8_000)) / 8_000
    return (np.sin(2 * np.pi * hz * at) * amplitude).astype(np.int16)


@dataclass(frozen=True)
class Heard:
    """One received packet."""

    at_ns: int
    sequence: int
    timestamp: int
    level: float
    source: tuple[str, int]


@dataclass(frozen=True)
class Said:
    """One utterance as it left."""

    first_ns: int
    last_ns: int


@dataclass(frozen=True)
class Damage:
    """What the network does to packets, both ways."""

    loss_ratio: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 1


class OutsidePhone:
    """One caller.

    Args:
        host: of the service.
        port: of the service's SIP.
        caller: our user part, to find the call in the records.
        codec: offered alone.
        damage: loss and jitter.
        sdp: replaces the whole SDP offered; ``{port}`` is our RTP port.
    """

    def __init__(
        self,
        host: str,
        port: int,
        caller: str = "outside",
        codec: str = "PCMU",
        damage: Damage | None = None,
        sdp: str | None = None,
    ) -> None:
        self.codec = codec
        self._damage = damage or Damage()
        self._random = random.Random(self._damage.seed)
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        self._rtp.bind(("127.0.0.1", 0))
        self.rtp_port = self._rtp.getsockname()[1]
        self._sdp = sdp
        self._direction = "sendrecv"
        self._version = 1
        self.dialog = OutsideDialog(
            Dialled(host, port, caller=caller), self._offer, on_bye=self._stop_rtp
        )
        self.heard: list[Heard] = []
        self.audio: dict[int, Samples] = {}
        self._queue: list[Samples] = []
        self._said: list[Said] = []
        self._speaking = threading.Event()
        self._running = False
        self._thread: threading.Thread | None = None
        self._remote: tuple[str, int] | None = None
        self.send = True
        """False stops our RTP."""
        self._lock = threading.Lock()

    # ------------------------------------------------------------ the call

    def call(self, timeout_s: float = 15.0) -> SipMessage:
        """Place the call; RTP begins when it is answered. Return the final answer."""
        answer = self.dialog.invite(timeout_s)
        if answer.status == 200:
            address, port, _, _ = sdp_audio(answer.body)
            self._remote = (address, port)
            self._running = True
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return answer

    def reinvite(self, direction: str = "sendrecv") -> SipMessage:
        """Change the direction of the audio; return the answer."""
        self._direction = direction
        self._version += 1
        return self.dialog.invite()

    def hang_up(self) -> None:
        """Send BYE (if the far end did not) and stop."""
        try:
            if not self.dialog.ended_by_far_end and self.dialog.ack_ns and self._running:
                self.dialog.bye()
        finally:
            self.close()

    def close(self) -> None:
        """Stop everything without a word: the phone's cable is pulled."""
        self._stop_rtp()
        if self._thread is not None:
            self._thread.join(2)
        self._rtp.close()
        self.dialog.close()

    @property
    def ended_by_far_end(self) -> bool:
        """True after a BYE from the service."""
        return self.dialog.ended_by_far_end

    # ------------------------------------------------------------ speaking

    def say(self, samples: Samples) -> Said:
        """Speak ``int16[n]`` now; return when its last audible packet has left."""
        self._speaking.clear()
        count = -(-len(samples) // 160)
        padded = np.zeros(count * 160, dtype=np.int16)
        padded[: len(samples)] = samples
        with self._lock:
            self._said.append(Said(0, 0))
            self._queue = list(padded.reshape(-1, 160))
        self._speaking.wait(len(samples) / 8_000 + 5)
        return self._said[-1]

    # ------------------------------------------------------------ listening

    def bursts(self, gap_ms: int = 300) -> list[tuple[int, int]]:
        """Return (first, last) audible packet of each run of speech of the far end."""
        audible = sorted(each.at_ns for each in tuple(self.heard) if each.level > AUDIBLE_DBFS)
        runs: list[list[int]] = []
        for at in audible:
            if runs and at - runs[-1][-1] <= gap_ms * MS:
                runs[-1].append(at)
            else:
                runs.append([at])
        return [
            (run[0], run[-1])
            for run in runs
            if any(run[i + 2] - run[i] <= 100 * MS for i in range(len(run) - 2))
        ]

    def wait_speech(self, after_ns: int, timeout_s: float = 15.0) -> tuple[int, int] | None:
        """Wait until speech begins after a time; return the burst so far, None if none comes."""
        return self._poll(
            lambda: next((each for each in self.bursts() if each[0] > after_ns), None), timeout_s
        )

    def wait_talking(self, talked_ms: int, timeout_s: float = 12.0) -> bool:
        """Wait until the far end has talked for so long without a pause and still talks."""

        def talking() -> bool | None:
            runs = self.bursts()
            if not runs or time.monotonic_ns() - runs[-1][1] > 120 * MS:
                return None
            return True if time.monotonic_ns() - runs[-1][0] >= talked_ms * MS else None

        return bool(self._poll(talking, timeout_s))

    def wait_quiet(self, quiet_ms: int = 1_800, timeout_s: float = 30.0) -> bool:
        """Wait until the far end has said something and then nothing for ``quiet_ms``."""

        def quiet() -> bool | None:
            runs = self.bursts()
            silent_ns = time.monotonic_ns() - runs[-1][1] if runs else 0
            return True if silent_ns > quiet_ms * MS else None

        return bool(self._poll(quiet, timeout_s))

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait for the far end's BYE."""
        return bool(self._poll(lambda: self.ended_by_far_end or None, timeout_s))

    def ask(self, samples: Samples, timeout_s: float = 15.0) -> float | None:
        """Say something and return the response time in ms; None without an answer."""
        said = self.say(samples)
        answer = self.wait_speech(said.last_ns, timeout_s)
        return None if answer is None else (answer[0] - said.last_ns) / MS

    def interrupt(self, samples: Samples) -> tuple[float | None, Said]:
        """Speak into the far end's speech; return (barge-in in ms, what was said)."""
        said = self.say(samples)
        time.sleep(0.5)
        for first, last in self.bursts():
            if first <= said.first_ns <= last or 0 < first - said.first_ns <= 400 * MS:
                return max(0.0, (last - said.first_ns) / MS), said
        return None, said

    def greeting_ms(self, timeout_s: float = 10.0) -> float | None:
        """Return ACK to first audible packet in ms."""
        first = self.wait_speech(self.dialog.ack_ns, timeout_s)
        return None if first is None else (first[0] - self.dialog.ack_ns) / MS

    def received_audio(self) -> Samples:
        """Return what was received as ``int16[n]``, by RTP timestamp."""
        if not self.audio:
            return np.zeros(0, dtype=np.int16)
        first = min(self.audio)
        last = max(self.audio)
        whole = np.zeros(last - first + 800, dtype=np.int16)
        for timestamp, samples in self.audio.items():
            whole[timestamp - first : timestamp - first + len(samples)] = samples
        return whole

    def audio_between(self, begin_ns: int, end_ns: int) -> Samples:
        """Return what arrived in a time as ``int16[n]``, in order of its RTP timestamps."""
        stamps = sorted(
            each.timestamp for each in tuple(self.heard) if begin_ns <= each.at_ns <= end_ns
        )
        parts = [self.audio[each] for each in dict.fromkeys(stamps)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)

    def largest_gap_ms(self) -> float:
        """Return the longest time between two packets received."""
        arrivals = sorted(each.at_ns for each in tuple(self.heard))
        pairs = zip(arrivals, arrivals[1:], strict=False)
        return max(((b - a) / MS for a, b in pairs), default=0.0)

    def lateness_ms(self) -> list[float]:
        """Return how late each packet came against the earliest possible 20 ms grid."""
        if not self.heard:
            return []
        first = self.heard[0]
        drift = [
            (each.at_ns - first.at_ns) / MS - ((each.timestamp - first.timestamp) & 0xFFFFFFFF) / 8
            for each in tuple(self.heard)
        ]
        return [each - min(drift) for each in drift]

    # ------------------------------------------------------------ inside

    def _poll(self, look: Callable[[], object], timeout_s: float):  # noqa: ANN202
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(0.02)
        return look()

    def _offer(self) -> str:
        if self._sdp is not None:
            return self._sdp.format(port=self.rtp_port)
        payload_type = PAYLOAD_TYPES[self.codec]
        return "\r\n".join(
            [
                "v=0",
                f"o=outside 1 {self._version} IN IP4 127.0.0.1",
                "s=-",
                "c=IN IP4 127.0.0.1",
                "t=0 0",
                f"m=audio {self.rtp_port} RTP/AVP {payload_type} 101",
                f"a=rtpmap:{payload_type} {self.codec}/8000",
                "a=rtpmap:101 telephone-event/8000",
                f"a={self._direction}",
                "",
            ]
        )

    def _stop_rtp(self) -> None:
        self._running = False
        self._speaking.set()

    def _run(self) -> None:
        sequence, timestamp = self._random.randrange(65_536), self._random.randrange(1 << 31)
        ssrc = self._random.randrange(1 << 32)
        noise = np.random.default_rng(self._damage.seed)
        due = time.monotonic_ns()
        delayed: list[tuple[int, bytes]] = []
        while self._running:
            now = time.monotonic_ns()
            while due <= now:
                frame, talking = self._next_frame()
                mixed = frame.astype(np.int32) + (noise.standard_normal(160) * 8).astype(np.int32)
                samples = np.clip(mixed, -32_768, 32_767).astype(np.int16)
                head = struct.pack(
                    "!BBHII", 0x80, PAYLOAD_TYPES[self.codec], sequence & 0xFFFF,
                    timestamp & 0xFFFFFFFF, ssrc,
                )  # fmt: skip
                self._put_on_wire(head + g711.encode(self.codec, samples), now, delayed)
                if talking:
                    self._stamp(frame)
                sequence, timestamp, due = sequence + 1, timestamp + 160, due + 20 * MS
            for item in sorted(each for each in delayed if each[0] <= now):
                delayed.remove(item)
                self._transmit(item[1])
            wake = min([due, *(each[0] for each in delayed)])
            self._listen(wake)

    def _next_frame(self) -> tuple[Samples, bool]:
        with self._lock:
            if self._queue:
                return self._queue.pop(0), True
        return np.zeros(160, dtype=np.int16), False

    def _stamp(self, frame: Samples) -> None:
        now = time.monotonic_ns()
        if level_dbfs(frame) > AUDIBLE_DBFS:
            last = self._said[-1]
            self._said[-1] = Said(last.first_ns or now, now)
        with self._lock:
            audible_left = any(level_dbfs(each) > AUDIBLE_DBFS for each in self._queue)
        if not audible_left:
            self._speaking.set()

    def _put_on_wire(self, datagram: bytes, now: int, delayed: list[tuple[int, bytes]]) -> None:
        if not self.send or self._random.random() < self._damage.loss_ratio:
            return
        if self._damage.jitter_ms:
            delayed.append(
                (now + int(self._random.uniform(0, self._damage.jitter_ms) * MS), datagram)
            )
        else:
            self._transmit(datagram)

    def _transmit(self, datagram: bytes) -> None:
        try:
            if self._remote is not None:
                self._rtp.sendto(datagram, self._remote)
        except OSError:
            return

    def _listen(self, wake_ns: int) -> None:
        while (left := wake_ns - time.monotonic_ns()) > 0:
            self._rtp.settimeout(left / 1e9)
            try:
                datagram, ancillary, _, source = self._rtp.recvmsg(2_048, 64)
            except (TimeoutError, OSError):
                if wake_ns - time.monotonic_ns() > 0:
                    time.sleep(0.001)
                continue
            if self._random.random() >= self._damage.loss_ratio:
                self._take(datagram, ancillary, source)

    def _take(self, datagram: bytes, ancillary: Sequence, source: tuple[str, int]) -> None:
        if len(datagram) < 12 or datagram[0] != 0x80:
            return
        if datagram[1] & 0x7F != PAYLOAD_TYPES[self.codec]:
            return
        arrived = time.monotonic_ns()
        if ancillary:
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2][:16])
            arrived -= max(0, time.time_ns() - seconds * 1_000_000_000 - nanoseconds)
        sequence, timestamp = struct.unpack_from("!HI", datagram, 2)
        samples = g711.decode(self.codec, datagram[12:])
        self.heard.append(Heard(arrived, sequence, timestamp, level_dbfs(samples), source))
        self.audio[timestamp] = samples


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the median; NaN of nothing."""
    return statistics.median(values) if values else float("nan")
