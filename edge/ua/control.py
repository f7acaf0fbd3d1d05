"""Carry messages between control and the SIP thread, in a thread of its own (asyncio shell)."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading

from media.link import Link
from media.messages import Message


class ControlLink:
    """Control's end of the socket pair, seen from the SIP thread.

    Args:
        connection: our end of the socket pair.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._link: Link | None = None
        self._started = threading.Event()
        self.lost = threading.Event()
        """Set once control is gone or silent for 2 s."""
        self._thread = threading.Thread(target=self._run, name="control-link", daemon=True)

    def start(self) -> None:
        """Start the thread and say Hello."""
        self._thread.start()
        self._started.wait()

    def send(self, message: Message) -> None:
        """Send a message; safe from the SIP thread, lost if the link is."""
        if not self.lost.is_set():
            self._loop.call_soon_threadsafe(self._send, message)

    def receive(self) -> list[Message]:
        """Return the messages that came since the last call, without waiting."""
        messages: list[Message] = []
        while not self._received.empty():
            messages.append(self._received.get())
        return messages

    def close(self) -> None:
        """Send what is still queued, then end the thread."""
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._close)
        self._thread.join(timeout=1.0)

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        closed = asyncio.Event()

        def on_closed(_: Link, __: str) -> None:
            self.lost.set()
            closed.set()

        reader, writer = await asyncio.open_connection(sock=self._connection)
        self._link = Link(
            reader,
            writer,
            role="worker",
            on_message=lambda _, message, __: self._received.put(message),
            on_closed=on_closed,
        )
        self._link.start()
        self._started.set()
        await closed.wait()
        # the transport flushes what was written before the close, unless the peer is gone
        await asyncio.sleep(0.05)
