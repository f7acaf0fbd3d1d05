"""Carry framed messages between two processes over a stream socket (asyncio shell).

Control is never dropped: it waits in the transport. Live audio waits in a queue of at most 200 ms
per link and stream; beyond that the oldest goes and is counted. Both ends ping every 500 ms; a
peer that is silent for 2 s is down and the link closes itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from media import RemoteError
from media.messages import Failed, Hello, Message, MessageError, Ping, from_wire, to_wire
from media.wire import AudioFrame, AudioKind, FrameParser, WireError, encode_audio, encode_control

PING_INTERVAL_S = 0.5
SILENCE_LIMIT_S = 2.0
FIRST_WORD_LIMIT_S = 10.0
"""A process that has just been started may take so long to its Hello."""
AUDIO_LIMIT_SAMPLES = 1_600
"""200 ms at 8 kHz of live audio of one stream that may wait for a slow reader."""
_HIGH_WATER_BYTES = 64 * 1024
"""While the transport holds more than this, live audio queues here instead."""

log = structlog.get_logger()


class LinkClosedError(RemoteError):
    """The peer process is gone or silent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sip_status=503)


class NoAnswerError(LinkClosedError):
    """The peer did not answer a request in time, though the link to it stands."""


class RequestFailedError(RemoteError):
    """The peer answered a request with Failed."""


