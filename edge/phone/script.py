"""Decide what the phone says next (sans-IO).

=============  =====================================  =======================================
state          event                                  what happens
=============  =====================================  =======================================
IDLE           connected                              GREETING, or the first item at once
GREETING       far end finished, or time is up        next item
SPEAKING       our last audible packet left           AWAITING
AWAITING       a burst begins                         LISTENING
AWAITING       time is up                             next item
LISTENING      far end finished                       next item
LISTENING      N s into a burst, next interrupts      next item (spoken into the answer)
LISTENING      a burst begins, next interrupts        the N s begin anew (that was a filler)
any            disconnected                           OVER
=============  =====================================  =======================================

"Next item" without any left is HangUp and OVER.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge.phone.hearing import MS, BurstBegan, FarEndFinished, HearingEvent

_AFTER_DIGITS_NS = 4_000 * MS
"""Digits need no answer; one is waited for so long."""


class ItemKind(StrEnum):
    """What the phone does at one point of its script."""

    SAY = "say"
    INTERRUPT = "interrupt"
    DTMF = "dtmf"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to say."""

    kind: ItemKind
    text: str
    """Words, path of a WAV, or digits."""
    after_ms: int = 0
    """INTERRUPT: how old the answer is when the phone speaks into it."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The call is up."""


@dataclass(frozen=True, slots=True)
class ItemSpoken:
    """The current item's last audible packet left."""

    last_ns: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The call is over."""


@dataclass(frozen=True, slots=True)
class Say:
    """Begin to speak an item now."""

    index: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """The script is at its end."""


ScriptEvent = Connected | ItemSpoken | Disconnected | HearingEvent
ScriptAction = Say | HangUp


class ScriptState(StrEnum):
    """Where the script is."""

    IDLE = "idle"
    GREETING = "greeting"
    SPEAKING = "speaking"
    AWAITING = "awaiting"
    LISTENING = "listening"
    OVER = "over"


class Script:
    """The phone's side of the conversation.

    Args:
        items: what to say, in order.
        wait_greeting_ms: how long to wait for a greeting; 0 speaks at once.
        answer_ms: how long to wait for an answer to begin.
        linger_ms: how long to stay on the line after the last answer.
    """

    def __init__(
        self,
        items: Sequence[Item],
        wait_greeting_ms: int = 10_000,
        answer_ms: int = 15_000,
        linger_ms: int = 0,
    ) -> None:
        self._items = tuple(items)
        self._wait_greeting_ns = wait_greeting_ms * MS
        self._answer_ns = answer_ms * MS
        self._linger_ns = linger_ms * MS
        self._next = 0
        self.state = ScriptState.IDLE
        self.next_deadline_ns: int | None = None

    def receive(self, event: ScriptEvent, now_ns: int) -> list[ScriptAction]:
        """Take an event; return what to do."""
        if isinstance(event, Disconnected):
            self._enter(ScriptState.OVER, None)
            return []
        if isinstance(event, Connected) and self.state is ScriptState.IDLE:
            if not self._wait_greeting_ns:
                return self._go_on(now_ns)
            self._enter(ScriptState.GREETING, now_ns + self._wait_greeting_ns)
        elif isinstance(event, ItemSpoken) and self.state is ScriptState.SPEAKING:
            dialled = self._items[self._next - 1].kind is ItemKind.DTMF
            patience_ns = min(self._answer_ns, _AFTER_DIGITS_NS) if dialled else self._answer_ns
            self._enter(ScriptState.AWAITING, event.last_ns + patience_ns)
        elif isinstance(event, BurstBegan) and self.state is ScriptState.AWAITING:
            return self._listen(event.at_ns, now_ns)
        elif isinstance(event, BurstBegan) and self.state is ScriptState.LISTENING:
            if self._interruption_next():
                return self._listen(event.at_ns, now_ns)
        elif isinstance(event, BurstBegan) and self.state is ScriptState.GREETING:
            self.next_deadline_ns = None
        elif isinstance(event, FarEndFinished) and self.state in (
            ScriptState.GREETING,
            ScriptState.LISTENING,
        ):
            return self._go_on(now_ns)
        return []

    def wake(self, now_ns: int, far_end_talks: bool = True) -> list[ScriptAction]:
        """Let time pass; return what to do.

        Args:
            now_ns: the time.
            far_end_talks: an interruption waits for speech to be spoken into.
        """
        if self.next_deadline_ns is None or now_ns < self.next_deadline_ns:
            return []
        if self.state is ScriptState.LISTENING and self._interruption_next() and not far_end_talks:
            self.next_deadline_ns = None
            return []
        return self._go_on(now_ns)

    def far_end_was_talking(self, began_ns: int, now_ns: int) -> list[ScriptAction]:
        """Take an answer that began before our utterance was over (we were cut off)."""
        if self.state is not ScriptState.AWAITING:
            return []
        return self._listen(began_ns, now_ns)

    def _interruption_next(self) -> bool:
        left = self._items[self._next :]
        return bool(left) and left[0].kind is ItemKind.INTERRUPT

    def _listen(self, began_ns: int, now_ns: int) -> list[ScriptAction]:
        if not self._interruption_next():
            self._enter(ScriptState.LISTENING, None)
            return []
        after_ns = self._items[self._next].after_ms * MS
        self._enter(ScriptState.LISTENING, began_ns + after_ns)
        return self.wake(now_ns)

    def _go_on(self, now_ns: int) -> list[ScriptAction]:
        if self._next < len(self._items):
            self._enter(ScriptState.SPEAKING, None)
            self._next += 1
            return [Say(self._next - 1)]
        if self._linger_ns:
            self._enter(ScriptState.LISTENING, now_ns + self._linger_ns)
            self._linger_ns = 0
            return []
        self._enter(ScriptState.OVER, None)
        return [HangUp()]

    def _enter(self, state: ScriptState, deadline_ns: int | None) -> None:
        self.state = state
        self.next_deadline_ns = deadline_ns
