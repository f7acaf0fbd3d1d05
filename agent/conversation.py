"""Hold one conversation: connect the cores, the engines and the links (thin asyncio shell).

What is said and when is decided by the cores (:mod:`agent.turn_taking`, :mod:`agent.interruption`,
:mod:`agent.patience`, :mod:`agent.playback`); this carries their decisions out. Everything runs on
the event loop except the engines. An answer is prepared at each pause and *released* only by the
end of the turn: before that none of it is played or remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from agent import interruption, patience, turn_taking
from agent.answering import Answering
from agent.delivery import Delivery
from agent.endpointing import expected_answer
from agent.engines.base import Dialogue
from agent.exchange import Exchange, Telling, TurnBook
from agent.fast_lane import is_goodbye
from agent.history import History
from agent.interruption import AgentSilent, Interruption, SpeechHeard, SpeechStopped, WordsHeard
from agent.knowledge import content_stems
from agent.listening import Listening, gather_evidence
from agent.patience import Patience
from agent.persona import Persona
from agent.playback import Clip, ClipState
from agent.speaking import MediaPort, Speaking
from agent.turn_taking import (
    EndKey,
    Melody,
    Phase,
    SpeechBegan,
    SpeechPaused,
    SpeechWentOn,
    TurnEnded,
    Words,
)
from media.messages import (
    CallId,
    ClipFinished,
    ClipStarted,
    ConversationFailed,
    DetachStream,
    HangupRequested,
    Message,
    Speaker,
)
from media.wire import AudioFrame

MS = 1_000_000
NOT_HEARD_SPEECH_MS = 400
"""Shorter sounds without words are noises, and nobody says "sorry?" to a noise."""
KEYS_PAUSE_MS = 2_500
PARTIAL_INTERVAL_S = 0.3
FLUSH_S = 1.0
"""How long the last words are waited for when the call is gone."""
CUT_OFF_MS = 1_000
"""Speech so soon after the end-of-turn decision means that the decision was wrong."""

log = structlog.get_logger()


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
        self.closed = False
        self._sessions = sessions
        self._listening = sessions.listening
        self._media = media
        self._edge = edge
        self._clock = clock
        self._speaking = Speaking(stream, media, self._clip_over)
        self._patience = Patience(persona.config.limits, fillers=bool(persona.config.filler))
        turn = persona.config.turn
        self._interruption = Interruption(persona.timing.barge_in_ms, turn.backchannels)
        self._book = TurnBook(call_id, edge.send)
        self._tellings: dict[int, Telling] = {}
        self._delivery = Delivery(
            Answering(persona, sessions.dialogue, clock),
            self._speaking,
            self.history,
            self._tellings,
            self._spawn,
            self._answer_grew,
            clock,
        )
        self._recognized_ns = 0
        self._cut_offs = 0
        self._not_heard = 0
        self._fillers = 0
        self._decided_ns = 0
        self._keys = ""
        self._keys_ns = 0
        self._answered = False
        self._leaving = ""
        self._timer: asyncio.TimerHandle | None = None
        self._evidence: asyncio.Task[None] | None = None
        self._partials: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ what comes in

    def answered(self) -> None:
        """Greet: the call is up."""
        if not self._answered:
            self._answered = True
            self._patience.call_answered(self._clock())
            self._say("greeting", self.persona.config.greeting)
            self._settle()

    def receive_audio(self, frame: AudioFrame) -> None:
        """Take caller audio."""
        if not self.closed:
            self._take(self._listening.receive_audio(frame))
            self._settle()

    def receive(self, message: ClipStarted | ClipFinished) -> None:
        """Take what media says of our clips."""
        self._speaking.receive(message)
        self._settle()

    def press(self, digit: str) -> None:
        """Take a key; ``#`` ends an entry, a pause does too."""
        if self.closed or self._leaving:
            return
        if digit == "#":
            if self._keys:
                self._enter_keys()
            else:
                self._take(self._listening.receive(EndKey()))
        else:
            self._keys += digit
            self._keys_ns = self._clock()
        self._settle()

    def hold(self, held: bool) -> None:
        """Take that the caller put us on hold, or came back."""
        self._patience.held = held
        if held:
            self._listening.turns.abandon()
            self._discard()
        self._settle()

    async def close(self) -> None:
        """End: what was said last is still written down."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._discard()
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(FLUSH_S):
                if self._speaking.busy:
                    await self._speaking.clear()
                await self._flush_words()
        self._media.send(DetachStream(self.stream))
        self._listening.close()
        self._sessions.dialogue.close()

    async def _flush_words(self) -> None:
        turns = self._listening.turns
        if turns.phase is Phase.QUIET:
            return
        text = await self._listening.recognize()
        now_ns = self._clock()
        if text:
            last = self._listening.audible.last_audible_ns(now_ns) or now_ns
            ended = TurnEnded(text, turns.onset_ns, last, now_ns, 0, turns.speech_ms, 0)
            self._book.caller(Exchange(ended, now_ns, wasted_ms=self._delivery.wasted_ms))

    # ------------------------------------------------------------ the caller's turn

    def _take(self, actions: list[turn_taking.Action]) -> None:
        for action in actions:
            match action:
                case SpeechBegan(onset_ns=onset_ns):
                    self._speech_began(onset_ns)
                case SpeechPaused(pause=pause):
                    self._speech_paused(pause)
                case SpeechWentOn():
                    self._speech_went_on()
                case TurnEnded():
                    self._turn_ended(action)

    def _speech_began(self, onset_ns: int) -> None:
        if self._patience.leaving:
            self._patience.caller_says_goodbye(True, self._clock())
        if self._agent_has_floor and self._may_interrupt:
            self._interrupt(SpeechHeard(onset_ns))
        self._partials = self._spawn(self._follow_partials())

    def _speech_paused(self, pause: int) -> None:
        if self._patience.leaving:
            self._patience.caller_says_goodbye(False, self._clock())
        self._interrupt(SpeechStopped())
        self._stop(self._partials)
        self._stop(self._evidence)
        self._evidence = self._spawn(
            gather_evidence(
                self._listening,
                lambda text: self._words_came(text, pause),
                lambda probability: self._melody_came(probability, pause),
            )
        )

    def _speech_went_on(self) -> None:
        self._stop(self._evidence)
        self._interrupt(SpeechHeard(self._clock()))
        # audio that is ready is kept: what follows may be a breath, and the words the same
        if not self._delivery.complete and not self._delivery.due:
            self._discard()
        self._partials = self._spawn(self._follow_partials())

    def _words_came(self, text: str, pause: int) -> None:
        self._recognized_ns = self._clock()
        self._interrupt(WordsHeard(text, final=True))
        if self._listening.turns.phase is Phase.PAUSED:
            if text and not self._agent_has_floor:
                self._delivery.prepare(text)
            self._take(self._listening.receive(Words(text, pause)))
        self._settle()

    def _melody_came(self, probability: float, pause: int) -> None:
        self._take(self._listening.receive(Melody(probability, pause)))
        self._settle()

    async def _follow_partials(self) -> None:
        """Show what is being said to whoever can use it before it is over."""
        before = ""
        while True:
            await asyncio.sleep(PARTIAL_INTERVAL_S)
            text = await self._listening.partial()
            if self._interruption.undecided:
                self._interrupt(WordsHeard(text, final=False))
                self._settle()
            if text and text != before and not self._agent_has_floor:
                before = text
                await self._delivery.foresee(text)

    def _turn_ended(self, ended: TurnEnded) -> None:
        if self._agent_has_floor and not self._may_interrupt:
            self._discard()
            return
        if not ended.text:
            self._discard()
            if ended.speech_ms >= NOT_HEARD_SPEECH_MS and not self._agent_has_floor:
                self._say_not_heard()
            return
        if self._leaving:
            if is_goodbye(ended.text) or len(content_stems(ended.text)) < 2:
                self._discard()
                self._book.caller(Exchange(ended, self._recognized_ns))
                return
            self._leaving = ""
            self._patience.stay()
        self._release(ended)

    def _say_not_heard(self) -> None:
        self._not_heard += 1
        if self._not_heard <= 2:
            self._say("prompt", self.persona.config.not_heard)

    # ------------------------------------------------------------ the answer

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
            ended, self._recognized_ns, answer, self._delivery.wasted_ms, self._cut_offs
        )
        self._delivery.wasted_ms, self._cut_offs, self._not_heard = 0.0, 0, 0
        self._decided_ns = ended.decided_ns
        self._book.caller(exchange, source)
        self.history.add(Speaker.CALLER, ended.text)
        self._patience.caller_spoke()
        self._patience.answer_due(ended.ended_ns)
        self._delivery.release(exchange)
        self._answer_grew()

    def _say(
        self, source: str, text: str, then: str = "listen", reason: str = "agent_goodbye"
    ) -> None:
        """Say a sentence that was learnt before the call."""
        samples = self.persona.speech.known(text)
        if samples is None:
            raise LookupError(f"sentence was not learnt: {text!r}")
        clip = self._speaking.open(source)
        self._tellings[clip.number] = Telling(then=then, hangup_reason=reason)
        self._speaking.push(clip, text, samples)
        self._speaking.end(clip)

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
        if not self._agent_has_floor and turn is not None and not self.closed:
            self._interrupt(AgentSilent())
            self._listening.turns.expectation = expected_answer(turn.text)
            self._spawn(self._remember())

    async def _remember(self) -> None:
        await self._sessions.dialogue.prefill([*self.persona.prefix, *self.history.messages()])

    # ------------------------------------------------------------ interruption

    @property
    def _agent_has_floor(self) -> bool:
        return self._speaking.busy or self._delivery.due

    @property
    def _may_interrupt(self) -> bool:
        turn = self.persona.config.turn
        greeting = any(each.source == "greeting" for each in self._speaking.playback.clips)
        return turn.barge_in and not (turn.protect_greeting and greeting)

    def _interrupt(self, event: interruption.Event) -> None:
        for action in self._interruption.receive(event, self._clock()):
            self._carry_out(action)

    def _carry_out(self, action: interruption.Action) -> None:
        match action:
            case interruption.Action.HOLD:
                self._spawn(self._hold_playback())
            case interruption.Action.RESUME:
                self._speaking.held = False
                self._spawn(self._speaking.resume())
                self._delivery.pump()
                self._answer_grew()
            case interruption.Action.DISMISS:
                self._listening.turns.abandon()
            case interruption.Action.YIELD:
                self._yield_floor()

    async def _hold_playback(self) -> None:
        self._speaking.held = True
        silenced_ns = await self._speaking.hold()
        for telling in self._tellings.values():
            telling.silenced_ns = silenced_ns

    def _yield_floor(self) -> None:
        since_ns = self._listening.speech_since_ns(self._interruption.onset_ns)
        if self._decided_ns and since_ns - self._decided_ns < CUT_OFF_MS * MS:
            self._cut_offs += 1
        for telling in self._tellings.values():
            telling.speech_since_ns = since_ns
        if self._delivery.due:
            self._discard()
        self._spawn(self._clear_playback())

    async def _clear_playback(self) -> None:
        await self._speaking.clear()
        self._settle()

    # ------------------------------------------------------------ keys and time

    def _enter_keys(self) -> None:
        keys, self._keys = " ".join(self._keys), ""
        now_ns = self._clock()
        self._listening.turns.abandon()
        self._stop(self._evidence)
        if self._agent_has_floor:
            self._yield_floor()
        self._discard()
        self._recognized_ns = now_ns
        ended = TurnEnded(keys, self._keys_ns, self._keys_ns, now_ns, KEYS_PAUSE_MS, 0, 0)
        self._release(ended, "keys")

    def _settle(self) -> None:
        """After anything happened: note who is silent, act on time, set the next alarm."""
        if self.closed:
            return
        quiet = self._listening.turns.phase is Phase.QUIET and not self._agent_has_floor
        if self._answered and quiet and not self._patience.held:
            self._patience.quiet(self._clock())
        else:
            self._patience.busy()
        deadlines = [
            self._listening.turns.next_deadline_ns(),
            self._interruption.next_deadline_ns(),
            self._patience.next_deadline_ns(),
            self._keys_ns + KEYS_PAUSE_MS * MS if self._keys else None,
        ]
        soonest_ns = min((each for each in deadlines if each is not None), default=None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if soonest_ns is not None:
            # never sooner than 1 ms: an alarm in the past must not keep the loop to itself
            delay_s = max(0.001, (soonest_ns - self._clock()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        try:
            self._take(self._listening.receive(turn_taking.Tick()))
            self._interrupt(interruption.Tick())
            if self._keys and self._clock() >= self._keys_ns + KEYS_PAUSE_MS * MS:
                self._enter_keys()
            for action in self._patience.receive_tick(self._clock()):
                self._be_patient(action)
            self._settle()
        except Exception as error:  # the call's own edge: this call ends, the others go on
            self.fail(error)

    def _be_patient(self, action: patience.Action) -> None:
        config = self.persona.config
        match action:
            case patience.Action.ASK:
                prompts = config.no_input
                self._say("prompt", prompts[min(self._patience.asked, len(prompts)) - 1])
            case patience.Action.END_SILENT:
                self._say("goodbye", config.goodbye, "goodbye", "no_input")
            case patience.Action.FILL:
                self._say("filler", config.filler[self._fillers % len(config.filler)])
                self._fillers += 1
            case patience.Action.GIVE_UP:
                self._discard()
                self._say("fallback", config.unknown)
            case patience.Action.END_LONG:
                self._discard()
                self._spawn(self._end_long_call())
            case patience.Action.HANG_UP:
                self._edge.send(HangupRequested(self.call_id, self._leaving or "agent_goodbye"))

    async def _end_long_call(self) -> None:
        await self._speaking.clear()
        self._say("goodbye", self.persona.config.goodbye, "goodbye", "max_duration")
        self._settle()

    # ------------------------------------------------------------ tasks

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _stop(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            task.cancel()

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End this conversation: the caller is told by edge, other calls go on."""
        if self.closed:
            return
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        log.error("conversation_failed", call_id=self.call_id, exc_info=error)
        self._edge.send(ConversationFailed(self.call_id, f"{type(error).__name__}: {error}"))
        self._closing = asyncio.ensure_future(self.close())
