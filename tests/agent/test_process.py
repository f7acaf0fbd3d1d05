from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from agent.loading import Engines
from media import ConfigError
from media.config.model import AgentConfig, Config, RuleConfig
from media.link import Link, LinkClosedError, RequestFailedError
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    AttachStream,
    CallAnswered,
    CallId,
    ClearPlayback,
    ClipStarted,
    ConversationFailed,
    DetachStream,
    Done,
    EndConversation,
    Message,
    PlaybackCleared,
    StartConversation,
)
from media.wire import AudioFrame, AudioKind
from tests.agent.board import fake_engines, running
from tests.agent.fakes import FakeModel, FakeRecognizer
from tests.harness.waiting import until

pytestmark = pytest.mark.integration


@dataclass
class Media:
    """Answers like media does, and plays nothing."""

    links: list[Link] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    audio: list[AudioFrame] = field(default_factory=list)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(
            reader,
            writer,
            role="media",
            on_message=self._receive,
            on_audio=lambda _link, frame: self.audio.append(frame),
        )
        self.links.append(link)
        link.start()

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        self.messages.append(message)
        if isinstance(message, ClearPlayback):
            link.reply(request_id, PlaybackCleared(message.stream, 1, 800, 5))
        else:
            link.reply(request_id, Done())

    def stop(self) -> None:
        for link in self.links:
            link.close()


@dataclass
class Board:
    """An agent process with fakes around it."""

    config: Config
    media: Media
    edge: Link
    received: list[Message]
    engines: Engines

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition)

    async def start(self, call: str, stream: int) -> None:
        await self.edge.request(StartConversation(CallId(call), stream, "support"))

    async def status(self) -> AgentStatus:
        status = await self.edge.request(AgentStatusRequest())
        assert isinstance(status, AgentStatus)
        return status


@asynccontextmanager
async def board(folder: Path, faults: list[Exception] | None = None) -> AsyncIterator[Board]:
    """Run an agent process whose loading first fails with these faults."""
    config = Config(
        agents={"support": AgentConfig(greeting="Hello.", instructions="Help.")},
        dialplan=(RuleConfig(agent="support"),),
        run_dir=str(folder / "run"),
    )
    engines = fake_engines()

    async def load(_config: Config, report: Callable[[str], None]) -> Engines:
        report("loading")
        if faults:
            raise faults.pop()
        return engines

    media = Media()
    try:
        async with running(config, load, media.accept) as (edge, received):
            yield Board(config, media, edge, received, engines)
    finally:
        media.stop()
        await asyncio.sleep(0.05)


async def speak(link: Link, stream: int) -> None:
    """Send half a second of loud audio and as much silence, faster than real time."""
    for index in range(50):
        level = 9_000 if index < 25 else 0
        samples = np.full(160, level, dtype=np.int16)
        wire_ns = time.monotonic_ns()
        link.send_audio(AudioFrame(AudioKind.CALLER, stream, 0, index * 160, wire_ns, samples))
        await asyncio.sleep(0.02)


async def test_a_conversation_starts_greets_and_ends(tmp_path: Path) -> None:
    """Done comes when the greeting is in hand; the greeting's audio follows the answer."""
    async with board(tmp_path) as made:
        await made.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in made.received))
        await made.start("c1", 7)
        assert AttachStream(7) in made.media.messages
        assert made.media.audio == []
        made.edge.send(CallAnswered(CallId("c1"), 1))
        await made.until(lambda: made.media.audio)
        assert made.media.audio[0].stream == 7
        made.media.links[0].send(ClipStarted(7, 1, 100))
        await made.edge.request(EndConversation(CallId("c1"), "caller"))
        await made.until(lambda: DetachStream(7) in made.media.messages)
        assert (await made.status()).conversations == 0


async def test_what_is_missing_is_said_and_calls_are_refused(tmp_path: Path) -> None:
    """While the engines are not there the status says why, and a call gets 503."""
    async with board(tmp_path, [ConfigError(["no voice; run: cordboard models fetch"])]) as made:
        await made.until(
            lambda: any(
                isinstance(e, AgentStatus) and "no voice" in e.detail for e in made.received
            )
        )
        assert not (await made.status()).ready
        with pytest.raises(RequestFailedError, match="no voice") as refusal:
            await made.start("c1", 7)
        assert refusal.value.sip_status == 503


async def test_lost_media_ends_conversations_and_says_so(tmp_path: Path) -> None:
    """Without media no conversation goes on; edge hears which ones failed."""
    async with board(tmp_path) as made:
        await made.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in made.received))
        await made.start("c1", 7)
        made.media.links[0].close()
        await made.until(lambda: any(isinstance(e, ConversationFailed) for e in made.received))
        await made.until(lambda: len(made.media.links) == 2)
        failed = [each for each in made.received if isinstance(each, ConversationFailed)]
        assert failed == [ConversationFailed(CallId("c1"), "media is gone")]
        await made.start("c2", 8)
        assert AttachStream(8) in made.media.messages
        assert (await made.status()).conversations == 1


async def test_a_fault_in_one_call_leaves_the_others(tmp_path: Path) -> None:
    """An engine that breaks in one conversation ends that one only."""
    async with board(tmp_path) as made:
        await made.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in made.received))
        await made.start("c1", 7)
        await made.start("c2", 8)
        made.media.links[0].send(ClipStarted(7, 1, 100))
        recognizer = made.engines.recognizers["en"]
        assert isinstance(recognizer, FakeRecognizer)
        recognizer.fault = RuntimeError("broken")
        await speak(made.media.links[0], 7)
        await made.until(lambda: any(isinstance(e, ConversationFailed) for e in made.received))
        failed = [e.call_id for e in made.received if isinstance(e, ConversationFailed)]
        assert failed == ["c1"]
        made.edge.send(CallAnswered(CallId("c2"), 1))
        await made.until(lambda: any(each.stream == 8 for each in made.media.audio))


async def test_a_lost_edge_ends_its_conversations(tmp_path: Path) -> None:
    """When edge is gone nobody would end the calls: they end."""
    async with board(tmp_path) as made:
        await made.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in made.received))
        await made.start("c1", 7)
        made.edge.close()
        await made.until(lambda: DetachStream(7) in made.media.messages)
        with pytest.raises(LinkClosedError):
            await made.status()


async def test_a_conversation_ended_while_it_opens_is_closed(tmp_path: Path) -> None:
    """An end that overtakes the opening leaves nothing attached behind."""
    async with board(tmp_path) as made:
        await made.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in made.received))
        starting = asyncio.create_task(made.start("c1", 7))
        await asyncio.sleep(0)
        await made.edge.request(EndConversation(CallId("c1"), "caller"))
        with pytest.raises(RequestFailedError, match="while it opened"):
            await starting
        await made.until(lambda: DetachStream(7) in made.media.messages)
        assert (await made.status()).conversations == 0


async def test_a_fault_while_opening_gives_the_dialogue_back(tmp_path: Path) -> None:
    """An engine that cannot be opened leaves no sequence of the language model taken."""
    async with board(tmp_path) as made:
        await made.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in made.received))
        model = made.engines.language_model
        assert isinstance(model, FakeModel)
        await made.until(lambda: model.asked)
        await asyncio.sleep(0.2)
        closed: list[bool] = []
        model.close = lambda: closed.append(True)  # type: ignore[method-assign]
        made.engines.voice_activity = None  # type: ignore[assignment]
        with pytest.raises(RequestFailedError, match="AttributeError"):
            await made.start("c1", 7)
        assert closed == [True]
