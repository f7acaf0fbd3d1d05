"""Peers that speak the protocol, for driving the control process over real links."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from media.link import Link, listen
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    AllocateStream,
    CloseStream,
    ConfigureStream,
    Done,
    EndConversation,
    Failed,
    MediaStatus,
    MediaStatusRequest,
    Message,
    PlayFile,
    StartConversation,
    StreamAllocated,
    StreamClosed,
    StreamQuality,
)

M = TypeVar("M", bound=Message)


class Peer:
    """A listening process: keeps what it hears, answers requests as scripted."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.links: list[Link] = []
        self.refuse: dict[type[Message], Failed] = {}
        self.silent: set[type[Message]] = set()
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()

    async def start(self, address: str) -> None:
        self._server = await listen(address, self._accept)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)
        for link in self.links:
            link.close("stopped")
        self.links.clear()

    def send(self, message: Message) -> None:
        self.links[-1].send(message)

    async def hear(self, kind: type[M]) -> M:
        """Wait for a message of this kind and take it."""
        while True:
            for message in self.heard:
                if isinstance(message, kind):
                    self.heard.remove(message)
                    return message
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 5)

    def answer(self, message: Message) -> Iterable[Message]:
        return [Done()]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer, role="peer", on_message=self._receive)
        self.links.append(link)
        link.start()

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        self.heard.append(message)
        self._news.set()
        if type(message) in self.silent:
            return
        refusal = self.refuse.get(type(message))
        replies = [refusal] if refusal is not None else self.answer(message)
        for reply in replies:
            link.reply(request_id, reply)


class MediaPeer(Peer):
    """Media: ports and quality, no audio."""

    quality = StreamQuality(packets_received=100, packets_sent=101, mos=4.3)

    def __init__(self) -> None:
        super().__init__()
        self.open_streams: set[int] = set()
        self._next = 0

    def answer(self, message: Message) -> Iterable[Message]:
        match message:
            case MediaStatusRequest():
                return [MediaStatus(0, 10, 0, 0.0, 0)]
            case AllocateStream():
                self._next += 1
                self.open_streams.add(self._next)
                return [StreamAllocated(self._next, "127.0.0.1", 22_100 + 2 * self._next)]
            case CloseStream(stream):
                self.open_streams.discard(stream)
                return [StreamClosed(stream, self.quality)]
            case ConfigureStream() | PlayFile():
                return [Done()]
        return [Failed("not served")]


class AgentPeer(Peer):
    """Agent: ready at once unless told otherwise."""

    ready = True

    def answer(self, message: Message) -> Iterable[Message]:
        match message:
            case AgentStatusRequest():
                detail = "scripted" if self.ready else "still loading models: voice"
                return [AgentStatus(self.ready, detail, {"voice": "scripted"})]
            case StartConversation() | EndConversation():
                return [Done()]
        return [Failed("not served")]
