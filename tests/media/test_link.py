import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from media import link as link_module
from media.link import Link, LinkClosedError, RequestFailedError, connect, listen, parse_address
from media.messages import CloseStream, Done, Failed, Message, Ping
from media.wire import AudioFrame, AudioKind, encode_control
from tests.harness.waiting import until

pytestmark = pytest.mark.unit


class Peer:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.audio: list[AudioFrame] = []
        self.closed: list[str] = []
        self.answer: Message | None = None
        self.link: Link | None = None

    def on_message(self, link: Link, message: Message, request_id: int | None) -> None:
        self.messages.append(message)
        if self.answer is not None:
            link.reply(request_id, self.answer)

    def on_audio(self, _: Link, frame: AudioFrame) -> None:
        self.audio.append(frame)

    def on_closed(self, _: Link, reason: str) -> None:
        self.closed.append(reason)

    async def open(self, end: socket.socket, role: str) -> Link:
        reader, writer = await asyncio.open_connection(sock=end)
        self.link = Link(
            reader,
            writer,
            role=role,
            on_message=self.on_message,
            on_audio=self.on_audio,
            on_closed=self.on_closed,
        )
        self.link.start()
        return self.link


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Peer, Peer]]:
    left, right = socket.socketpair()
    a, b = Peer(), Peer()
    try:
        await a.open(left, "edge")
        await b.open(right, "media")
        yield a, b
    finally:
        for peer in (a, b):
            if peer.link is not None:
                peer.link.close()
        await asyncio.sleep(0)


def caller_frame(position: int) -> AudioFrame:
    return AudioFrame(AudioKind.CALLER, 1, 0, position, 1, np.zeros(160, dtype=np.int16))


async def test_both_ends_learn_who_the_other_is() -> None:
    """The Hello names role and process."""
    async with pair() as (a, b):
        assert a.link is not None and b.link is not None
        await until(lambda: a.link.peer_role and b.link.peer_role)
        assert (a.link.peer_role, b.link.peer_role) == ("media", "edge")
        assert a.link.peer_pid == b.link.peer_pid == os.getpid()


async def test_a_request_gets_its_own_reply() -> None:
    """A reply reaches the request that asked for it; Failed becomes an exception."""
    async with pair() as (a, b):
        assert a.link is not None
        b.answer = Done()
        assert await a.link.request(CloseStream(1)) == Done()
        b.answer = Failed("no such stream", 404)
        with pytest.raises(RequestFailedError, match="no such stream") as caught:
            await a.link.request(CloseStream(2))
        assert caught.value.sip_status == 404


async def test_a_request_does_not_wait_forever() -> None:
    """A peer that does not answer makes the request fail, not hang."""
    async with pair() as (a, _):
        assert a.link is not None
        with pytest.raises(LinkClosedError, match="no answer"):
            await a.link.request(CloseStream(1), timeout_s=0.05)


async def test_a_dead_peer_fails_what_waits_for_it() -> None:
    """Requests under way fail when the peer closes, and the owner is told once."""
    async with pair() as (a, b):
        assert a.link is not None and b.link is not None
        request = asyncio.create_task(a.link.request(CloseStream(1)))
        await until(lambda: b.messages)
        b.link.close()
        with pytest.raises(LinkClosedError):
            await request
        assert len(a.closed) == 1
        a.link.close()
        assert len(a.closed) == 1


