"""Serve the clients on ``edge.sock``: status, news, hang-up (asyncio shell)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from edge.client_messages import DrainWorker, HangUpCall, Status, StatusRequest, Subscribe
from media import RemoteError
from media.link import Link, listen
from media.messages import Done, Failed, Message

log = structlog.get_logger()


class Clients:
    """Everybody who is connected.

    Args:
        status: returns the present state.
        hang_up: ends a call; False where there is none with this id.
        drain: stops or resumes a worker's taking of callers; False where there is none.
    """

    def __init__(
        self,
        status: Callable[[], Status],
        hang_up: Callable[[str], bool],
        drain: Callable[[int, bool], bool] = lambda number, drained: False,
    ) -> None:
        self._status = status
        self._drain = drain
        self._hang_up = hang_up
        self._links: set[Link] = set()
        self._subscribed: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._observers: list[Callable[[Message], None]] = []
        self._relays: dict[type[Message], Callable[[Message], Awaitable[Message]]] = {}
        self._relayed: set[asyncio.Task[None]] = set()

    def observe(self, observer: Callable[[Message], None]) -> None:
        """Tell all news to somebody within this process, too."""
        self._observers.append(observer)

    def relay(self, kind: type[Message], ask: Callable[[Message], Awaitable[Message]]) -> None:
        """Let requests of a kind be answered by another process."""
        self._relays[kind] = ask

    async def start(self, address: str) -> None:
        """Listen; a stale socket file is replaced."""
        self._server = await listen(address, self._accept)

    def publish(self, news: Message) -> None:
        """Tell every observer and subscriber."""
        for observer in self._observers:
            observer(news)
        for link in list(self._subscribed):
            link.send(news)

    async def stop(self) -> None:
        """Close every link and stop listening."""
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)
        for link in list(self._links):
            link.close("shutting down")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer, role="edge", on_message=self._receive, on_closed=self._forget)
        self._links.add(link)
        link.start()

    def _forget(self, link: Link, _reason: str) -> None:
        self._links.discard(link)
        self._subscribed.discard(link)

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        match message:
            case StatusRequest():
                link.reply(request_id, self._status())
            case Subscribe():
                self._subscribed.add(link)
                link.reply(request_id, Done())
            case DrainWorker(number, drained):
                known = self._drain(number, drained)
                link.reply(request_id, Done() if known else Failed(f"no worker {number}", 404))
            case HangUpCall(call_id):
                found = self._hang_up(call_id)
                reply = Done() if found else Failed(f"no call {call_id}", 481)
                link.reply(request_id, reply)
            case _ if type(message) in self._relays:
                task = asyncio.create_task(self._ask(link, message, request_id))
                self._relayed.add(task)
                task.add_done_callback(self._relayed.discard)
            case _:
                link.reply(request_id, Failed(f"{type(message).__name__} is not served", 405))

    async def _ask(self, link: Link, message: Message, request_id: int | None) -> None:
        try:
            reply = await self._relays[type(message)](message)
        except RemoteError as error:
            reply = Failed(str(error), error.sip_status)
        link.reply(request_id, reply)
