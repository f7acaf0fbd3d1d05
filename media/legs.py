"""Name a stream's place in a call, remember whose links have to do with it, and sum streams up."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path

import structlog

from media import RemoteError
from media.lateness import Lateness
from media.link import Link
from media.messages import MediaStatus, StreamQuality
from media.ports import PortPool
from media.stream import Stream

log = structlog.get_logger()


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


class Totals:
    """What the streams of the process have dropped, those that are over included."""

    def __init__(self) -> None:
        self._dropped = 0
        self._unauthentic = 0

    def add(self, leg: Leg, quality: StreamQuality) -> None:
        """Take over the figures of a stream that has ended."""
        self._dropped += leg.stream.datagrams_dropped
        refused = quality.packets_unauthentic
        self._unauthentic += refused
        if refused:
            log.warning("srtp_refused", call_id=leg.call_id, leg=leg.leg, packets=refused)

    def status(self, legs: Collection[Leg], ports: PortPool, lateness: Lateness) -> MediaStatus:
        """Return how the process is."""
        dropped = sum(leg.stream.datagrams_dropped for leg in legs)
        unauthentic = sum(leg.stream.inbound.unauthentic for leg in legs)
        return MediaStatus(
            streams=len(legs),
            ports_free=ports.free,
            ports_draining=ports.draining,
            send_lateness_p99_ms=lateness.percentile_ms(99),
            datagrams_dropped=dropped + self._dropped + ports.strays,
            datagrams_unauthentic=unauthentic + self._unauthentic,
        )
