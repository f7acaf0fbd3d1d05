from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.engines.base import ChatMessage
from agent.engines.openai import OpenAiLanguageModel
from media import RemoteError

pytestmark = pytest.mark.unit

PREFIX = [ChatMessage("system", "be brief")]
QUESTION = [*PREFIX, ChatMessage("user", "how long?")]
MODELS = b'{"data": [{"id": "tiny"}]}'
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A few lines of HTTP/1.1 on loopback."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[dict[str, Any]] = []
        self.headers = ""
        self.gone = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.headers = head
            if head.startswith("GET /v1/models "):
                writer.write(whole(200, MODELS))
            else:
                size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                self.requests.append(json.loads(await reader.readexactly(size)))
                await self.reply(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()


def whole(status: int, body: bytes) -> bytes:
    """Return a complete answer."""
    return (
        b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        % (
            status,
            len(body),
        )
        + body
    )


def event(text: str) -> bytes:
    """Return one streamed piece."""
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n".encode()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[Server]:
    """Run a server for as long as the block lasts."""
    made = Server(reply)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


async def two_pieces(writer: asyncio.StreamWriter) -> None:
    """Stream an answer of two pieces."""
    writer.write(STREAM + b": ping\n\n" + event("Two ") + event("years.") + b"data: [DONE]\n\n")


async def test_an_answer_is_streamed() -> None:
    """Pieces arrive in order; the request holds the dialogue, the limit and the key."""
    async with serving(two_pieces) as server:
        model = OpenAiLanguageModel(server.url + "/v1/")
        dialogue = await model.open(PREFIX)
        pieces = [each async for each in dialogue.generate(QUESTION, max_tokens=40)]
        assert pieces == ["Two ", "years."]
        assert model.name == "tiny"
        request = server.requests[0]
        assert request["messages"][-1] == {"role": "user", "content": "how long?"}
        assert (request["model"], request["max_tokens"], request["stream"]) == ("tiny", 40, True)
        assert dialogue.first_token_ms is not None
        await model.aclose()


async def test_the_prefix_is_warmed_once(tmp_path: Path) -> None:
    """The prefix is sent ahead once; a caller's unfinished words never are."""
    key = tmp_path / "key"
    key.write_text("secret\n")
    async with serving(two_pieces) as server:
        model = OpenAiLanguageModel(server.url, model="big", key_file=key)
        dialogue = await model.open(PREFIX)
        await dialogue.prefill(QUESTION)
        await dialogue.prefill(QUESTION)
        assert len(server.requests) == 1
        assert server.requests[0]["messages"] == [{"role": "system", "content": "be brief"}]
        assert "authorization: bearer secret" in server.headers.lower()
        await model.aclose()


async def test_closing_the_iterator_closes_the_request() -> None:
    """A cancelled answer is felt by the server at once."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        while True:
            writer.write(event("x"))
            await writer.drain()
            await asyncio.sleep(0.001)

    async with serving(endless) as server:
        model = OpenAiLanguageModel(server.url, model="m")
        answer = (await model.open(PREFIX)).generate(QUESTION, max_tokens=40)
        assert await anext(answer) == "x"
        await answer.aclose()
        await asyncio.wait_for(server.gone.wait(), 2)
        await model.aclose()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (whole(400, b'{"error": {"message": "context too long"}}'), "400 context too long"),
        (whole(500, b"oops"), "500 oops"),
        (whole(302, b""), "302"),
        (STREAM + b"data: {broken\n\n", "not the OpenAI interface"),
        (STREAM + b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
    ],
)
async def test_failures_are_readable(reply: bytes, words: str) -> None:
    """Whatever the server does wrong is told in one line with its address."""

    async def fail(writer: asyncio.StreamWriter) -> None:
        writer.write(reply)

    async with serving(fail) as server:
        model = OpenAiLanguageModel(server.url, model="m")
        dialogue = await model.open(PREFIX)
        with pytest.raises(RemoteError) as caught:
            _ = [each async for each in dialogue.generate(QUESTION, max_tokens=4)]
        assert words in str(caught.value)
        assert server.url in str(caught.value)
        assert caught.value.sip_status == 503
        await model.aclose()


async def test_no_server() -> None:
    """A server that is not there is told when the dialogue is opened."""
    async with serving(two_pieces) as server:
        url = server.url
    model = OpenAiLanguageModel(url)
    with pytest.raises(RemoteError, match="cannot be reached"):
        await model.open(PREFIX)
    await model.aclose()
