"""Tell Kamailio what the books say, as soon as they change (asyncio shell of the board)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from edge.front.board import Board, Books, Command
from edge.front.refusals import RefusalNotes
from edge.front.rpc import Rpc, RpcError, RpcRefusedError

REMIND_S = 1.0
RETRY_S = 0.2

log = structlog.get_logger()


class FrontDesk:
    """The control process's end of the front.

    Args:
        server: Kamailio's command socket.
        pid_file: of Kamailio.
        books: returns what Kamailio shall know now.
        on_change: called when Kamailio came or went.
        notes: of the calls that Kamailio refused by itself.
    """

    def __init__(
        self,
        server: Path,
        pid_file: Path,
        books: Callable[[], Books],
        on_change: Callable[[], None],
        notes: RefusalNotes,
    ) -> None:
        self._server = server
        self._pid_file = pid_file
        self._books = books
        self._on_change = on_change
        self._notes = notes
        self._board = Board(secrets.token_hex(8))
        self._changed = asyncio.Event()
        self._orders: list[Command] = []
        self._rpc: Rpc | None = None
        self.up = False

    @property
    def pid(self) -> int:
        """Process id of Kamailio, 0 while it is not up."""
        if not self.up:
            return 0
        try:
            return int(self._pid_file.read_text("utf-8"))
        except (OSError, ValueError):
            return 0

    def changed(self, place: int | None = None) -> None:
        """Have the books told soon; many changes at once are told together.

        Args:
            place: of the worker whose number of free slots Kamailio has lowered itself.
        """
        if place is not None:
            self._board.lowered(place)
        self._changed.set()

    def order(self, command: Command) -> None:
        """Have a command carried out soon; lost with Kamailio where it is down."""
        if self.up:
            self._orders.append(command)
            self._changed.set()

    async def ask(self, question: Command) -> Any:
        """Return Kamailio's answer.

        Raises:
            RpcError: it has none, or is down.
        """
        if self._rpc is None or not self.up:
            raise RpcError("the front is down")
        return await self._rpc.call(question.method, question.parameters)

    async def run(self) -> None:
        """Keep Kamailio informed for ever."""
        while True:
            rpc = Rpc(self._server)
            try:
                await self._serve(rpc)
            except RpcError as error:
                self._note(False, str(error))
            finally:
                self._rpc = None
                rpc.close()
            await asyncio.sleep(RETRY_S)

    async def _serve(self, rpc: Rpc) -> None:
        await rpc.open()
        self._rpc = rpc
        reminded = 0.0
        unread = False
        while True:
            books = self._books()
            if time.monotonic() - reminded >= REMIND_S:
                reminded = time.monotonic()
                await self._check_mark(rpc)
                await _send(rpc, self._board.changes(books))
                await _send(rpc, self._board.reminders(books))
                self._note(True, "")
                unread = True
            else:
                await _send(rpc, self._board.changes(books))
            orders, self._orders = self._orders, []
            await _send(rpc, orders)
            if unread and (unread := await self._notes.read(rpc)):
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(reminded + REMIND_S - time.monotonic(), 0)):
                    await self._changed.wait()
            self._changed.clear()

    async def _check_mark(self, rpc: Rpc) -> None:
        """Notice a Kamailio that was started anew behind the same socket."""
        try:
            answer = await rpc.call("htable.get", ("front", "mark"))
            known = answer["item"]["value"] == self._board.mark
        except (RpcRefusedError, KeyError, TypeError):
            known = False
        if not known:
            self._board.forget()
            self._notes.forget()

    def _note(self, up: bool, reason: str) -> None:
        if not up:
            self._board.forget()
            self._orders = []
        if up is self.up:
            return
        self.up = up
        if up:
            log.info("front_opened", front_pid=self.pid)
        else:
            log.error("front_lost", reason=reason)
        self._on_change()


async def _send(rpc: Rpc, commands: list[Command]) -> None:
    for each in commands:
        try:
            await rpc.call(each.method, each.parameters)
        except RpcRefusedError as error:
            # deleting or flushing what is not there; anything else is told again by the next life
            log.debug("front_refused", method=each.method, reason=str(error))