async def test_a_silent_peer_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that holds the socket open but says nothing is closed after the limit."""
    monkeypatch.setattr(link_module, "PING_INTERVAL_S", 0.02)
    monkeypatch.setattr(link_module, "FIRST_WORD_LIMIT_S", 0.1)
    left, right = socket.socketpair()
    peer = Peer()
    await peer.open(left, "edge")
    await until(lambda: peer.closed)
    assert peer.closed == ["peer is silent"]
    right.close()


async def test_an_unknown_message_is_refused_and_the_link_stays() -> None:
    """A message of an unknown type is answered Failed; those after it are heard."""
    left, right = socket.socketpair()
    peer = Peer()
    link = await peer.open(left, "edge")
    reader, writer = await asyncio.open_connection(sock=right)
    writer.write(encode_control({"type": "Nonsense", "request_id": 5}))
    writer.write(encode_control({"type": "CloseStream", "stream": 3}))
    await until(lambda: peer.messages == [CloseStream(3)])
    octets = await reader.read(4096)
    assert b"unknown message type" in octets and b'"reply_to":5' in octets
    link.close()
    writer.close()


async def test_bytes_that_are_no_frames_close_the_link() -> None:
    """A stream that lost its framing cannot be trusted again."""
    left, right = socket.socketpair()
    with right:
        peer = Peer()
        link = await peer.open(left, "edge")
        right.sendall(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: peer.closed)
        assert len(peer.closed) == 1 and peer.messages == []
        with pytest.raises(LinkClosedError):
            await link.request(CloseStream(1))


async def test_a_fault_while_serving_one_message_is_answered_and_the_link_stays() -> None:
    """An exception in the owner's code costs that request, not the link."""
    async with pair() as (a, b):
        assert a.link is not None and b.link is not None

        def fail(_: Link, message: Message, __: int | None) -> None:
            if isinstance(message, CloseStream):
                raise KeyError("no such leg")
            b.messages.append(message)

        b.link._on_message = fail
        b.link._on_audio = lambda _, frame: 1 // 0
        with pytest.raises(RequestFailedError, match="no such leg"):
            await a.link.request(CloseStream(1))
        a.link.send_audio(caller_frame(0))
        a.link.send(Done())
        await until(lambda: b.messages == [Done()])
        assert b.closed == [] and a.closed == []


async def test_a_socket_is_not_put_into_a_strangers_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that another user made in advance is refused."""
    monkeypatch.setattr(link_module.os, "getuid", lambda: 4_711)
    folder = tmp_path / "run"
    folder.mkdir()
    if folder.stat().st_uid == 0:
        os.chown(folder, 4_712, -1)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with pytest.raises(PermissionError, match="belongs to user"):
        await listen(f"unix://{folder}/media.sock", accept)


async def test_live_audio_keeps_the_newest_200_ms() -> None:
    """A peer that does not read loses the oldest live audio, control is kept."""
    left, right = socket.socketpair()
    peer = Peer()
    link = await peer.open(left, "media")
    for index in range(3_000):
        link.send_audio(caller_frame(index * 160))
    link.send(Ping())
    assert link.audio_dropped_samples > 0
    waiting = link._audio[1]
    assert sum(len(each.samples) for each in waiting) <= 1_600
    assert waiting[-1].position_samples == 2_999 * 160
    link.close()
    right.close()


async def test_live_audio_flows_in_order() -> None:
    """With a reading peer every frame arrives, in order."""
    async with pair() as (a, b):
        assert a.link is not None
        for index in range(50):
            a.link.send_audio(caller_frame(index * 160))
            await asyncio.sleep(0)
        await until(lambda: len(b.audio) == 50)
        assert [each.position_samples for each in b.audio] == [i * 160 for i in range(50)]
        assert a.link.audio_dropped_samples == 0


async def test_a_unix_listener_replaces_a_stale_socket_and_is_private(tmp_path: Path) -> None:
    """The socket file of a process that was killed does not stop its successor."""
    path = tmp_path / "run" / "media.sock"
    accepted: list[Peer] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer()
        peer.link = Link(reader, writer, role="media", on_message=peer.on_message)
        peer.link.start()
        accepted.append(peer)

    path.parent.mkdir()
    path.touch()
    server = await listen(f"unix://{path}", accept)
    assert path.stat().st_mode & 0o777 == 0o600
    client = Peer()
    link = await connect(f"unix://{path}", role="edge", on_message=client.on_message)
    await until(lambda: link.peer_role == "media")
    link.close()
    for peer in accepted:
        assert peer.link is not None
        peer.link.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("unix:///run/media.sock", ("unix", "/run/media.sock", 0)),
        ("tcp://[::1]:7000", ("tcp", "::1", 7000)),
        ("tcp://media.example:7000", ("tcp", "media.example", 7000)),
    ],
)
def test_addresses(address: str, parsed: tuple[str, str, int]) -> None:
    """Both forms of address are understood."""
    assert parse_address(address) == parsed


@pytest.mark.parametrize("address", ["media.sock", "tcp://host", "unix://", "http://a:1"])
def test_wrong_addresses(address: str) -> None:
    """Anything else is refused with both forms named."""
    with pytest.raises(ValueError, match="neither"):
        parse_address(address)
