"""Say what a call is given by the control process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge.call_parts import CallTimers
from edge.records.writer import RecordWriter
from edge.ua.messages import UaConfirmed, UaInvite
from media.messages import Message

if TYPE_CHECKING:
    from edge.transfer.order import TransferSurroundings


class Asked(Protocol):
    """A process that takes messages and requests: :class:`edge.peer.Peer`."""

    def send(self, message: Message) -> None:
        """Send a message."""

    async def request(self, message: Message, timeout_s: float = 5.0) -> Message:
        """Send a request and wait for its reply."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every call needs from the control process."""

    media: Asked
    agent: Asked
    records: RecordWriter
    publish: Callable[[Message], None]
    """Tell the subscribed clients."""
    retry_after_s: Callable[[], int]
    record: bool
    timers: CallTimers
    transfers: TransferSurroundings


@dataclass(slots=True)
class CallerLeg:
    """The worker's side of the inbound leg."""

    number: int
    """The worker's number of the leg."""
    send: Callable[[Message], None]
    """Send a message to the worker that holds it."""
    local_address: str | None
    """Address to bind and advertise for its audio; None takes the configured one."""
    invite: UaInvite | None = None
    confirmed: UaConfirmed | None = None
    was_confirmed: bool = False
    """The call has been told of an ACK; a dialog that takes over (RFC 3891) has one of its own."""
    rang_to: str = ""
    """The To header of our ringing, with our tag; empty before."""
