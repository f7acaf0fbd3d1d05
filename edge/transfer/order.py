"""Say what a transfer is given: the caller, the wish, and the service around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge.call_surroundings import Asked
from edge.outbound import OutboundLegs
from edge.queues.desk import QueueDesk
from edge.records.writer import RecordWriter
from edge.transfer.events import Connect
from edge.transfer.onward import Onward
from edge.transfer.outbox import Outbox
from edge.transfer.refer_memory import ReferMemory
from edge.transfer.wire_times import WireTimes
from edge.ua.messages import UaConfirmed
from media.config.model import Config
from media.config.trunks import Transfer
from media.messages import CallId, Message

if TYPE_CHECKING:
    from edge.transfer.over_trunk import TrunksInForce


@dataclass(frozen=True, slots=True)
class Order:
    """Who is to be put through to whom."""

    call_id: CallId
    stream: int
    """The caller's stream at media."""
    caller: str
    """Number or user part, for people to read."""
    caller_uri: str
    caller_name: str
    trunk: str
    persona: str
    """Whose voice and language are used."""
    codec: str
    """Of the caller's leg; the phone is offered it first."""
    queue: str
    reason: str
    decided_ns: int


class CallerSide(Protocol):
    """What a transfer asks of the caller's call."""

    @property
    def dialog(self) -> UaConfirmed | None:
        """The caller's dialog."""

    @property
    def held(self) -> bool:
        """Whether the caller has put us on hold."""

    def send_refer(self, refer_to: str) -> None:
        """Send REFER in the caller's dialog; news come as ReferNews."""

    def speak(self, codec: str) -> None:
        """Go over to a codec, where the caller has it: what is joined need not be recoded."""

    def transfer_over(self, end: TransferEnd) -> None:
        """Take the end of the transfer; told once."""


@dataclass(frozen=True, slots=True)
class TransferEnd:
    """How a transfer ended for the caller."""

    result: str
    """``returned`` to the AI, ``handed_over`` by REFER, ``human_hangup``, ``caller_left``,
    ``voicemail``, ``callback`` or ``no_human``."""
    reason: str = ""
    """What the AI goes on with, where it does."""


@dataclass(slots=True)
class TransferSurroundings:
    """What every transfer needs from the control process."""

    config: Config
    """In force; queues and people that a reload has removed are still in it for the transfers that
    have begun with them. The desk knows which there are."""
    media: Asked
    agent: Asked
    desk: QueueDesk
    legs: OutboundLegs
    records: RecordWriter
    publish: Callable[[Message], None]
    refers: ReferMemory
    onward: Onward
    outbox: Outbox
    wire: WireTimes
    trunks: TrunksInForce | None = None
    """The ways to numbers; None until there are any."""

    def way(self, queue: str, trunk: str) -> Connect:
        """Return how callers of a trunk and people of a queue are connected now."""
        line = self.config.trunks.get(trunk)
        wish = line.transfer if line is not None else Transfer.AUTO
        return self.refers.way(self.config.queues[queue].connect, wish, trunk, time.monotonic_ns())
