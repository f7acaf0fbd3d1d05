"""The agent process between a media that plays and an edge that transfers, over real sockets."""

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
from media.config.model import AgentConfig, Config, RuleConfig
from media.config.queues import QueueConfig
from media.link import Link, RequestFailedError
from media.messages import (
    AgentStatus,
    CallAnswered,
    CallId,
    ClearPlayback,
    ClipEnded,
    ClipFinished,
    ClipStarted,
    ConversationSummary,
    Done,
    EndConversation,
    Message,
    PlaybackCleared,
    ResumeConversation,
    SpeakText,
    StartConversation,
    StreamGone,
    SummarizeConversation,
    SuspendConversation,
    TransferRequested,
    Turn,
)
from media.wire import AudioFrame, AudioKind
from tests.agent.board import fake_engines, running
from tests.agent.fakes import LOUD
from tests.harness.waiting import until

pytestmark = pytest.mark.integration

CALL = CallId("c1")
STREAM, DESK = 7, 9
SAID = ["My battery only lasts three weeks.", "Can I talk to a person?"]


@dataclass
class PlayingMedia:
    """Plays each clip ten times as fast as media does and tells its beginning and end."""

    link: Link | None = None
    lengths: dict[tuple[int, int], int] = field(default_factory=dict)
    first_audio_ns: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    silent: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(
            reader, writer, role="media", on_message=self._receive, on_audio=self._receive_audio
        )
        self.link = link
        link.start()

    def _receive_audio(self, _link: Link, frame: AudioFrame) -> None:
        self.first_audio_ns.setdefault(frame.clip, time.monotonic_ns())
        key = (frame.stream, frame.clip)
        self.lengths[key] = self.lengths.get(key, 0) + len(frame.samples)

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        if isinstance(message, ClipEnded) and not self.silent:
            self.tasks.append(asyncio.create_task(self._play(link, message)))
        if isinstance(message, ClearPlayback):
            link.reply(request_id, PlaybackCleared(message.stream, 0, 0, time.monotonic_ns()))
        else:
            link.reply(request_id, Done())

    async def _play(self, link: Link, ended: ClipEnded) -> None:
        link.send(ClipStarted(ended.stream, ended.clip, time.monotonic_ns()))
        await asyncio.sleep(self.lengths[(ended.stream, ended.clip)] / 80_000)
        link.send(ClipFinished(ended.stream, ended.clip, time.monotonic_ns()))

    async def hear(self, number: int) -> None:
        """Let the caller say one of the sentences for half a second, and then be silent."""
        assert self.link is not None
        for index in range(60):
            samples = np.full(160, LOUD + number if index < 25 else 0, dtype=np.int16)
            self.link.send_audio(
                AudioFrame(AudioKind.CALLER, STREAM, 0, 0, time.monotonic_ns(), samples)
            )
            await asyncio.sleep(0.02)


@dataclass
class Board:
    """An agent process with fakes around it."""

    media: PlayingMedia
    edge: Link
    received: list[Message]

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition, 8)

    def turns(self) -> list[Turn]:
        return [each for each in self.received if isinstance(each, Turn)]

    async def begin(self) -> None:
        """Start a conversation and let it greet."""
        await self.until(lambda: any(isinstance(e, AgentStatus) and e.ready for e in self.received))
        variables = {"caller": "sip:+493012345@192.0.2.1"}
        await self.edge.request(StartConversation(CALL, STREAM, "support", variables))
        self.edge.send(CallAnswered(CALL, 1))
        await self.until(self.turns)


@asynccontextmanager
async def board(folder: Path) -> AsyncIterator[Board]:
    """Run an agent process with one queue."""
    config = Config(
        agents={"support": AgentConfig(greeting="Hello.", instructions="Help.")},
        dialplan=(RuleConfig(agent="support"),),
        queues={"support": QueueConfig()},
        run_dir=str(folder / "run"),
    )

    async def load(_config: Config, _report: Callable[[str], None]) -> Engines:
        return fake_engines(SAID)

    media = PlayingMedia()
    try:
        async with running(config, load, media.accept) as (edge, received):
            yield Board(media, edge, received)
    finally:
        if media.link is not None:
            media.link.close()
        await asyncio.sleep(0.05)


