"""An agent process of fakes between a media and an edge that a test plays, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from agent.loading import Engines
from agent.persona_book import LoadEngines
from agent.process import AgentProcess
from media.config.model import Config
from media.link import Link, connect, listen
from media.messages import Message
from media.paths import socket_address
from tests.agent.fakes import FakeActivity, FakeModel, FakeRecognizer, FakeTurnModel, FakeVoice

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Activity:
    """Opens fake voice activity."""

    def open(self) -> FakeActivity:
        return FakeActivity()


def fake_engines(said: Sequence[str] = ()) -> Engines:
    """Return engines that take no time and hear these sentences."""
    return Engines(
        Activity(),
        FakeTurnModel(),
        FakeModel({}, first_token_s=0.0, token_s=0.0),
        {"en": FakeRecognizer(list(said), 0.0)},
        {("en", None): FakeVoice(0.0)},
    )


@asynccontextmanager
async def running(
    config: Config, load: LoadEngines, accept: Accept
) -> AsyncIterator[tuple[Link, list[Message]]]:
    """Run an agent process; give edge's link to it, and what comes over that.

    Args:
        config: where its sockets are.
        load: gives it engines.
        accept: takes its connection to media.
    """
    server = await listen(socket_address(config, "media"), accept)
    process = asyncio.create_task(AgentProcess(config, load).run())
    received: list[Message] = []
    edge = None
    try:
        while edge is None:
            with suppress(OSError):
                edge = await connect(
                    socket_address(config, "agent"),
                    role="edge",
                    on_message=lambda _link, message, _id: received.append(message),
                )
            await asyncio.sleep(0.01)
        yield edge, received
    finally:
        if edge is not None:
            edge.close()
        process.cancel()
        with suppress(asyncio.CancelledError):
            await process
        server.close()
