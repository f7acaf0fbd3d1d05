"""Choose the server of a trunk: in order, those that answer OPTIONS first (sans-IO).

========  ============================================  =========
state     event                                         then
========  ============================================  =========
unknown   an answer, whatever its status                up
up        ``failures`` unanswered OPTIONS in a row      down
up        a call or a registration found it dead        down
down      an answer                                     up
========  ============================================  =========

A server whose state is unknown is used as if it were up; where all are down, they are tried all
the same, in order: a qualify that errs must not cost a call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from media.config.trunks import QualifyConfig, Transport

MS = 1_000_000
DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061
DEAD_STATUSES = frozenset({408, 500, 502, 503, 504})
"""Answers to an INVITE or REGISTER after which the next server is tried (RFC 3263 section 4.3)."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:]+)(?::([0-9]{1,5}))?\Z")


class ServerState(StrEnum):
    """Whether a server answers."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """Where a request goes."""

    host: str
    """Address, IPv6 without brackets."""
    port: int
    transport: Transport
    name: str = ""
    """As the configuration has it: the domain of URIs, and what people are shown."""

    def uri(self, user: str = "") -> str:
        """Return the SIP URI that leads there."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        at = f"{user}@" if user else ""
        way = "" if self.transport is Transport.UDP else f";transport={self.transport}"
        return f"sip:{at}{host}:{self.port}{way}"

    @property
    def place(self) -> str:
        """``address:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        if not self.host:
            return "where it registered from"
        return f"{self.transport}:{self.place}"


REGISTERED = Target("", 0, Transport.UDP)
"""Wherever the far end of a trunk has registered from; the front knows."""


def split_server(text: str) -> tuple[str, int | None]:
    """Return host (IPv6 without brackets) and port of a configured server."""
    found = _HOST.match(text)
    assert found is not None  # the configuration's check allows nothing else
    return found[1].strip("[]"), int(found[2]) if found[2] else None


def route_to(target: Target) -> str:
    """Return the URI of a loose route to a server, which is not shown to it."""
    return f"{target.uri()};lr;hide"


def default_port(transport: Transport) -> int:
    """Return the port of a transport (RFC 3261 section 19.1.2)."""
    return DEFAULT_TLS_PORT if transport is Transport.TLS else DEFAULT_PORT


@dataclass(slots=True)
class Server:
    """One server of a trunk."""

    target: Target
    state: ServerState = ServerState.UNKNOWN
    failures: int = 0
    due_ns: int = 0
    """When OPTIONS is due; 0 at once."""
    asked_ns: int | None = None
    """When the OPTIONS that is out was sent."""
    round_trip_ms: int | None = None
    last_status: int = 0
    last_error: str = ""


@dataclass(slots=True)
class Servers:
    """The servers of one trunk, in order of preference."""

    qualify: QualifyConfig
    all: list[Server] = field(default_factory=list)

    def set_targets(self, targets: list[Target]) -> None:
        """Take over newly resolved targets; what is known of those that stay is kept."""
        known = {each.target: each for each in self.all}
        self.all = [known.get(each) or Server(each) for each in targets]

    def usable(self) -> list[Target]:
        """Return whom to try, in order: those that are not down, then the others."""
        down = [each for each in self.all if each.state is ServerState.DOWN]
        return [each.target for each in self.all if each not in down] + [e.target for e in down]

    def up(self) -> list[Target]:
        """Return those that are not down, in order."""
        return [each.target for each in self.all if each.state is not ServerState.DOWN]

    def due(self, now_ns: int) -> list[Server]:
        """Return the servers that OPTIONS must be sent to now, and note that it was."""
        if self.qualify.interval_s == 0:
            return []
        chosen = [each for each in self.all if each.asked_ns is None and each.due_ns <= now_ns]
        for each in chosen:
            each.asked_ns = now_ns
        return chosen

    def expired(self, now_ns: int) -> list[Server]:
        """Return the servers that just went down because OPTIONS was not answered in time."""
        limit_ns = self.qualify.timeout_ms * MS
        gone = []
        for each in self.all:
            late = each.asked_ns is not None and now_ns - each.asked_ns >= limit_ns
            if late and self._fail(each, f"no answer in {self.qualify.timeout_ms} ms", now_ns):
                gone.append(each)
        return gone

    def receive_answer(self, target: Target, sip_status: int, now_ns: int) -> bool:
        """Note an answer to OPTIONS; return whether the server came back by it.

        Any answer is a sign of life, but 408 and 503 that our own stack makes up for a request
        that never left; a 503 from far away is a server that asks to be left alone.
        """
        server = self._of(target)
        if server is None:
            return False
        server.last_status = sip_status
        if sip_status in (408, 503):
            self._fail(server, f"OPTIONS: {sip_status}", now_ns)
            return False
        if server.asked_ns is not None:
            server.round_trip_ms = (now_ns - server.asked_ns) // MS
        was_down = server.state is ServerState.DOWN
        server.state, server.failures, server.last_error = ServerState.UP, 0, ""
        self._rest(server, now_ns)
        return was_down

    def note_dead(self, target: Target, reason: str, now_ns: int) -> None:
        """Note that a call or a registration found a server dead; OPTIONS brings it back."""
        server = self._of(target)
        if server is not None and self.qualify.interval_s:
            server.state, server.last_error = ServerState.DOWN, reason
            self._rest(server, now_ns)

    def _of(self, target: Target) -> Server | None:
        return next((each for each in self.all if each.target == target), None)

    def _fail(self, server: Server, reason: str, now_ns: int) -> bool:
        server.failures += 1
        server.last_error = reason
        self._rest(server, now_ns)
        if server.failures < self.qualify.failures or server.state is ServerState.DOWN:
            return False
        server.state = ServerState.DOWN
        return True

    def _rest(self, server: Server, now_ns: int) -> None:
        server.asked_ns = None
        # a server in doubt is asked again soon: the verdict must not take minutes
        wait_s = 1 if 0 < server.failures < self.qualify.failures else self.qualify.interval_s
        server.due_ns = now_ns + wait_s * 1_000 * MS
