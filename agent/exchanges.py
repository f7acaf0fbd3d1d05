"""Hold the exchanges of one call: take up the caller's turns, answer them, write both down.

What is said and when is decided by the cores (:mod:`agent.turn_taking`, :mod:`agent.interruption`,
:mod:`agent.patience`, :mod:`agent.playback`); this carries their decisions out. An answer is
prepared at each pause and *released* only by the end of the turn: before that none of it is played
or remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agent import interruption, turn_taking
from agent.answering import Answering
from agent.clip_numbers import conversation_base
from agent.delivery import Delivery
from agent.endpointing import resolve_timing
from agent.exchange import Exchange, Telling, TurnBook
from agent.floor import Floor
from agent.handover import Handover
from agent.hearing import Hearing
from agent.heed import is_doubtful
from agent.history import History
from agent.interruption import AgentSilent
from agent.last_words import last_words, turn_so_far
from agent.patience import Patience
from agent.persona import Persona
from agent.playback import Clip, ClipState
from agent.sessions import EdgePort, Sessions
from agent.speaking import MediaPort, Speaking
from agent.turn_taking import EndKey, Phase, TurnEnded
from agent.unasked import Unasked
from agent.worth import MAX_DURATION, Worth, weigh_turn
from media.config.model import TurnConfig
from media.messages import CallId, HangupRequested, Speaker
from media.wire import AudioFrame

MS = 1_000_000
UNHEEDED = "unheeded"
"""Source of a caller's turn that did not stop the agent; the model is not told of it."""
CUT_OFF_MS = 1_000
"""Speech so soon after the end-of-turn decision means that the decision was wrong."""


