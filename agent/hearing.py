"""Hear the caller out: what is worked on while they speak and pause (thin shell).

Whose turn it is comes from :mod:`agent.turn_taking`. While the caller speaks, the model's cache is
filled for what they seem to ask; in each pause an answer is prepared that may never be wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agent import turn_taking
from agent.call_tasks import stop
from agent.delivery import Delivery
from agent.endpointing import Grasp, words_decide
from agent.floor import Floor
from agent.heed import is_heeded
from agent.interruption import SpeechHeard, SpeechStopped, WordsHeard
from agent.listening import gather_evidence
from agent.patience import Patience
from agent.sessions import Sessions
from agent.turn_taking import (
    Melody,
    Phase,
    SpeechBegan,
    SpeechPaused,
    SpeechWentOn,
    TurnEnded,
    Words,
)

PARTIAL_INTERVAL_S = 0.3


class Hearing:
    """The work on one caller's words.

    Args:
        sessions: recogniser, turn model, and what the load allows.
        floor: told of speech that may interrupt the agent.
        delivery: prepares answers.
        patience: told of the caller's own goodbye.
        spawn: starts a task of this call.
        on_turn_ended: called with each turn that is over.
        on_change: called after anything that may change a deadline.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        sessions: Sessions,
        floor: Floor,
        delivery: Delivery,
        patience: Patience,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_turn_ended: Callable[[TurnEnded], None],
        on_change: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self.recognized_ns = 0
        """When the newest words were there."""
        self._allowance = sessions.allowance
        self._listening = sessions.listening
        self._floor = floor
        self._delivery = delivery
        self._patience = patience
        self._spawn = spawn
        self._on_turn_ended = on_turn_ended
        self._on_change = on_change
        self._clock = clock
        self._evidence: asyncio.Task[None] | None = None
        self._partials: asyncio.Task[None] | None = None
        self._foresight: asyncio.Task[None] | None = None

    def take(self, actions: list[turn_taking.Action]) -> None:
        """Carry out what the turn core made of an event."""
        for action in actions:
            match action:
                case SpeechBegan(onset_ns=onset_ns):
                    self._speech_began(onset_ns)
                case SpeechPaused(pause=pause):
                    self._speech_paused(pause)
                case SpeechWentOn():
                    self._speech_went_on()
                case TurnEnded():
                    self._on_turn_ended(action)

    def abandon(self) -> None:
        """Forget what is being said."""
        self._listening.turns.abandon()
        stop(self._evidence)
        stop(self._partials)
        stop(self._foresight)

    def _speech_began(self, onset_ns: int) -> None:
        if self._patience.leaving:
            self._patience.caller_says_goodbye(True, self._clock())
        if self._floor.taken and self._floor.may_be_interrupted:
            # the detector needs about 70 ms: the caller has been heard since before
            self._floor.receive(SpeechHeard(self._listening.speech_since_ns(onset_ns)))
        self._partials = self._spawn(self._follow_partials())

    def _speech_paused(self, pause: int) -> None:
        if self._patience.leaving:
            self._patience.caller_says_goodbye(False, self._clock())
        self._floor.receive(SpeechStopped())
        stop(self._partials)
        stop(self._evidence)
        self._evidence = self._spawn(
            gather_evidence(
                self._listening,
                lambda text: self._words_came(text, pause),
                lambda probability: self._melody_came(probability, pause),
            )
        )

    def _speech_went_on(self) -> None:
        stop(self._evidence)
        if self._floor.undecided:
            self._floor.receive(SpeechHeard(self._clock()))
        # audio that is ready is kept: what follows may be a breath, and the words the same
        if not self._delivery.complete and not self._delivery.due:
            self._delivery.discard()
            self._patience.answer_came()
        self._partials = self._spawn(self._follow_partials())

    def _words_came(self, text: str, pause: int) -> bool:
        """Take what was said up to a pause; say whether how it was said matters too."""
        turns = self._listening.turns
        self.recognized_ns = self._clock()
        grasp = self._delivery.grasp(text)
        self._floor.receive(WordsHeard(text, final=True, heeded=self._is_heeded(text, grasp)))
        if turns.phase is Phase.PAUSED:
            if text and not self._floor.taken and self._allowance.provisional:
                self._delivery.prepare(text)
            self.take(self._listening.receive(Words(text, pause, grasp)))
        self._on_change()
        return turns.phase is Phase.PAUSED and not words_decide(
            turns.timing, text, turns.expectation, grasp
        )

    def _is_heeded(self, text: str, grasp: Grasp) -> bool:
        heard = self._listening
        return is_heeded(
            text,
            heard.turns.speech_ms,
            heard.confidence,
            grasp,
            self._floor.turn.backchannels,
            language=self._floor.language,
            asked=self._floor.asking,
        )

    def _melody_came(self, probability: float, pause: int) -> None:
        self.take(self._listening.receive(Melody(probability, pause)))
        self._on_change()

    async def _follow_partials(self) -> None:
        """Show what is being said to whoever can use it before it is over."""
        before = ""
        while True:
            await asyncio.sleep(PARTIAL_INTERVAL_S)
            text = await self._listening.partial()
            if self._floor.undecided:
                heeded = self._is_heeded(text, self._delivery.grasp(text))
                self._floor.receive(WordsHeard(text, final=False, heeded=heeded))
                self._on_change()
            if not self._allowance.provisional:
                continue
            if text and text != before and not self._floor.taken:
                before = text
                # not ended by the pause: what it computes is what the answer needs next
                self._foresight = self._spawn(self._foresee(text, self._foresight))

    async def _foresee(self, text: str, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        if self._listening.turns.phase is Phase.SPEAKING:
            await self._delivery.foresee(text)
