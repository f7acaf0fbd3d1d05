"""Carry out what :mod:`agent.handover` decides for one conversation (thin shell)."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from agent.exchange import Telling
from agent.handover import (
    STALLED,
    Action,
    AskEdge,
    FallSilent,
    Handover,
    Plan,
    SpeakAgain,
    Stage,
    return_text,
    transfer_queue,
)
from agent.persona import Persona
from agent.playback import Clip, ClipState
from agent.sessions import EdgePort
from agent.unasked import Unasked
from media.messages import CallId, TransferRequested

log = structlog.get_logger()


class HandingOver:
    """The way of one conversation's caller to people and back.

    Args:
        call_id: the call.
        persona: who speaks.
        core: decides.
        unasked: says known sentences.
        edge: puts the caller through.
        on_silence: ends all that the conversation is doing.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        call_id: CallId,
        persona: Persona,
        core: Handover,
        unasked: Unasked,
        edge: EdgePort,
        on_silence: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self._call_id = call_id
        self._persona = persona
        self._core = core
        self._unasked = unasked
        self._edge = edge
        self._on_silence = on_silence
        self._clock = clock
        self._left_ns = 0

    @property
    def away(self) -> bool:
        """Whether somebody else has the caller, or is about to."""
        return self._core.stage is not Stage.TALKING

    @property
    def away_ns(self) -> int:
        """How long the caller has been away, 0 where they are not."""
        return self._clock() - self._left_ns if self.away else 0

    def next_deadline_ns(self) -> int | None:
        """Return when a tick changes something."""
        return self._core.next_deadline_ns()

    def clip_over(self, clip: Clip, telling: Telling) -> None:
        """Take what was said; the last word before the music asks edge for a person."""
        if clip.state is not ClipState.FINISHED:
            return
        answer = telling.exchange.answer if telling.exchange is not None else None
        failed = answer is not None and answer.failed
        self._core.note_said(clip.source, telling.then, failed=failed)
        queue = transfer_queue(telling.then)
        if queue is not None:
            self._carry_out(self._core.ask(queue, _reason(telling), self._clock()))

    def press(self, key: str) -> bool:
        """Take a key that stands alone; False where it leads to nobody."""
        queue = self._persona.config.human_keys.get(key)
        if queue is None:
            return False
        self.say(self._core.connect(f"key {key}", queue))
        return True

    def say(self, plan: Plan) -> None:
        """Say a planned sentence now; the floor must be free."""
        self._unasked.say(plan.source, plan.text, plan.then, plan.reason)

    def wait(self, waiting: bool) -> None:
        """Note whether the caller waits for an answer of which nothing was heard."""
        self._core.wait(waiting, self._clock())

    @property
    def stalled(self) -> bool:
        """Whether the caller has waited too long."""
        return self._core.stalled(self._clock())

    def gave_up(self, *, fact_known: bool) -> bool:
        """Take that an answer does not come; say whether a person is to be asked instead."""
        return self._core.gave_up(fact_known=fact_known)

    def say_stalled(self) -> None:
        """Connect a caller whom the model does not answer."""
        self.say(self._core.connect(STALLED))

    def suspend(self) -> None:
        """Take that edge has the caller."""
        self._carry_out(self._core.suspend())

    async def learn(self, reason: str) -> None:
        """Have the first sentence to a caller who comes back for this reason ready."""
        text = return_text(self._persona.config.handover.returned, reason)
        await self._persona.speech.learn(text)

    def resume(self, reason: str) -> None:
        """Take the caller back; the sentence for the reason was learnt before."""
        self._carry_out(self._core.resume(reason))

    def receive_tick(self) -> None:
        """Do what time demands."""
        self._carry_out(self._core.receive_tick(self._clock()))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case AskEdge(queue=queue, reason=reason):
                    log.info("transfer_requested", call_id=self._call_id, queue=queue)
                    self._edge.send(TransferRequested(self._call_id, queue, reason))
                case FallSilent():
                    self._left_ns = self._clock()
                    self._on_silence()
                case SpeakAgain(reason=reason):
                    text = return_text(self._persona.config.handover.returned, reason)
                    self._unasked.say("return", text)


def _reason(telling: Telling) -> str:
    if telling.exchange is not None and telling.exchange.answer is not None:
        return telling.exchange.answer.reason
    return telling.hangup_reason
