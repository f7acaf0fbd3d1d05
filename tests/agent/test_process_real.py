"""A real agent process, a real media process, real engines: speech in as RTP, answers out."""

from __future__ import annotations

import asyncio
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from agent.audible import level_dbfs
from agent.models.store import ModelStore
from media.config.load import load_config
from media.g711 import Codec, decode, encode
from media.link import Link, connect
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    AllocateStream,
    CallAnswered,
    CallId,
    CloseStream,
    ConfigureStream,
    EndConversation,
    HangupRequested,
    Message,
    Speaker,
    StartConversation,
    StreamAllocated,
    StreamParameters,
    Turn,
)
from media.paths import models_dir, socket_address
from tests.agent.speakers import flite

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
MS = 1_000_000


@dataclass
class RtpPhone(asyncio.DatagramProtocol):
    """Sends and hears G.711 packets of 20 ms, silence when it has nothing to say."""

    to: tuple[str, int] = ("", 0)
    speech: bytes = b""
    last_speech_ns: int = 0
    first_speech_ns: int = 0
    heard: list[int] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if level_dbfs(decode(Codec.PCMU, data[12:])) > -50:
            self.heard.append(time.monotonic_ns())

    async def run(self) -> None:
        assert self.transport is not None
        due = time.monotonic()
        sequence = 0
        while True:
            frame, self.speech = self.speech[:160], self.speech[160:]
            frame = frame.ljust(160, b"\xff")
            header = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, 77)
            self.transport.sendto(header + frame, self.to)
            if level_dbfs(decode(Codec.PCMU, frame)) > -50:
                self.last_speech_ns = time.monotonic_ns()
                self.first_speech_ns = self.first_speech_ns or self.last_speech_ns
            sequence += 1
            due += 0.02
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def say(self, octets: bytes) -> None:
        self.first_speech_ns = 0
        self.speech = octets
        while self.speech:
            await asyncio.sleep(0.02)

    async def until_heard(self, after_ns: int, limit_s: float = 20) -> int:
        for _ in range(int(limit_s / 0.02)):
            found = next((each for each in self.heard if each > after_ns), None)
            if found is not None:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError("nothing was heard")

    async def until_quiet(self, quiet_s: float = 1.0) -> None:
        while time.monotonic_ns() - self.heard[-1] < quiet_s * 1e9:
            await asyncio.sleep(0.02)


@dataclass
class Board:
    """Both processes, and us in edge's place."""

    media: Link
    agent: Link
    received: list[Message]
    processes: list[subprocess.Popen[bytes]]

    def turns(self, speaker: Speaker) -> list[Turn]:
        return [
            each for each in self.received if isinstance(each, Turn) and each.speaker is speaker
        ]


async def _connect(address: str, on_message: Callable[[Message], None]) -> Link:
    for _ in range(100):
        try:
            return await connect(
                address, role="edge", on_message=lambda _link, message, _id: on_message(message)
            )
        except OSError:
            await asyncio.sleep(0.1)
    raise AssertionError(f"nobody listens on {address}")


def _start(role: str, config: Path, log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", role, "--config", str(config)], cwd=ROOT, stderr=log
    )


@asynccontextmanager
async def running_board(folder: Path) -> AsyncIterator[Board]:
    """Start media and agent and wait until a call could be held."""
    written = (ROOT / "deploy" / "cordboard.yaml").read_text()
    written = written.replace("home: ..", f"home: {folder}")
    written = written.replace("16384", "25000").replace("18383", "25199")
    path = folder / "cordboard.yaml"
    path.write_text(written)
    config = load_config(path)
    ModelStore(models_dir(config)).choose_recognizer("en")
    ModelStore(models_dir(config)).choose_language_model()
    logs = (folder / "log").open("wb")
    started = [_start(role, path, logs) for role in ("media", "agent")]
    received: list[Message] = []
    try:
        media = await _connect(socket_address(config, "media"), received.append)
        agent = await _connect(socket_address(config, "agent"), received.append)
        for _ in range(600):
            status = await agent.request(AgentStatusRequest())
            if isinstance(status, AgentStatus) and status.ready:
                break
            await asyncio.sleep(0.2)
        else:
            raise AssertionError((folder / "log").read_text()[-2000:])
        yield Board(media, agent, received, started)
        media.close()
        agent.close()
    finally:
        for each in started:
            each.send_signal(signal.SIGTERM)
        for each in started:
            each.wait(15)
        logs.close()
        sys.stdout.write((folder / "log").read_text()[-6000:])


