"""Hear of the calls that Kamailio refused: no worker took them, so nobody else tells.

Kamailio numbers these calls and writes one note of each into a ring of :data:`NOTES` places. A
place is written again only when control has read it: the ring takes no more memory, and no note is
lost unread. A call that finds no room is only counted, and the count is told in the log. The number
read last stands in Kamailio, too, so that a new control process goes on where the old one stopped.

A note is words between single spaces: number, UNIX time, status, state, and in Base64, whatever
bytes the caller has sent, Call-ID, From URI, Request-URI, source, transport and identity.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from edge.front.rpc import Rpc, RpcError, RpcRefusedError

NOTES = 1_024
"""Places of the ring."""
BATCH = 50
"""Read at once; the books are told between two batches."""
_MOST_CHARACTERS = 1_024
_WORDS = 11

log = structlog.get_logger()


class RefusedAs(StrEnum):
    """How it stood when Kamailio refused a call."""

    FULL = "full"
    """All lines were taken."""
    CLOSED = "closed"
    """Control had said that no calls are taken."""
    SILENT = "silent"
    """Control had said nothing for three seconds, or nothing yet."""
    UNANSWERED = "unanswered"
    """Workers had been given the call, and did not react or failed."""
    CANCELLED = "cancelled"
    """The caller gave up before any worker reacted."""


@dataclass(frozen=True, slots=True)
class FrontRefused:
    """A call that Kamailio has refused."""

    sip_call_id: str
    from_uri: str
    request_uri: str
    source: str
    """``address:port`` that the INVITE came from."""
    transport: str
    identity: str
    """``trunk:NAME`` or ``phone:NAME`` of who has proved a password, empty for others."""
    sip_status: int
    state: RefusedAs
    at_s: float
    """When, as UNIX time."""


def parse_note(note: object, number: int) -> FrontRefused | None:
    """Return the call of a note; None where it is not the note of this number."""
    words = note.split(" ") if isinstance(note, str) else []
    if len(words) != _WORDS or words[0] != str(number):
        return None
    try:
        at_s, status, state = float(words[1]), int(words[2]), RefusedAs(words[3])
    except ValueError:
        return None
    if not 0 <= at_s < math.inf:
        return None
    sip_call_id, caller, called, source, transport, identity = map(_text, words[4:10])
    return FrontRefused(
        sip_call_id, caller, called, source, transport, identity, status, state, at_s
    )


def _text(word: str) -> str:
    """Return what stands in Base64: one line of what can be shown, of bounded length."""
    try:
        text = base64.b64decode(word, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""
    shown = "".join(each if each.isprintable() else "\ufffd" for each in text)
    return shown[:_MOST_CHARACTERS]


@dataclass(slots=True)
class RefusalNotes:
    """Reads Kamailio's notes, each once.

    Args:
        on_refused: told of every call.
    """

    on_refused: Callable[[FrontRefused], None]
    _read: int = field(default=0, init=False)
    """Number of the note read last; Kamailio may not have heard of it."""

    def forget(self) -> None:
        """Kamailio counts from the beginning, or as another control process has left it."""
        self._read = 0

    async def read(self, rpc: Rpc) -> bool:
        """Read the next batch; say whether more wait.

        A command that fails is logged, and the notes are read next time: the calls of the
        others do not depend on it.
        """
        try:
            return await self._read_batch(rpc)
        except RpcError as error:
            log.warning("front_refusals_unread", reason=str(error))
            return False

    async def _read_batch(self, rpc: Rpc) -> bool:
        count = await _number(rpc, "count")
        heard = max(await _number(rpc, "heard"), self._read) if count else 0
        last = min(heard + BATCH, count)
        missing = 0
        for number in range(heard + 1, last + 1):
            refused = parse_note(await _get(rpc, "note", str(number % NOTES)), number)
            self._read = number
            if refused is None:
                missing += 1
            else:
                self.on_refused(refused)
        if missing:
            log.warning("front_refusals_unrecorded", count=missing, reason="unreadable")
        if last > heard:
            await rpc.call("htable.seti", ("notes", "heard", last))
        await self._tell_lost(rpc)
        return last < count

    async def _tell_lost(self, rpc: Rpc) -> None:
        """Tell how many calls have found the ring full since it was told last."""
        lost = await _number(rpc, "lost")
        if lost and (told := await _number(rpc, "told")) < lost:
            await rpc.call("htable.seti", ("notes", "told", lost))
            log.warning("front_refusals_unrecorded", count=lost - told, reason="too many at once")


async def _number(rpc: Rpc, name: str) -> int:
    value = await _get(rpc, "notes", name)
    return value if isinstance(value, int) else 0


async def _get(rpc: Rpc, table: str, key: str) -> object:
    try:
        answer = await rpc.call("htable.get", (table, key))
        return answer["item"]["value"]
    except (RpcRefusedError, KeyError, TypeError):
        return None  # nothing there
