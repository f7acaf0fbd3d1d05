"""Give way to the caller's voice: carry out what :mod:`agent.interruption` decides (thin shell)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agent.delivery import Delivery
from agent.endpointing import Expectation, resolve_timing
from agent.exchange import Telling
from agent.interruption import Action, Event, Interruption, WordsHeard
from agent.listening import Listening
from agent.persona import Persona
from agent.speaking import Speaking
from agent.words import made_of, split_words
from agent.worth import MAX_DURATION
from media.config.agent_checks import TRANSFER
from media.config.model import TurnConfig

ASKED_MS = 1_000
"""So near its end a question is understood, and people answer into it."""


class Floor:
    """Who may speak now.

    Args:
        persona: says what interrupts.
        listening: the caller's side.
        speaking: the agent's side.
        delivery: the answer that is due.
        tellings: why each clip is played; when and by what it was silenced is written there.
        spawn: starts a task of this call.
        on_yield: called with the arrival of the first packet of the speech that has the floor now.
        on_cleared: called when the playback is empty.
        on_unheeded: called with words that did not stop the agent and are more than a backchannel,
            while the turn that they are is not forgotten yet.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        persona: Persona,
        listening: Listening,
        speaking: Speaking,
        delivery: Delivery,
        tellings: dict[int, Telling],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_yield: Callable[[int], None],
        on_cleared: Callable[[], None],
        on_unheeded: Callable[[str], None],
        clock: Callable[[], int],
    ) -> None:
        self.turn = persona.config.turn
        self._persona = persona
        self._core = Interruption(persona.timing, self.turn.backchannels)
        self._listening = listening
        self._speaking = speaking
        self._delivery = delivery
        self._tellings = tellings
        self._spawn = spawn
        self._on_yield = on_yield
        self._on_cleared = on_cleared
        self._on_unheeded = on_unheeded
        self._clock = clock
        self._yielding = False

    @property
    def language(self) -> str:
        """Of the persona."""
        return self._persona.config.language

    @property
    def taken(self) -> bool:
        """Whether the agent speaks or is about to."""
        return (self._speaking.busy and not self._yielding) or self._delivery.due

    @property
    def may_be_interrupted(self) -> bool:
        """Whether the caller's voice may stop what is being said."""
        greeting = any(each.source == "greeting" for each in self._speaking.playback.clips)
        if self.unstoppable:
            return False
        return self.turn.barge_in and not (self.turn.protect_greeting and greeting)

    @property
    def unstoppable(self) -> bool:
        """Whether what is said leads away from the conversation and is heard to its end."""
        return self.connecting or any(
            each.then == "goodbye" and each.hangup_reason == MAX_DURATION
            for each in self._tellings.values()
        )

    @property
    def connecting(self) -> bool:
        """Whether the caller is being told that a person is asked: it is heard to its end."""
        return any(each.then.startswith(TRANSFER) for each in self._tellings.values())

    def retune(self, turn: TurnConfig) -> None:
        """Use other settings from now on."""
        self.turn = turn
        self._core.timing = resolve_timing(turn)
        self._core.backchannels = turn.backchannels

    @property
    def undecided(self) -> bool:
        """Whether the caller's words may still turn out to be no turn."""
        return self._core.undecided

    @property
    def asking(self) -> bool:
        """Whether the agent has all but asked a question, and people answer into its end."""
        clips = self._speaking.playback.clips
        if len(clips) != 1 or not clips[0].ended or not clips[0].started_ns:
            return False
        near = clips[0].left_ms(self._clock()) <= ASKED_MS
        return near and self._persona.asks(clips[0].text)

    def is_backchannel(self, text: str) -> bool:
        """Say whether words only show that somebody listens."""
        return made_of(split_words(text), self.turn.backchannels)

    def next_deadline_ns(self) -> int | None:
        """Return when a tick changes something."""
        return self._core.next_deadline_ns()

    def receive(self, event: Event) -> None:
        """Take an event and carry out what follows."""
        self._core.asked = self._has_asked()
        for action in self._core.receive(event, self._clock()):
            match action:
                case Action.HOLD:
                    self._spawn(self._hold())
                case Action.RESUME:
                    self._speaking.held = False
                    self._spawn(self._speaking.resume(self._clock()))
                    self._delivery.go_on()
                case Action.DISMISS:
                    self._dismiss(event.text if isinstance(event, WordsHeard) else "")
                case Action.YIELD:
                    self.give_up(self._core.onset_ns)

    def _dismiss(self, text: str) -> None:
        if text and not self.is_backchannel(text):
            self._on_unheeded(text)
        self._listening.turns.abandon()

    def give_up(self, onset_ns: int) -> None:
        """Fall silent for good: the caller speaks since then."""
        since_ns = self._listening.speech_since_ns(onset_ns)
        for telling in self._tellings.values():
            telling.speech_since_ns = since_ns
        self._yielding = True
        self._on_yield(since_ns)
        self._spawn(self.clear())

    async def clear(self) -> None:
        """Drop all that is being said."""
        try:
            await self._speaking.clear()
        finally:
            self._yielding = False
        self._on_cleared()

    def _has_asked(self) -> bool:
        """Say whether even "mm-hm" answers what is being asked."""
        if not self.asking:
            return False
        asked = self._speaking.playback.clips[0].text
        return self._persona.expected_answer(asked) is Expectation.YES_NO

    async def _hold(self) -> None:
        self._speaking.held = True
        silenced_ns = await self._speaking.hold()
        for telling in self._tellings.values():
            telling.silenced_ns = silenced_ns
