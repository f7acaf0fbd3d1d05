"""Measure how many streams one core carries: ``python -m tests.media.bench_streams``.

One media process; N phones send a tone to N streams whose audio an attached agent receives while
it plays a clip to each. Printed for each N: lateness of what leaves, measured outside (gaps between
packets) and inside (against the deadline), CPU of the media process, and streams per core.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import selectors
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from media import messages
from media.wire import AudioFrame, AudioKind
from tests.media.bridge_process import MediaProcess, Peer, parameters_for
from tests.media.rtp_endpoint import compress, rtp, tone

_TICKS_HZ = os.sysconf("SC_CLK_TCK")
_FIRST_PORT = 20_600


class Crowd:
    """N phones in two threads: one sends for all on one clock, one receives.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.sockets = []
        for index in range(count):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", _FIRST_PORT + index))
            sock.setblocking(False)
            self.sockets.append(sock)
        self.arrivals: list[list[int]] = [[] for _ in range(count)]
        self._payload = compress(0, tone(400, 0.02))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, targets: list[tuple[str, int]]) -> None:
        """Begin."""
        for run in (lambda: self._send(targets), self._receive):
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2)
        for sock in self.sockets:
            sock.close()

    def _send(self, targets: list[tuple[str, int]]) -> None:
        due, number = time.monotonic(), 0
        while not self._stop.is_set():
            for index, (sock, target) in enumerate(zip(self.sockets, targets, strict=True)):
                sock.sendto(rtp(0, number, number * 160, index + 1, self._payload), target)
            number += 1
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        selector = selectors.DefaultSelector()
        for index, sock in enumerate(self.sockets):
            selector.register(sock, selectors.EVENT_READ, index)
        while not self._stop.is_set():
            for key, _ in selector.select(0.1):
                try:
                    self.sockets[key.data].recv(2_048)
                except BlockingIOError:
                    continue
                self.arrivals[key.data].append(time.monotonic_ns())


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_HZ


async def measure(media: MediaProcess, count: int, seconds: float) -> dict[str, float]:
    """Run N streams for some seconds."""
    edge: Peer = await media.peer("edge")
    agent: Peer = await media.peer("agent")
    crowd = Crowd(count)
    targets, streams = [], []
    clip = tone(900, seconds + 2)
    for index in range(count):
        stream = await edge.open_stream(parameters_for(_FIRST_PORT + index), f"bench-{index}")
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 1, 0, 0, clip))
        streams.append(stream.stream)
        targets.append((stream.address, stream.port))
        await asyncio.sleep(0.02 / count)
    crowd.start(targets)
    await asyncio.sleep(0.5)
    begin, cpu = time.monotonic(), cpu_seconds(media.process.pid)
    agent.audio.clear()
    await asyncio.sleep(seconds)
    used = cpu_seconds(media.process.pid) - cpu
    elapsed = time.monotonic() - begin
    frames = len(agent.audio)
    crowd.close()
    gaps = np.concatenate([np.diff(each[5:]) for each in crowd.arrivals if len(each) > 20]) / 1e6
    p99 = []
    for number in streams:
        closed = await edge.ask(messages.CloseStream(number), messages.StreamClosed)
        p99.append(closed.quality.send_lateness_p99_ms)
    edge.link.close()
    agent.link.close()
    return {
        "streams": count,
        "cpu_share": used / elapsed,
        "frames_ratio": frames / (count * elapsed * 50),
        "gap_p50_ms": float(np.percentile(np.abs(gaps - 20), 50)),
        "gap_p99_ms": float(np.percentile(np.abs(gaps - 20), 99)),
        "late_p99_ms": float(np.median(p99)),
        "late_p99_worst_ms": max(p99),
        "streams_per_core": count / max(used / elapsed, 1e-6),
    }


async def run(counts: list[int], seconds: float) -> None:
    """Print a line for each number of streams, as long as packets leave in time."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4_096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    print("streams  cpu    frames  gap p50  gap p99  late p99  worst    streams/core")
    best = 0.0
    with tempfile.TemporaryDirectory() as folder:
        media = MediaProcess(Path(folder), port_min=20_000, port_max=20_599, drain_s=1)
        await media.start()
        try:
            for count in counts:
                got = await measure(media, count, seconds)
                print(
                    f"{count:7d} {got['cpu_share']:5.1%} {got['frames_ratio']:7.1%} "
                    f"{got['gap_p50_ms']:6.2f}ms {got['gap_p99_ms']:6.2f}ms "
                    f"{got['late_p99_ms']:7.2f}ms {got['late_p99_worst_ms']:6.2f}ms "
                    f"{got['streams_per_core']:9.0f}",
                    flush=True,
                )
                if got["late_p99_worst_ms"] > 5:
                    break
                best = max(best, got["streams_per_core"])
                await asyncio.sleep(1.2)
        finally:
            await media.stop()
    print(f"streams per core: {best:.0f} (best of the lines with every p99 within 5 ms)")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 10, 40, 80, 120])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each number of streams")
    args = parser.parse_args()
    asyncio.run(run(args.streams, args.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
