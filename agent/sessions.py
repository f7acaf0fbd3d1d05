"""Say what a conversation is given: the engines' sessions of its call and the link to edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agent.engines.base import Dialogue
from agent.ladder import Allowance
from agent.listening import Listening
from media.messages import Message


class EdgePort(Protocol):
    """What a conversation needs of the link to edge."""

    def send(self, message: Message) -> None:
        """Send a message."""
        ...


@dataclass(frozen=True, slots=True)
class Sessions:
    """The engines' sessions of one call."""

    listening: Listening
    dialogue: Dialogue
    allowance: Allowance = field(default_factory=Allowance)
    """What the machine's load leaves; shared by all calls."""
