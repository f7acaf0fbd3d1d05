"""Hold one conversation: connect the cores, the engines and the links (thin asyncio shell).

What is said and when is decided by the cores (:mod:`agent.turn_taking`, :mod:`agent.interruption`,
:mod:`agent.patience`, :mod:`agent.playback`); this carries their decisions out. Everything runs on
the event loop except the engines. An answer is prepared at each pause and *released* only by the
end of the turn: before that none of it is played or remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from agent import interruption, patience, turn_taking
from agent.alarm import Alarm
from agent.answering import Answering
from agent.call_tasks import CallTasks
from agent.clip_numbers import conversation_base
from agent.delivery import Delivery
from agent.endpointing import resolve_timing
from agent.exchange import Exchange, Telling, TurnBook
from agent.floor import Floor
from agent.handing_over import HandingOver
from agent.handover import Handover
from agent.hearing import Hearing
from agent.history import History
from agent.interruption import AgentSilent
from agent.keys import END_KEY, KeyEntry
from agent.last_words import last_words
from agent.patience import Patience
from agent.persona import Persona
from agent.playback import Clip, ClipState
from agent.sessions import EdgePort, Sessions
from agent.speaking import MediaPort, Speaking
from agent.summary import Summary, summarize
from agent.turn_taking import (
    EndKey,
    Phase,
    TurnEnded,
)
from agent.unasked import Unasked
from agent.worth import MAX_DURATION, Worth, weigh_turn
from media.config.model import TurnConfig
from media.messages import (
    CallId,
    ClipFinished,
    ClipStarted,
    ConversationFailed,
    DetachStream,
    HangupRequested,
    PlaybackCleared,
    Speaker,
)
from media.wire import AudioFrame

MS = 1_000_000
FLUSH_S = 1.0
"""How long the last words are waited for when the call is gone."""
CUT_OFF_MS = 1_000
"""Speech so soon after the end-of-turn decision means that the decision was wrong."""

log = structlog.get_logger()


class Conversation:
    """One call's conversation.

    Args:
        call_id: the call.
        stream: media's number of its audio.
        persona: who answers.
        sessions: of the engines; closed with the conversation.
        media: link to media.
        edge: link to edge.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        call_id: CallId,
        stream: int,
        persona: Persona,
        sessions: Sessions,
        media: MediaPort,
        edge: EdgePort,
        clock: Callable[[], int],
    ) -> None:
        self.call_id = call_id
        self.stream = stream
        self.persona = persona
        self.history = History()
        self.caller = ""
        """The caller's number or address, empty where it is not known."""
        self.closed = False
        self._sessions = sessions
        self._listening = sessions.listening
        self._media = media
        self._edge = edge
        self._clock = clock
        self._tasks = CallTasks(self.fail)
        self._speaking = Speaking(stream, media, self._clip_over, conversation_base(clock()))
        self._patience = Patience(
            persona.config.limits, bool(persona.config.filler), persona.timing.filler_ms
        )
        self._book = TurnBook(call_id, edge.send)
        self._tellings: dict[int, Telling] = {}
        handover = Handover(persona.human_queue, persona.config)
        self._delivery = Delivery(
            Answering(persona, sessions.dialogue, clock, sessions.allowance, handover),
            self._speaking,
            self.history,
            self._tellings,
            self._tasks.spawn,
            self._answer_grew,
            clock,
        )
        self._floor = Floor(
            persona,
            self._listening,
            self._speaking,
            self._delivery,
            self._tellings,
            self._tasks.spawn,
            self._yielded,
            self._settle,
            clock,
        )
        self._unasked = Unasked(
            persona,
            self._speaking,
            self._tellings,
            self._patience,
            self._delivery,
            self._discard,
            self._hang_up,
        )
        self._human = HandingOver(
            call_id, persona, handover, self._unasked, edge, self._fall_silent, clock
        )
        self._entry = KeyEntry()
        self._hearing = Hearing(
            sessions,
            self._floor,
            self._delivery,
            self._patience,
            self._tasks.spawn,
            self._turn_ended,
            self._settle,
            clock,
        )
        self._cut_offs = 0
        self._decided_ns = 0
        self._answered = False
        self._leaving = ""
        self._alarm = Alarm(self._tick, clock)

    def answered(self) -> None:
        """Greet: the call is up."""
        if not self._answered:
            self._answered = True
            self._patience.call_answered(self._clock())
            self._unasked.greet()
            self._settle()

    def receive_audio(self, frame: AudioFrame) -> None:
        """Take caller audio; what a line plays that holds us is not the caller."""
        if not (self.closed or self._human.away or self._patience.held):
            self._hearing.take(self._listening.receive_audio(frame))
            self._settle()

    def receive(self, message: ClipStarted | ClipFinished | PlaybackCleared) -> None:
        """Take what media says of our clips."""
        if not isinstance(message, PlaybackCleared):
            self._speaking.receive(message)
        elif self._human.away or self._speaking.has(message.clip):
            self._speaking.cleared_by_other(message)
        self._settle()

    def press(self, digit: str) -> None:
        """Take a key; ``#`` ends an entry, a pause does too."""
        if self.closed or self._leaving or self._human.away or self._floor.unstoppable:
            return
        if self._entry.empty and digit in self.persona.config.human_keys:
            self._tasks.spawn(self._connect_by_key(digit))
            return
        entry = self._entry.press(digit, self._clock())
        if entry is not None:
            self._enter_keys(entry)
        elif digit == END_KEY:
            self._hearing.take(self._listening.receive(EndKey()))
        self._settle()

    def hold(self, held: bool) -> None:
        """Take that the caller put us on hold, or came back."""
        self._patience.held = held
        if held:
            self._hearing.abandon()
            self._discard()
        self._settle()

    def suspend(self) -> None:
        """Let somebody else have the caller; all that was said is kept."""
        if not self.closed:
            self._human.suspend()
            self._settle()

    async def resume(self, reason: str) -> None:
        """Have the caller again, and speak at once."""
        await self._human.learn(reason)
        if self.closed:
            return
        self._speaking.forget(self._clock())
        self._answered = True
        # the time with people is not the agent's
        answered_ns = self._patience.answered_ns or self._clock()
        self._patience.call_answered(answered_ns + self._human.away_ns)
        self._human.resume(reason)
        self._settle()

    def summarize(self, max_spoken_s: float) -> Summary:
        """Tell a person what was talked about; quick, and always there."""
        return summarize(
            self.history.said,
            caller=self.caller,
            idle=self.persona.idle_sentences,
            max_spoken_s=max_spoken_s,
        )

    @property
    def turn(self) -> TurnConfig:
        """The turn settings in use."""
        return self._floor.turn

    def retune(self, turn: TurnConfig) -> None:
        """Use other turn settings from now on."""
        timing = resolve_timing(turn)
        self._listening.turns.timing = timing
        self._patience.filler_ms = timing.filler_ms
        self._floor.retune(turn)
        self._settle()

    async def close(self) -> None:
        """End: what was said last is still written down."""
        if self.closed:
            return
        self.closed = True
        self._alarm.cancel()
        self._discard()
        self._tasks.cancel()
        if self._human.away:
            self._speaking.forget(self._clock())
        for last_work in (self._speaking.clear_or_guess(self._clock), self._flush_words()):
            try:
                async with asyncio.timeout(FLUSH_S):
                    await last_work
            except Exception as error:  # the call is over: nothing may keep it from being closed
                log.warning("last_words_lost", call_id=self.call_id, reason=str(error))
        self._media.send(DetachStream(self.stream))
        self._listening.close()
        self._sessions.dialogue.close()

    async def _flush_words(self) -> None:
        exchange = await last_words(self._listening, self._clock, self._delivery.wasted_ms)
        if exchange is not None:
            exchange.cut_offs = self._cut_offs
            self._book.caller(exchange)

    def _turn_ended(self, ended: TurnEnded) -> None:
        if self._floor.unstoppable:
            self._discard()
            return
        worth = weigh_turn(
            ended,
            self._listening.turns.expectation,
            leaving=self._leaving,
            over_agent=self._floor.taken,
            listening=self._floor.is_backchannel(ended.text),
        )
        if worth is not Worth.ANSWER:
            self._discard()
        if worth is Worth.ASK_AGAIN:
            self._unasked.say_not_heard()
        elif worth is Worth.NOTE:
            self._book.caller(Exchange(ended, self._hearing.recognized_ns))
        elif worth is Worth.ANSWER:
            self._take_up(ended)

    def _take_up(self, ended: TurnEnded) -> None:
        if self._leaving:
            self._leaving = ""
            self._patience.stay()
        self._release(ended)

    def _answer_grew(self) -> None:
        if self._delivery.started or not self._delivery.due:
            self._patience.answer_came()
        self._settle()

    def _discard(self) -> None:
        self._delivery.discard()
        self._patience.answer_came()

    def _release(self, ended: TurnEnded, source: str = "speech") -> None:
        """Let the answer be heard: the caller's turn is over."""
        answer = self._delivery.prepare(ended.text)
        exchange = Exchange(
            ended, self._hearing.recognized_ns, answer, self._delivery.wasted_ms, self._cut_offs
        )
        self._delivery.wasted_ms, self._cut_offs = 0.0, 0
        self._unasked.understood()
        self._decided_ns = ended.decided_ns
        self._book.caller(exchange, source)
        self.history.add(Speaker.CALLER, ended.text)
        self._patience.caller_spoke()
        self._patience.answer_due(ended.ended_ns)
        self._delivery.release(exchange)
        self._answer_grew()

    def _clip_over(self, clip: Clip) -> None:
        telling = self._tellings.pop(clip.number, Telling())
        finished = clip.state is ClipState.FINISHED
        turn = self._book.agent(clip, telling)
        if turn is not None and clip.source != "filler":
            self.history.add(Speaker.AGENT, turn.text, turn.interrupted)
        if clip.source == "filler":
            self._patience.filler_played(self._clock())
            return
        if finished and telling.then == "goodbye" and not self.closed:
            self._leaving = telling.hangup_reason
            self._patience.said_goodbye(self._clock())
        if not self.closed:
            self._human.clip_over(clip, telling)
        if not self._floor.taken and turn is not None and not self.closed:
            self._floor.receive(AgentSilent())
            self._listening.turns.expectation = self.persona.expected_answer(turn.text)
            if self._sessions.allowance.model:
                self._tasks.spawn(self._remember())

    async def _remember(self) -> None:
        await self._sessions.dialogue.prefill([*self.persona.prefix, *self.history.messages()])

    def _yielded(self, since_ns: int) -> None:
        """The caller has the floor: what was not said is not said any more."""
        if self._decided_ns and since_ns - self._decided_ns < CUT_OFF_MS * MS:
            self._cut_offs += 1
        if self._delivery.due:
            self._discard()

    async def _connect_by_key(self, key: str) -> None:
        self._hearing.abandon()
        self._discard()
        await self._floor.clear()
        if not self._human.away and not self._floor.connecting:
            self._human.press(key)
            self._settle()

    def _fall_silent(self) -> None:
        """Leave the caller to somebody else."""
        self._hearing.abandon()
        self._discard()
        self._speaking.held = False
        self._floor.receive(AgentSilent())
        self._leaving, self._entry = "", KeyEntry()
        self._patience.stay()

    def _enter_keys(self, entry: str) -> None:
        now_ns = self._clock()
        self._hearing.abandon()
        if self._floor.taken:
            self._floor.give_up(now_ns)
        self._discard()
        self._hearing.recognized_ns = now_ns
        at_ns = self._entry.pressed_ns
        self._release(TurnEnded(entry, at_ns, at_ns, now_ns, 0, 0, 0), "keys")

    def _settle(self) -> None:
        """After anything happened: note who is silent, act on time, set the next alarm."""
        if self.closed:
            return
        self._human.wait(self._delivery.due and not self._delivery.started)
        if self._human.away:
            self._patience.busy()
            self._alarm.set(self._human.next_deadline_ns())
            return
        heard_out = self._listening.turns.phase is not Phase.QUIET
        self._patience.hears(heard_out, self._clock())
        if (dry_ns := self._delivery.dry_ns) is not None:
            self._patience.answer_runs_dry(dry_ns)
        quiet = not heard_out and not self._floor.taken and self._entry.empty
        if self._answered and quiet and not self._patience.held:
            self._patience.quiet(self._clock())
        else:
            self._patience.busy()
        self._alarm.set(
            self._listening.turns.next_deadline_ns(),
            self._floor.next_deadline_ns(),
            self._patience.next_deadline_ns(),
            self._entry.next_deadline_ns(),
            self._human.next_deadline_ns(),
        )

    def _tick(self) -> None:
        try:
            self._human.receive_tick()
            if self._human.away:
                self._settle()
                return
            self._hearing.take(self._listening.receive(turn_taking.Tick()))
            self._floor.receive(interruption.Tick())
            if (entry := self._entry.receive_tick(self._clock())) is not None:
                self._enter_keys(entry)
            if self._human.stalled:
                self._ask_human_instead()
            for action in self._patience.receive_tick(self._clock()):
                if action is patience.Action.GIVE_UP and self._gives_up_for_good():
                    self._ask_human_instead()
                    continue
                self._unasked.receive(action)
                if action is patience.Action.END_LONG:
                    self._tasks.spawn(self._end_long_call())
            self._settle()
        except Exception as error:  # the call's own edge: this call ends, the others go on
            self.fail(error)

    def _gives_up_for_good(self) -> bool:
        fact = self._delivery.fallback
        known = bool(fact) and self.persona.speech.known(fact) is not None
        return self._human.gave_up(fact_known=known)

    def _ask_human_instead(self) -> None:
        """Put the caller through: the model does not answer."""
        self._discard()
        self._human.say_stalled()

    def _hang_up(self) -> None:
        self._edge.send(HangupRequested(self.call_id, self._leaving or "agent_goodbye"))

    async def _end_long_call(self) -> None:
        self._floor.receive(AgentSilent())
        await self._floor.clear()
        self._unasked.say_goodbye(MAX_DURATION)
        self._settle()

    def fail(self, error: BaseException) -> None:
        """End this conversation: the caller is told by edge, other calls go on."""
        if self.closed:
            return
        log.error("conversation_failed", call_id=self.call_id, exc_info=error)
        self._edge.send(ConversationFailed(self.call_id, f"{type(error).__name__}: {error}"))
        self._closing = asyncio.ensure_future(self.close())