class Exchanges:
    """What is said in one call, from either side.

    Args:
        call_id: the call.
        stream: media's number of its audio.
        persona: who answers.
        sessions: of the engines.
        handover: decides which answers lead to people.
        media: link to media.
        edge: link to edge; takes each turn as it is over.
        spawn: starts a task of this call.
        on_change: called after anything that may change a deadline.
        on_clip_over: called with each clip of a living call that is over, fillers excepted.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        call_id: CallId,
        stream: int,
        persona: Persona,
        sessions: Sessions,
        handover: Handover,
        media: MediaPort,
        edge: EdgePort,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_change: Callable[[], None],
        on_clip_over: Callable[[Clip, Telling], None],
        clock: Callable[[], int],
    ) -> None:
        self.history = History()
        self.closed = False
        self.leaving = ""
        """Why the call ends, once the agent has said goodbye."""
        self._call_id = call_id
        self._persona = persona
        self._sessions = sessions
        self._edge = edge
        self._spawn = spawn
        self._on_change = on_change
        self._on_clip_over = on_clip_over
        self._clock = clock
        self._book = TurnBook(call_id, edge.send)
        self._cut_offs = 0
        self._decided_ns = 0
        config = persona.config
        self.patience = Patience(config.limits, bool(config.filler), persona.timing.filler_ms)
        listening = self._listening = sessions.listening
        tellings = self._tellings = dict[int, Telling]()
        base = conversation_base(clock())
        speaking = self.speaking = Speaking(stream, media, self._clip_over, base)
        answering = Answering(persona, sessions.dialogue, clock, sessions.allowance, handover)
        delivery = self.delivery = Delivery(
            answering, speaking, self.history, tellings, spawn, self._answer_grew, clock
        )
        self.floor = Floor(
            persona,
            listening,
            speaking,
            delivery,
            tellings,
            spawn,
            self._yielded,
            on_change,
            self._note_unheeded,
            clock,
        )
        self.unasked = Unasked(
            persona, speaking, tellings, self.patience, delivery, self.discard, self._hang_up
        )
        self._hearing = Hearing(
            sessions, self.floor, delivery, self.patience, spawn, self._turn_ended, on_change, clock
        )

    # ------------------------------------------------------------ what the caller does

    def receive_audio(self, frame: AudioFrame) -> None:
        """Take caller audio."""
        self._hearing.take(self._listening.receive_audio(frame))

    def end_turn(self) -> None:
        """Take that the caller asks for an answer by a key."""
        self._hearing.take(self._listening.receive(EndKey()))

    def enter_keys(self, entry: str, at_ns: int) -> None:
        """Take keys for a turn; ``at_ns`` is when the last one was pressed."""
        now_ns = self._clock()
        self._hearing.abandon()
        if self.floor.taken:
            self.floor.give_up(now_ns)
        self.discard()
        self._hearing.recognized_ns = now_ns
        self._release(TurnEnded(entry, at_ns, at_ns, now_ns, 0, 0, 0), "keys")

    def abandon(self) -> None:
        """Forget what is being said, and answer none of it."""
        self._hearing.abandon()
        self.discard()

    def fall_silent(self) -> None:
        """Leave the caller to somebody else."""
        self.abandon()
        self.speaking.held = False
        self.floor.receive(AgentSilent())
        self.stay()

    def stay(self) -> None:
        """Take a goodbye back."""
        self.leaving = ""
        self.patience.stay()

    # ------------------------------------------------------------ time

    def receive_tick(self) -> None:
        """Do what time demands of whose turn it is."""
        self.patience.forming = self.delivery.forming
        self._hearing.take(self._listening.receive(turn_taking.Tick()))
        self.floor.receive(interruption.Tick())

    def next_deadlines_ns(self) -> tuple[int | None, ...]:
        """Return when a tick changes something."""
        return (
            self._listening.turns.next_deadline_ns(),
            self.floor.next_deadline_ns(),
            self.patience.next_deadline_ns(),
        )

    def note_silence(self, *, expectant: bool) -> None:
        """Note who is silent since now.

        Args:
            expectant: whether nothing but the caller's voice is waited for.
        """
        self.patience.forming = self.delivery.forming
        heard_out = self._listening.turns.phase is not Phase.QUIET
        self.patience.hears(heard_out, self._clock())
        if (dry_ns := self.delivery.dry_ns) is not None:
            self.patience.answer_runs_dry(dry_ns)
        if expectant and not heard_out and not self.floor.taken and not self.patience.held:
            self.patience.quiet(self._clock())
        else:
            self.patience.busy()

    def retune(self, turn: TurnConfig) -> None:
        """Use other turn settings from now on."""
        timing = resolve_timing(turn)
        self._listening.turns.timing = timing
        self.patience.filler_ms = timing.filler_ms
        self.floor.retune(turn)

    # ------------------------------------------------------------ turns and their answers

    def _turn_ended(self, ended: TurnEnded) -> None:
        if self.floor.unstoppable:
            self.discard()
            return
        worth = weigh_turn(
            ended,
            self._listening.turns.expectation,
            leaving=self.leaving,
            over_agent=self.floor.taken,
            listening=self.floor.is_backchannel(ended.text),
            doubtful=is_doubtful(ended.speech_ms, self._listening.confidence),
        )
        if worth is not Worth.ANSWER:
            self.discard()
        if worth is Worth.ASK_AGAIN:
            self.unasked.say_not_heard()
        elif worth is Worth.NOTE:
            self._book.caller(Exchange(ended, self._hearing.recognized_ns))
        elif worth is Worth.ANSWER:
            self._take_up(ended)

    def _take_up(self, ended: TurnEnded) -> None:
        if self.leaving:
            self.stay()
        self._release(ended)

    def _release(self, ended: TurnEnded, source: str = "speech") -> None:
        """Let the answer be heard: the caller's turn is over."""
        answer = self.delivery.prepare(ended.text)
        exchange = Exchange(
            ended, self._hearing.recognized_ns, answer, self.delivery.wasted_ms, self._cut_offs
        )
        self.delivery.wasted_ms, self._cut_offs = 0.0, 0
        self.unasked.understood()
        self._decided_ns = ended.decided_ns
        self._book.caller(exchange, source)
        self.history.add(Speaker.CALLER, ended.text)
        self.patience.caller_spoke()
        self.patience.answer_due(ended.ended_ns)
        self.delivery.release(exchange)
        self._answer_grew()

    def _answer_grew(self) -> None:
        if self.delivery.started or not self.delivery.due:
            self.patience.answer_came()
        self._on_change()

    def discard(self) -> None:
        """Give up the answer that is worked on."""
        self.delivery.discard()
        self.patience.answer_came()

    def _yielded(self, since_ns: int) -> None:
        """The caller has the floor: what was not said is not said any more."""
        if self._decided_ns and since_ns - self._decided_ns < CUT_OFF_MS * MS:
            self._cut_offs += 1
        if self.delivery.due:
            self.discard()

    def _note_unheeded(self, text: str) -> None:
        """Write down what was said into the agent's words and let it go on all the same."""
        now_ns = self._clock()
        self._book.caller(Exchange(turn_so_far(self._listening, text, now_ns), now_ns), UNHEEDED)

    # ------------------------------------------------------------ what the agent said

    def _clip_over(self, clip: Clip) -> None:
        telling = self._tellings.pop(clip.number, Telling())
        turn = self._book.agent(clip, telling)
        if turn is not None and clip.source != "filler":
            self.history.add(Speaker.AGENT, turn.text, turn.interrupted)
        if clip.source == "filler":
            self.patience.filler_played(self._clock())
            return
        if self.closed:
            return
        if clip.state is ClipState.FINISHED and telling.then == "goodbye":
            self.leaving = telling.hangup_reason
            self.patience.said_goodbye(self._clock())
        self._on_clip_over(clip, telling)
        if not self.floor.taken and turn is not None and not self.closed:
            self.floor.receive(AgentSilent())
            self._listening.turns.expectation = self._persona.expected_answer(turn.text)
            if self._sessions.allowance.model:
                self._spawn(self.delivery.remember())

    # ------------------------------------------------------------ the end

    async def say_goodbye_to_long_call(self) -> None:
        """Take leave of a caller who has talked for as long as is allowed."""
        self.floor.receive(AgentSilent())
        await self.floor.clear()
        self.unasked.say_goodbye(MAX_DURATION)
        self._on_change()

    def _hang_up(self) -> None:
        self._edge.send(HangupRequested(self._call_id, self.leaving or "agent_goodbye"))

    def close(self) -> None:
        """Answer nothing any more."""
        self.closed = True
        self.discard()

    async def write_last_words(self) -> None:
        """Write down what the caller was saying when the call ended."""
        exchange = await last_words(self._listening, self._clock, self.delivery.wasted_ms)
        if exchange is not None:
            exchange.cut_offs = self._cut_offs
            self._book.caller(exchange)
