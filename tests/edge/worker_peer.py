"""A UA worker without SIP: keeps what it is told in a file, says what the test puts in another.

``python worker_peer.py FD FOLDER``: each line appended to FOLDER/say is a message (JSON) that goes
to control; each message from control is appended to FOLDER/heard.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path

from edge.ua.messages import UaHeartbeat, UaReady, UaShutdown
from media.link import Link
from media.messages import Message, from_wire, to_wire


async def main(descriptor: int, folder: Path) -> None:
    over = asyncio.Event()
    heard = (folder / "heard").open("a", buffering=1, encoding="utf-8")

    def receive(_: Link, message: Message, __: int | None) -> None:
        heard.write(json.dumps(to_wire(message)) + "\n")
        if isinstance(message, UaShutdown):
            over.set()

    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    link = Link(reader, writer, role="worker", on_message=receive, on_closed=lambda *_: over.set())
    link.start()
    say = folder / "say"
    say.touch()
    with say.open(encoding="utf-8") as lines:
        lines.seek(0, 2)
        link.send(UaReady(4, 3, 5060, 5060, "scripted"))
        beat = 0.0
        while not over.is_set():
            while line := lines.readline():
                link.send(from_wire(json.loads(line)))
            if time.monotonic() - beat > 0.5 and not (folder / "hang").exists():
                beat = time.monotonic()
                link.send(UaHeartbeat(time.monotonic_ns(), 0))
            await asyncio.sleep(0.01)


asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