async def test_a_caller_goes_to_a_person_and_comes_back(tmp_path: Path) -> None:
    """Wish, request, suspension, summary, whisper, return: as edge asks for it in a transfer."""
    async with board(tmp_path) as made:
        await made.begin()
        await made.media.hear(0)
        await made.until(lambda: len(made.turns()) >= 3)
        await made.media.hear(1)
        await made.until(lambda: any(isinstance(e, TransferRequested) for e in made.received))
        (wish,) = [e for e in made.received if isinstance(e, TransferRequested)]
        assert (wish.call_id, wish.queue, wish.reason) == (CALL, "support", "asked for a person")
        assert isinstance(await made.edge.request(SuspendConversation(CALL)), Done)

        began = time.monotonic()
        summary = await made.edge.request(SummarizeConversation(CALL, within_ms=500))
        assert time.monotonic() - began < 0.5
        assert isinstance(summary, ConversationSummary)
        assert "battery only lasts three weeks" in summary.text
        assert "battery" in summary.short_reason and len(summary.short_reason) <= 40

        turns = len(made.turns())
        await made.media.hear(0)
        whisper = SpeakText(DESK, f"{summary.text} Press 1.", "support")
        assert isinstance(await made.edge.request(whisper, 20.0), Done)
        assert any(stream == DESK for stream, _ in made.media.lengths)
        announcement = SpeakText(STREAM, "You are number 1 in line.", "support")
        assert isinstance(await made.edge.request(announcement, 20.0), Done)
        assert len(made.turns()) == turns

        before = set(made.media.first_audio_ns)
        back_ns = time.monotonic_ns()
        assert isinstance(await made.edge.request(ResumeConversation(CALL, "no_answer")), Done)
        await made.until(lambda: set(made.media.first_audio_ns) - before)
        (clip,) = set(made.media.first_audio_ns) - before
        assert made.media.first_audio_ns[clip] - back_ns < 1_000_000_000
        await made.until(lambda: len(made.turns()) == turns + 1)
        assert made.turns()[-1].source == "return"
        assert [each.number for each in made.turns()] == list(range(1, turns + 2))


async def test_the_call_ends_while_a_person_has_the_caller(tmp_path: Path) -> None:
    """EndConversation is answered, and afterwards nothing is known of the call."""
    async with board(tmp_path) as made:
        await made.begin()
        await made.edge.request(SuspendConversation(CALL))
        await made.edge.request(EndConversation(CALL, "caller"))
        for request in (
            SuspendConversation(CALL),
            ResumeConversation(CALL, "no_answer"),
            SummarizeConversation(CALL),
        ):
            with pytest.raises(RequestFailedError, match="no such conversation"):
                await made.edge.request(request)


async def test_a_whisper_fails_with_its_phone(tmp_path: Path) -> None:
    """A phone that is gone, one that was cleared, and a voice nobody has are answered Failed."""
    async with board(tmp_path) as made:
        await made.begin()
        made.media.silent = True
        assert made.media.link is not None
        for news in (StreamGone(DESK), PlaybackCleared(DESK, 0, 0, time.monotonic_ns() + 10**12)):
            whisper = asyncio.create_task(
                made.edge.request(SpeakText(DESK, "A caller.", "support"), 20.0)
            )
            heard = len(made.media.lengths)
            await made.until(lambda heard=heard: len(made.media.lengths) > heard)  # type: ignore[misc]
            made.media.link.send(news)
            with pytest.raises(RequestFailedError):
                await whisper
        with pytest.raises(RequestFailedError, match="no agent"):
            await made.edge.request(SpeakText(DESK, "A caller.", "nobody"))
