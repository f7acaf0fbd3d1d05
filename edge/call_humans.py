"""Keep where the caller stands between the AI and a human (sans-IO part of a call).

===========  =========================================  =======================================
stage        the caller                                 becomes
===========  =========================================  =======================================
none         talks to the AI                            away: a human is asked for
away         hears music, or talks to a human           none: they are done with each other;
                                                        returning: the AI is to go on
returning    hears music until the AI has them again    none: it has
===========  =========================================  =======================================

While the caller is away or returning the conversation is not needed, so its loss is borne: there is
no apology. A conversation that was lost is begun anew on the way back.
"""

from __future__ import annotations

from enum import StrEnum

from edge import call_actions as do
from edge.call_events import AgentLost, ConversationBroken, Event, TransferAsked, TransferOver


class HumanStage(StrEnum):
    """See the table above."""

    NONE = "none"
    AWAY = "away"
    RETURNING = "returning"


class HumanPart:
    """One call's way to humans and back."""

    def __init__(self) -> None:
        self.stage = HumanStage.NONE
        self.open = False
        """A transfer runs that must tell its end."""
        self.lost = False
        """The conversation ended while the caller was away."""

    def ask(self, event: TransferAsked) -> list[do.Action]:
        """Begin a transfer; while one runs, another wish for a human changes nothing."""
        if self.stage is not HumanStage.NONE:
            return []
        self.stage, self.open, self.lost = HumanStage.AWAY, True, event.anew
        return [do.BeginTransfer(event.queue, event.reason)]

    def end(self, event: TransferOver, stream: int) -> list[do.Action]:
        """Take the end of a transfer: back to the AI, or nothing is left to be said."""
        self.open = False
        if event.reason is None:
            self.stage = HumanStage.NONE
            return []
        self.stage = HumanStage.RETURNING
        return [do.ReturnToConversation(stream, event.reason, anew=self.lost)]

    def returned(self) -> None:
        """Note that the AI has the caller."""
        self.stage = HumanStage.NONE

    def bears(self, event: Event) -> bool:
        """Say whether the loss of the conversation can be borne, and remember it."""
        if self.stage is HumanStage.NONE:
            return False
        if isinstance(event, ConversationBroken) and self.stage is HumanStage.RETURNING:
            return False
        if isinstance(event, AgentLost | ConversationBroken):
            self.lost = True
        return True
