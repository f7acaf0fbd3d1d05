"""The agent process's place in these tests: speaks the protocol, and tones instead of words."""

from __future__ import annotations

import asyncio
import itertools
import time

from media.link import Link, connect, listen
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    CallAnswered,
    CallId,
    ClipEnded,
    ClipFinished,
    ConversationSummary,
    Done,
    EndConversation,
    Failed,
    Message,
    PlaybackCleared,
    ResumeConversation,
    SpeakText,
    StartConversation,
    StreamGone,
    SummarizeConversation,
    SuspendConversation,
    TransferRequested,
)
from media.reload_messages import ReloadConfig, Reloaded
from media.wire import AudioFrame, AudioKind
from tests.transfer.rtp import samples_of

_clips = itertools.count(1)


class ToneAgent:
    """Ready at once; plays ``ai`` to callers, ``whisper`` or ``announcement`` for texts."""

    def __init__(self) -> None:
        self.streams: dict[CallId, int] = {}
        self.events: list[tuple[int, Message]] = []
        """(when, what) was heard from edge."""
        self.spoken: list[SpeakText] = []
        self.summary = ConversationSummary("Their router is broken.", "broken router")
        self.summary_after_s = 0.05
        self.whisper_s = 0.3
        self.resume_refused = False
        self._server: asyncio.Server | None = None
        self._edges: list[Link] = []
        self._media: Link | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: dict[int, asyncio.Event] = {}

    async def start(self, own: str, media: str) -> None:
        """Listen for edge, connect to media."""
        self.own, self.media_address = own, media
        self._server = await listen(own, self._accept)
        self._spawn(self._stay_connected())

    async def stop(self) -> None:
        """Die."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.sleep(0)
        for link in [*self._edges, *([self._media] if self._media else [])]:
            link.close("stopped")
        self._edges.clear()
        self.streams.clear()

    def heard(self, kind: type[Message]) -> list[Message]:
        """Return what was heard of a kind."""
        return [message for _, message in self.events if isinstance(message, kind)]

    def transfer(self, call_id: CallId, queue: str = "support", reason: str = "angry") -> int:
        """Ask for a human; return when."""
        at_ns = time.monotonic_ns()
        self._edges[-1].send(TransferRequested(call_id, queue, reason))
        return at_ns

    def send(self, message: Message) -> None:
        """Say something to edge."""
        self._edges[-1].send(message)

    async def _stay_connected(self) -> None:
        while True:
            lost = asyncio.Event()
            try:
                self._media = await connect(
                    self.media_address,
                    role="agent",
                    on_message=lambda _, message, __: self._from_media(message),
                    on_closed=lambda _, __, lost=lost: lost.set(),  # type: ignore[misc]
                )
            except OSError:
                await asyncio.sleep(0.1)
                continue
            await lost.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer, role="agent", on_message=self._receive)
        self._edges.append(link)
        link.start()

    def _from_media(self, message: Message) -> None:
        if isinstance(message, ClipFinished) and message.clip in self._finished:
            self._finished[message.clip].set()
        if isinstance(message, PlaybackCleared | StreamGone):
            return

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        self.events.append((time.monotonic_ns(), message))
        match message:
            case AgentStatusRequest():
                link.reply(request_id, AgentStatus(True, "tones", {"voice": "tones"}))
            case StartConversation(call_id=call_id, stream=stream):
                self.streams[call_id] = stream
                link.reply(request_id, Done())
            case CallAnswered(call_id=call_id):
                self._play(self.streams[call_id], "ai", 60.0)
            case SuspendConversation(call_id=call_id) | EndConversation(call_id=call_id):
                link.reply(request_id, Done())
            case ResumeConversation(call_id=call_id):
                if self.resume_refused or call_id not in self.streams:
                    link.reply(request_id, Failed("unknown call"))
                    return
                self._play(self.streams[call_id], "ai", 60.0)
                link.reply(request_id, Done())
            case ReloadConfig():
                link.reply(request_id, Reloaded())
            case SummarizeConversation():
                self._spawn(self._summarize(link, request_id))
            case SpeakText():
                self.spoken.append(message)
                self._spawn(self._speak(link, message, request_id))

    async def _summarize(self, link: Link, request_id: int | None) -> None:
        await asyncio.sleep(self.summary_after_s)
        link.reply(request_id, self.summary)

    async def _speak(self, link: Link, message: SpeakText, request_id: int | None) -> None:
        waiting = message.stream in self.streams.values()
        clip = self._play(message.stream, "announcement" if waiting else "whisper", self.whisper_s)
        self._finished[clip] = asyncio.Event()
        try:
            await asyncio.wait_for(self._finished[clip].wait(), self.whisper_s + 1)
        except TimeoutError:
            link.reply(request_id, Failed("not heard"))
            return
        link.reply(request_id, Done())

    def _play(self, stream: int, tone: str, seconds: float) -> int:
        clip = next(_clips)
        if self._media is not None:
            samples = samples_of(tone, seconds)
            self._media.send_audio(AudioFrame(AudioKind.CLIP, stream, clip, 0, 0, samples))
            self._media.send(ClipEnded(stream, clip))
        return clip

    def _spawn(self, work) -> None:  # noqa: ANN001
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
