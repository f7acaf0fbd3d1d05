"""Start the real media process for a test and talk to it over its socket."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

from media import messages
from media.config.load import load_config
from media.link import Link, connect
from media.messages import CallId, Message, StreamParameters
from media.paths import socket_address
from media.wire import AudioFrame

PORT_MIN, PORT_MAX = 20_000, 20_399
M = TypeVar("M", bound=Message)


class Peer:
    """One link to the process, with everything that came over it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.audio: list[AudioFrame] = []
        self.closed = asyncio.Event()
        self.link: Link

    async def connect(self, address: str, role: str) -> Peer:
        """Connect, retrying until the process listens."""
        for _ in range(200):
            try:
                self.link = await connect(
                    address,
                    role=role,
                    on_message=lambda _, message, __: self.messages.append(message),
                    on_audio=lambda _, frame: self.audio.append(frame),
                    on_closed=lambda _, __: self.closed.set(),
                )
                return self
            except OSError:
                await asyncio.sleep(0.05)
        raise AssertionError("media does not listen")

    async def ask(self, message: Message, reply: type[M]) -> M:
        """Send a request and check the kind of its reply."""
        answer = await self.link.request(message)
        assert isinstance(answer, reply), answer
        return answer

    async def wait_for(self, kind: type[M], timeout_s: float = 5.0) -> M:
        """Wait for a message of a kind; it is taken out of what has come."""
        async with asyncio.timeout(timeout_s):
            while True:
                for message in self.messages:
                    if isinstance(message, kind):
                        self.messages.remove(message)
                        return message
                await asyncio.sleep(0.005)

    async def open_stream(
        self, parameters: StreamParameters, call_id: str = "call-1", *, record: bool = False
    ) -> messages.StreamAllocated:
        """Allocate and configure a stream."""
        allocated = await self.ask(
            messages.AllocateStream(CallId(call_id), "caller"), messages.StreamAllocated
        )
        await self.ask(
            messages.ConfigureStream(allocated.stream, parameters, record), messages.Done
        )
        return allocated


class MediaProcess:
    """``python -m media`` with a configuration of its own.

    Args:
        folder: for its files.
        settings: lines of the ``media`` section.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        values: dict[str, object] = {
            "address": "127.0.0.1",
            "port_min": PORT_MIN,
            "port_max": PORT_MAX,
            "drain_s": 2,
            "recordings_dir": str(folder / "recordings"),
            **settings,
        }
        lines = "".join(f"  {key}: {_yaml(value)}\n" for key, value in values.items())
        self.config_file = folder / "cordboard.yaml"
        self.config_file.write_text(
            "agents:\n  reception:\n    greeting: Hello.\n    instructions: Be brief.\n"
            "dialplan:\n  - agent: reception\n"
            f"media:\n{lines}run_dir: {folder / 'run'}\nlog:\n  format: json\n"
        )
        self.address = socket_address(load_config(self.config_file), "media")
        self.log_file = folder / "media.log"
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start it."""
        with self.log_file.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "media", "--config", str(self.config_file), stderr=log
            )

    async def stop(self) -> int:
        """Ask it to end and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 10)

    async def peer(self, role: str) -> Peer:
        """Open a link to it."""
        return await Peer().connect(self.address, role)


@contextlib.asynccontextmanager
async def running_media(folder: Path, **settings: object) -> AsyncIterator[MediaProcess]:
    """Run a media process for a test; it must end by itself when asked."""
    media = MediaProcess(folder, **settings)
    await media.start()
    try:
        yield media
    finally:
        code = await media.stop()
        assert code == 0, media.log_file.read_text()


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parameters_for(port: int, host: str = "127.0.0.1", **changes: object) -> StreamParameters:
    """Return what an offer/answer round with a test phone would agree."""
    values: dict[str, object] = {
        "remote_address": host,
        "remote_port": port,
        "remote_rtcp_port": port + 1,
        "codec": "PCMU",
        "payload_type": 0,
        "dtmf_payload_type": 101,
        **changes,
    }
    return StreamParameters(**values)  # type: ignore[arg-type]  # a test's own keyword arguments
