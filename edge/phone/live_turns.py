"""Show the words of a call's turns as the local service tells them (a thread with its own loop)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.client_messages import CallEndedNews, Subscribe, TurnEndedNews
from media import RemoteError
from media.config.load import load_config
from media.link import Link, connect
from media.messages import Message, Turn
from media.paths import socket_address

_LAST_WORDS_S = 2.0
"""How long to wait for the service's end of the call after ours."""


def edge_address(config: Path | None) -> str | None:
    """Return where the service of a configuration listens for clients, None without one."""
    if config is None:
        return None
    return socket_address(load_config(config), "edge")


class LiveTurns:
    """Follow the turns of one call.

    Args:
        address: of the edge's socket, None to follow nothing.
        sip_call_id: returns the Call-ID of the phone's call, empty before it is known.
        show: called with each readable line, in the thread of the follower.
    """

    def __init__(
        self, address: str | None, sip_call_id: Callable[[], str], show: Callable[[str], None]
    ) -> None:
        self._address = address
        self._sip_call_id = sip_call_id
        self._show = show
        self._ended = asyncio.Event()
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="phone-turns", daemon=True)
        self.turns: list[dict[str, Any]] = []
        self.call_id: str | None = None
        """The service's own id of the call, None where it was not told."""

    def start(self) -> None:
        """Begin to follow; a service that cannot be reached is no error."""
        if self._address is not None:
            self._thread.start()

    def stop(self) -> None:
        """Stop following, after the service had a moment to tell the end."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it ended by itself meanwhile
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_LAST_WORDS_S + 1)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(OSError, RemoteError):
            self._loop.run_until_complete(self._follow())
        self._loop.close()

    async def _follow(self) -> None:
        link = await connect(str(self._address), role="client", on_message=self._receive)
        await link.request(Subscribe())
        await self._stop.wait()
        if self.call_id is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LAST_WORDS_S)
        link.close()

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        news_of = getattr(message, "sip_call_id", "")
        if not news_of or news_of != self._sip_call_id():
            return
        self.call_id = getattr(message, "call_id", None)
        if isinstance(message, TurnEndedNews):
            self.turns.append(asdict(message.turn))
            self._show(turn_line(message.turn))
        elif isinstance(message, CallEndedNews):
            self._ended.set()


def turn_line(turn: Turn) -> str:
    """Return one turn as a person reads it."""
    took = f"  [{turn.response_ms} ms]" if turn.response_ms is not None else ""
    cut = " --" if turn.interrupted else ""
    return f"{turn.speaker:>6}: {turn.text}{cut}{took}"
