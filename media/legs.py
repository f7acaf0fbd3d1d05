"""Name a stream's place in a call and remember whose links have to do with it."""

from __future__ import annotations

import re
import time
from pathlib import Path

from media import RemoteError
from media.link import Link
from media.stream import Stream


class UnknownStreamError(RemoteError):
    """There is no such stream, or no more."""

    def __init__(self, stream: int) -> None:
        super().__init__(f"no stream {stream}", sip_status=404)


class Leg:
    """A stream and the links that have to do with it."""

    def __init__(self, stream: Stream, owner: Link, call_id: str, leg: str) -> None:
        self.stream = stream
        self.owner = owner
        self.call_id = call_id
        self.leg = leg
        self.agents: list[Link] = []
        self.clip_owners: dict[int, Link] = {}

    def recording_path(self, folder: Path) -> Path:
        """Return a file that is not there yet, named after the call."""
        name = self.call_id if self.leg == "caller" else f"{self.call_id}-{self.leg}"
        safe = re.sub(r"[^A-Za-z0-9_.@-]", "_", name).lstrip(".")[:120]
        path = folder / f"{safe or self.stream.number}.wav"
        return path if not path.exists() else path.with_name(f"{path.stem}-{time.time_ns()}.wav")
