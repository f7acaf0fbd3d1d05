"""A fault of our own in one stream."""

from __future__ import annotations

import asyncio

import pytest

from media.jitter import HeardFrame
from media.lateness import Lateness
from media.pacing import Pacer
from media.playout import ClipEvent
from media.ports import PortPool
from media.stream import Stream
from tests.media.bridge_process import parameters_for
from tests.media.rtp_endpoint import RtpEndpoint

pytestmark = pytest.mark.integration


class BrokenListener:
    """Raises on the first audio, as a fault of ours would; keeps what it is told then."""

    def __init__(self) -> None:
        self.failed: list[tuple[int, str]] = []

    def stream_heard(self, stream: Stream, frame: HeardFrame) -> None:
        raise IndexError("empty")

    def stream_pressed(self, stream: Stream, digit: str, at_ns: int) -> None: ...

    def stream_clip(self, stream: Stream, event: ClipEvent, sent_ns: int) -> None: ...

    def stream_silent(self, stream: Stream, silent_ns: int) -> None: ...

    def stream_failed(self, stream: Stream, reason: str) -> None:
        self.failed.append((stream.number, reason))


async def test_a_fault_is_told_once_with_its_reason() -> None:
    """The owner hears what broke, and only once, however many packets still come."""
    ports = PortPool(20_560, 20_563, 0)
    listener = BrokenListener()
    stream = Stream(
        7,
        "caller",
        ports.allocate("127.0.0.1", 0),
        Pacer(),
        listener,
        jitter_max_ms=200,
        timeout_ns=10**10,
        lateness=Lateness(),
    )
    with RtpEndpoint(port=20_570) as phone:
        stream.configure(parameters_for(phone.port), None)
        phone.play_tone(440)
        phone.start("127.0.0.1", stream.pair.rtp.getsockname()[1])
        async with asyncio.timeout(10):
            while not listener.failed:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
    stream.close()
    ports.release(stream.pair, 0)
    assert listener.failed == [(7, "IndexError('empty')")]