class Link:
    """One connection to a peer process.

    Args:
        reader: from asyncio.
        writer: from asyncio.
        role: who we are, told in the Hello.
        on_message: called for each message that is not a reply; ``request_id`` is None unless
            the peer waits for :meth:`reply`.
        on_audio: called for each frame of audio.
        on_closed: called once, with the reason.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        role: str,
        on_message: Callable[[Link, Message, int | None], None],
        on_audio: Callable[[Link, AudioFrame], None] | None = None,
        on_closed: Callable[[Link, str], None] | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._role = role
        self._on_message = on_message
        self._on_audio = on_audio
        self._on_closed = on_closed
        self._requests: dict[int, asyncio.Future[Message]] = {}
        self._request_ids = itertools.count(1)
        self._audio: dict[int, deque[AudioFrame]] = {}
        self._last_heard = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = False
        self.peer_role = ""
        self.peer_pid = 0
        self.audio_dropped_samples = 0

    def start(self) -> None:
        """Say Hello and begin to read; needs a running loop."""
        self.send(Hello(self._role, os.getpid()))
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_alive())]

    def send(self, message: Message) -> None:
        """Send a control message; lost only if the link is (then it is closed)."""
        self._write(encode_control(to_wire(message)))

    def reply(self, request_id: int | None, message: Message) -> None:
        """Answer a request; a message that was no request has no answer."""
        if request_id is not None:
            body = to_wire(message)
            body["reply_to"] = request_id
            self._write(encode_control(body))

    async def request(self, message: Message, timeout_s: float = 5.0) -> Message:
        """Send a request and wait for its reply.

        Raises:
            LinkClosedError: the peer went away.
            NoAnswerError: it did not answer in time.
            RequestFailedError: the peer answered Failed.
        """
        if self.closed:
            raise LinkClosedError("link is closed")
        request_id = next(self._request_ids)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._requests[request_id] = future
        self._write(encode_control(to_wire(message, request_id)))
        try:
            answer = await asyncio.wait_for(future, timeout_s)
        except TimeoutError as error:
            raise NoAnswerError(f"no answer to {type(message).__name__}") from error
        finally:
            self._requests.pop(request_id, None)
        if isinstance(answer, Failed):
            raise RequestFailedError(answer.reason, answer.sip_status)
        return answer

    def send_audio(self, frame: AudioFrame) -> None:
        """Send audio; live audio that the peer does not take drops its oldest beyond 200 ms."""
        if frame.kind is AudioKind.CLIP:
            self._write(encode_audio(frame))
            return
        queue = self._audio.setdefault(frame.stream, deque())
        queue.append(frame)
        held = sum(len(each.samples) for each in queue)
        while held > AUDIO_LIMIT_SAMPLES and len(queue) > 1:
            oldest = queue.popleft()
            held -= len(oldest.samples)
            self.audio_dropped_samples += len(oldest.samples)
        self._flush_queue(queue)

    def close(self, reason: str = "closed") -> None:
        """Close the link; safe to call twice."""
        if self.closed:
            return
        self.closed = True
        for task in self._tasks:
            if task is not _current_task():
                task.cancel()
        for future in self._requests.values():
            if not future.done():
                future.set_exception(LinkClosedError(reason))
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()
        if self._on_closed is not None:
            self._on_closed(self, reason)

    def _write(self, octets: bytes) -> None:
        if not self.closed:
            self._writer.write(octets)

    def _flush_audio(self) -> None:
        for queue in self._audio.values():
            self._flush_queue(queue)

    def _flush_queue(self, queue: deque[AudioFrame]) -> None:
        transport = self._writer.transport
        while queue and transport.get_write_buffer_size() < _HIGH_WATER_BYTES:
            self._write(encode_audio(queue.popleft()))

    def forget_stream(self, stream: int) -> None:
        """Drop what still waits of a stream that is gone."""
        self._audio.pop(stream, None)

    async def _read(self) -> None:
        parser = FrameParser()
        reason = "peer closed the link"
        try:
            while octets := await self._reader.read(65_536):
                self._last_heard = time.monotonic()
                for frame in parser.receive(octets):
                    self._receive(frame)
        except (OSError, WireError) as error:
            reason = str(error)
        self.close(reason)

    def _receive(self, frame: dict[str, object] | AudioFrame) -> None:
        if isinstance(frame, AudioFrame):
            self._hear(frame)
            return
        reply_to = frame.pop("reply_to", None)
        request_id = frame.get("request_id")
        try:
            message = from_wire(frame)
        except MessageError as error:
            log.warning("message_refused", peer=self.peer_role, reason=str(error))
            self.reply(request_id if isinstance(request_id, int) else None, Failed(str(error), 400))
            return
        if isinstance(reply_to, int):
            future = self._requests.get(reply_to)
            if future is not None and not future.done():
                future.set_result(message)
        elif isinstance(message, Hello):
            self.peer_role, self.peer_pid = message.role, message.pid
        elif not isinstance(message, Ping):
            self._deliver(message, request_id if isinstance(request_id, int) else None)

    def _deliver(self, message: Message, request_id: int | None) -> None:
        # a fault while one message is served must not end the link, and with it every call on it
        try:
            self._on_message(self, message, request_id)
        except Exception as error:
            log.exception("message_failed", peer=self.peer_role, kind=type(message).__name__)
            self.reply(request_id, Failed(repr(error), 500))

    def _hear(self, frame: AudioFrame) -> None:
        try:
            if self._on_audio is not None:
                self._on_audio(self, frame)
        except Exception:
            log.exception("audio_failed", peer=self.peer_role, stream=frame.stream)

    async def _keep_alive(self) -> None:
        while True:
            asked = time.monotonic()
            await asyncio.sleep(PING_INTERVAL_S)
            self.send(Ping())
            self._flush_audio()
            now = time.monotonic()
            # our own loop may have been the one that stood still: then hear the peer out first
            stalled = now - asked > 2 * PING_INTERVAL_S
            limit_s = SILENCE_LIMIT_S if self.peer_pid else FIRST_WORD_LIMIT_S
            if not stalled and now - self._last_heard > limit_s:
                self.close("peer is silent")
                return


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def parse_address(address: str) -> tuple[str, str | None, int]:
    """Split ``unix:///path`` or ``tcp://host:port`` into (scheme, host or path, port).

    Raises:
        ValueError: neither form.
    """
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path:
        return "unix", parts.path, 0
    if parts.scheme == "tcp" and parts.hostname and parts.port:
        return "tcp", parts.hostname, parts.port
    raise ValueError(f"{address!r} is neither unix:///path nor tcp://host:port")


async def connect(
    address: str,
    *,
    role: str,
    on_message: Callable[[Link, Message, int | None], None],
    on_audio: Callable[[Link, AudioFrame], None] | None = None,
    on_closed: Callable[[Link, str], None] | None = None,
) -> Link:
    """Open a link to a listening process.

    Raises:
        OSError: nobody listens there.
    """
    scheme, host, port = parse_address(address)
    if scheme == "unix":
        reader, writer = await asyncio.open_unix_connection(host)
    else:
        reader, writer = await asyncio.open_connection(host, port)
    link = Link(
        reader, writer, role=role, on_message=on_message, on_audio=on_audio, on_closed=on_closed
    )
    link.start()
    return link


async def listen(
    address: str, accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> asyncio.Server:
    """Listen on an address; a stale unix socket file is replaced, a new one is private (0600)."""
    scheme, host, port = parse_address(address)
    if scheme == "tcp":
        return await asyncio.start_server(accept, host, port)
    path = Path(str(host))
    _make_room(path)
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(accept, path)
    finally:
        os.umask(mask)


def _make_room(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = path.parent.stat().st_uid
    if owner not in (os.getuid(), 0):
        raise PermissionError(f"{path.parent} belongs to user {owner}: no socket is put there")
    path.unlink(missing_ok=True)
