"""Keep a link to a listening process, media or agent (asyncio shell).

The link is *up* once the process has answered a question on it; a process that hangs still lets
us connect (the kernel does that for it). One that was up, fell silent and does not answer for
``HUNG_AFTER_S`` is killed where it is our sibling: its supervisor starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from media import RemoteError
from media.link import Link, LinkClosedError, connect
from media.messages import Message

RETRY_INTERVAL_S = 0.2
PROBE_TIMEOUT_S = 2.0
HUNG_AFTER_S = 6.0

log = structlog.get_logger()


class Peer:
    """One process that we talk to.

    Args:
        name: ``media`` or ``agent``.
        address: where it listens.
        probe: the request that it must answer before it counts as up.
        on_message: called for each message that is not a reply.
        on_up: called with the probe's answer.
        on_down: called with the reason; only after on_up.
    """

    def __init__(
        self,
        name: str,
        address: str,
        probe: Message,
        *,
        on_message: Callable[[Message], None],
        on_up: Callable[[Message], None],
        on_down: Callable[[str], None],
    ) -> None:
        self.name = name
        self._address = address
        self._probe = probe
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._link: Link | None = None
        self._silent_since: float | None = None
        self._last_pid = 0

    @property
    def up(self) -> bool:
        """Whether the process answers."""
        return self._link is not None

    @property
    def pid(self) -> int:
        """Process id, 0 while it is not up."""
        return self._link.peer_pid if self._link is not None else 0

    def send(self, message: Message) -> None:
        """Send a message; dropped while the process is down, whose calls have then ended."""
        if self._link is not None:
            self._link.send(message)

    async def request(self, message: Message, timeout_s: float = 5.0) -> Message:
        """Send a request and wait for its reply.

        Raises:
            LinkClosedError: the process is down, or did not answer in time.
            RequestFailedError: it answered Failed.
        """
        if self._link is None:
            raise LinkClosedError(f"the {self.name} process is not up")
        return await self._link.request(message, timeout_s)

    async def run(self) -> None:
        """Connect, serve until the link closes, and again for ever."""
        while True:
            with contextlib.suppress(OSError, RemoteError):
                await self._live_once()
            self._kill_if_hung()
            await asyncio.sleep(RETRY_INTERVAL_S)

    async def _live_once(self) -> None:
        closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_closed(_: Link, reason: str) -> None:
            if not closed.done():
                closed.set_result(reason)

        link = await connect(
            self._address,
            role="edge",
            on_message=lambda _, message, __: self._on_message(message),
            on_closed=on_closed,
        )
        try:
            answer = await link.request(self._probe, PROBE_TIMEOUT_S)
            self._link, self._last_pid, self._silent_since = link, link.peer_pid, None
            log.info("link_opened", peer=self.name, peer_pid=link.peer_pid)
            self._on_up(answer)
            reason = await closed
        finally:
            was_up, self._link = self._link is not None, None
            link.close()
        if was_up:
            log.warning("link_lost", peer=self.name, peer_pid=self._last_pid, reason=reason)
            if "silent" in reason:
                self._silent_since = time.monotonic()
            self._on_down(reason)

    def _kill_if_hung(self) -> None:
        if self._silent_since is None or time.monotonic() - self._silent_since < HUNG_AFTER_S:
            return
        self._silent_since = None
        if _parent_of(self._last_pid) == os.getppid():
            log.error("process_killed", peer=self.name, peer_pid=self._last_pid, reason="hung")
            with contextlib.suppress(OSError):
                os.kill(self._last_pid, signal.SIGKILL)


def _parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])
