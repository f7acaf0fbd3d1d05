"""Show the words of a call's turns as the local service tells them (thread with its own loop)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from media.config.load import load_config
from media.link import Link, connect
from media.messages import Message, Turn
from media.paths import socket_address


def edge_address(config: Path | None) -> str | None:
    """Return where the service of a configuration listens for clients, None without one."""
    if config is None:
        return None
    return socket_address(load_config(config), "edge")


class LiveTurns:
    """Follow the turns of one caller's call.

    Args:
        address: of the edge's socket, None to follow nothing.
        caller: the phone's own user name; other calls are not shown.
        show: called with each readable line.
    """

    def __init__(self, address: str | None, caller: str, show: Callable[[str], None]) -> None:
        self._address = address
        self._caller = caller
        self._show = show
        self._call_id: str | None = None
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="phone-turns", daemon=True)
        self.turns: list[dict[str, Any]] = []

    def start(self) -> None:
        """Begin to follow; a service that cannot be reached is no error."""
        if self._address is not None:
            self._thread.start()

    def stop(self) -> None:
        """Stop following, after the last turn had a moment to arrive."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(3)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(OSError):
            self._loop.run_until_complete(self._follow())
        self._loop.close()

    async def _follow(self) -> None:
        from edge.client_messages import Subscribe

        link = await connect(str(self._address), role="client", on_message=self._receive)
        link.send(Subscribe())
        await self._over.wait()
        await asyncio.sleep(0.5)
        link.close()

    def _receive(self, link: Link, message: Message, request_id: int | None) -> None:
        if isinstance(message, Turn):
            self.turns.append(asdict(message))
            self._show(turn_line(message))


def turn_line(turn: Turn) -> str:
    """Return one turn as a person reads it."""
    took = f"  [{turn.response_ms} ms]" if turn.response_ms is not None else ""
    cut = " --" if turn.interrupted else ""
    return f"{turn.speaker}: {turn.text}{cut}{took}"