def speech(text: str, speaker: str = "slt") -> bytes:
    """Return a sentence spoken by flite as G.711 at 8 kHz."""
    return encode(Codec.PCMU, flite(text, speaker))


@asynccontextmanager
async def call_up(board: Board, call: str) -> AsyncIterator[tuple[RtpPhone, int]]:
    """Hold one call; yields the phone and the time of the answer."""
    allocated = await board.media.request(AllocateStream(CallId(call), "caller", "127.0.0.1"))
    assert isinstance(allocated, StreamAllocated)
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(
        RtpPhone, local_addr=("127.0.0.1", 25_900)
    )
    phone.to = ("127.0.0.1", allocated.port)
    await board.agent.request(StartConversation(CallId(call), allocated.stream, "support"), 30)
    parameters = StreamParameters("127.0.0.1", 25_900, 25_901, "PCMU", 0)
    await board.media.request(ConfigureStream(allocated.stream, parameters))
    sending = asyncio.create_task(phone.run())
    answered_ns = time.monotonic_ns()
    board.agent.send(CallAnswered(CallId(call), answered_ns))
    try:
        yield phone, answered_ns
    finally:
        await board.agent.request(EndConversation(CallId(call), "caller"))
        await board.media.request(CloseStream(allocated.stream))
        sending.cancel()
        transport.close()


async def test_a_call_is_greeted_answered_interrupted_and_ended(tmp_path: Path) -> None:
    """Greeting, two questions, a barge-in and a goodbye over real RTP with the real engines."""
    questions = [
        ("How long does the battery last?", "six months"),
        ("What is the warranty?", "two years"),
        ("When are you open?", "nine to six"),
    ]
    async with running_board(tmp_path) as board:
        async with call_up(board, "c1") as (phone, answered_ns):
            greeted_ns = await phone.until_heard(answered_ns)
            print("greeting_ms", (greeted_ns - answered_ns) / MS)
            assert greeted_ns - answered_ns < 500 * MS
            await phone.until_quiet()
            for text, _ in questions:
                before = len(board.turns(Speaker.AGENT))
                await phone.say(speech(text))
                ended_ns = phone.last_speech_ns
                await phone.until_heard(ended_ns + 100 * MS)
                await phone.until_quiet(2.0)
                # on a busy machine a filler is heard first and carries the response time
                answer = board.turns(Speaker.AGENT)[before]
                outside_ms = (answer.started_ns - ended_ns) / MS
                print(text, round(outside_ms), answer)
                # the first packet was heard when the turn says it left, counted from our last one
                assert any(abs(each - answer.started_ns) < 60 * MS for each in phone.heard)
                assert answer.response_ms is not None
                assert abs(answer.response_ms - outside_ms) < 60

            await phone.say(speech("How do I reset my doorbell?"))
            started_ns = await phone.until_heard(phone.last_speech_ns + 100 * MS)
            await asyncio.sleep(1.5)
            await phone.say(speech("Wait, does the warranty cover water damage?"))
            last_ns = max(each for each in phone.heard if each < phone.last_speech_ns)
            print("barge_in_ms", (last_ns - phone.first_speech_ns) / MS, started_ns)
            assert last_ns - phone.first_speech_ns < 400 * MS
            await phone.until_heard(phone.last_speech_ns + 100 * MS)
            await phone.until_quiet()
            assert any(each.interrupted for each in board.turns(Speaker.AGENT))

            await phone.say(speech("Thank you, goodbye."))
            await phone.until_heard(phone.last_speech_ns + 100 * MS)
            await phone.until_quiet()
            await asyncio.sleep(2)
        for each in board.turns(Speaker.CALLER) + board.turns(Speaker.AGENT):
            print(each.speaker, each.source, repr(each.text), each.response_ms, each.barge_in_ms)
        hangups = [each for each in board.received if isinstance(each, HangupRequested)]
        assert [each.reason for each in hangups] == ["agent_goodbye"]
        answers = " ".join(each.text for each in board.turns(Speaker.AGENT))
        for _, fact in questions:
            assert fact in answers
