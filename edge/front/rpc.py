"""Speak JSON-RPC with Kamailio over its unix datagram socket (asyncio)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from media import RemoteError

REPLY_TIMEOUT_S = 1.0

Parameter = str | int


class RpcError(RemoteError):
    """Kamailio does not answer, or refuses a command."""


class RpcRefusedError(RpcError):
    """Kamailio answered with an error."""


class _Replies(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[Any]] = {}

    def datagram_received(self, octets: bytes, address: object) -> None:
        try:
            reply = json.loads(octets)
        except ValueError:
            return
        future = self.waiting.pop(reply.get("id", -1), None)
        if future is None or future.done():
            return
        if "error" in reply:
            future.set_exception(RpcRefusedError(str(reply["error"].get("message", ""))))
        else:
            future.set_result(reply.get("result"))

    def error_received(self, error: Exception) -> None:
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(RpcError(str(error)))
        self.waiting.clear()


class Rpc:
    """One open socket towards Kamailio.

    Args:
        server: where Kamailio listens.
    """

    def __init__(self, server: Path) -> None:
        self._server = server
        # replies come to a name of our own beside the server's
        self._client = server.with_suffix(".ctl")
        self._transport: asyncio.DatagramTransport | None = None
        self._replies = _Replies()
        self._next_id = 0

    async def open(self) -> None:
        """Connect.

        Raises:
            RpcError: nobody listens.
        """
        with contextlib.suppress(FileNotFoundError):
            self._client.unlink()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            connection.bind(str(self._client))
            connection.setblocking(False)
            connection.connect(str(self._server))
        except OSError as error:
            connection.close()
            raise RpcError(error.strerror or str(error)) from error
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self._replies, sock=connection
        )

    def close(self) -> None:
        """Disconnect."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        with contextlib.suppress(FileNotFoundError):
            self._client.unlink()

    async def call(self, method: str, parameters: Sequence[Parameter] = ()) -> Any:
        """Carry out a command and return its result.

        Raises:
            RpcRefusedError: Kamailio answered with an error.
            RpcError: it did not answer.
        """
        if self._transport is None:
            raise RpcError("not connected")
        self._next_id += 1
        number = self._next_id
        body = {"jsonrpc": "2.0", "method": method, "params": list(parameters), "id": number}
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies.waiting[number] = reply
        self._transport.sendto(json.dumps(body).encode())
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await reply
        except TimeoutError as error:
            self._replies.waiting.pop(number, None)
            raise RpcError(f"{method}: no answer in {REPLY_TIMEOUT_S} s") from error
