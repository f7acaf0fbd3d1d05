"""Hold one conversation: connect what is said to the call, its keys and its people (asyncio shell).

What is said is the matter of :mod:`agent.exchanges`. Everything runs on the event loop except the
engines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from agent import patience
from agent.alarm import Alarm
from agent.call_tasks import CallTasks
from agent.exchange import Telling
from agent.exchanges import Exchanges
from agent.handing_over import HandingOver
from agent.handover import Handover
from agent.history import History
from agent.keys import END_KEY, KeyEntry
from agent.persona import Persona
from agent.playback import Clip
from agent.sessions import EdgePort, Sessions
from agent.speaking import MediaPort
from agent.summary import Summary, summarize
from media.config.model import TurnConfig
from media.messages import (
    CallId,
    ClipFinished,
    ClipStarted,
    ConversationFailed,
    DetachStream,
    PlaybackCleared,
)
from media.wire import AudioFrame

FLUSH_S = 1.0
"""How long the last words are waited for when the call is gone."""

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
        self.caller = ""
        """The caller's number or address, empty where it is not known."""
        self._sessions = sessions
        self._media = media
        self._edge = edge
        self._clock = clock
        self._tasks = CallTasks(self.fail)
        handover = Handover(persona.human_queue, persona.config)
        self._exchanges = Exchanges(
            call_id,
            stream,
            persona,
            sessions,
            handover,
            media,
            edge,
            self._tasks.spawn,
            self._settle,
            self._clip_over,
            clock,
        )
        self._human = HandingOver(
            call_id, persona, handover, self._exchanges.unasked, edge, self._fall_silent, clock
        )
        self._entry = KeyEntry()
        self._answered = False
        self._alarm = Alarm(self._tick, clock)

    @property
    def closed(self) -> bool:
        """Whether the conversation is over."""
        return self._exchanges.closed

    @property
    def history(self) -> History:
        """What was said."""
        return self._exchanges.history

    def answered(self) -> None:
        """Greet: the call is up."""
        if not self._answered:
            self._answered = True
            self._exchanges.patience.call_answered(self._clock())
            self._exchanges.unasked.greet()
            self._settle()

    def receive_audio(self, frame: AudioFrame) -> None:
        """Take caller audio; what a line plays that holds us is not the caller."""
        if not (self.closed or self._human.away or self._exchanges.patience.held):
            self._exchanges.receive_audio(frame)
            self._settle()

    def receive(self, message: ClipStarted | ClipFinished | PlaybackCleared) -> None:
        """Take what media says of our clips."""
        speaking = self._exchanges.speaking
        if not isinstance(message, PlaybackCleared):
            speaking.receive(message)
        elif self._human.away or speaking.has(message.clip):
            speaking.cleared_by_other(message)
        self._settle()

    def hold(self, held: bool) -> None:
        """Take that the caller put us on hold, or came back."""
        self._exchanges.patience.held = held
        if held:
            self._exchanges.abandon()
        self._settle()

    # ------------------------------------------------------------ keys

    def press(self, digit: str) -> None:
        """Take a key; ``#`` ends an entry, a pause does too."""
        exchanges = self._exchanges
        if self.closed or exchanges.leaving or self._human.away or exchanges.floor.unstoppable:
            return
        if self._entry.empty and digit in self.persona.config.human_keys:
            self._tasks.spawn(self._connect_by_key(digit))
            return
        entry = self._entry.press(digit, self._clock())
        if entry is not None:
            exchanges.enter_keys(entry, self._entry.pressed_ns)
        elif digit == END_KEY:
            exchanges.end_turn()
        self._settle()

    async def _connect_by_key(self, key: str) -> None:
        self._exchanges.abandon()
        await self._exchanges.floor.clear()
        if not self._human.away and not self._exchanges.floor.connecting:
            self._human.press(key)
            self._settle()

    # ------------------------------------------------------------ people

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
        self._exchanges.speaking.forget(self._clock())
        self._answered = True
        # the time with people is not the agent's
        answered_ns = self._exchanges.patience.answered_ns or self._clock()
        self._exchanges.patience.call_answered(answered_ns + self._human.away_ns)
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

    def _clip_over(self, clip: Clip, telling: Telling) -> None:
        self._human.clip_over(clip, telling)

    def _fall_silent(self) -> None:
        """Leave the caller to somebody else."""
        self._exchanges.fall_silent()
        self._entry = KeyEntry()

    def _gives_up_for_good(self) -> bool:
        fact = self._exchanges.delivery.fallback
        known = bool(fact) and self.persona.speech.known(fact) is not None
        return self._human.gave_up(fact_known=known)

    def _ask_human_instead(self) -> None:
        """Put the caller through: the model does not answer."""
        self._exchanges.discard()
        self._human.say_stalled()

    # ------------------------------------------------------------ settings

    @property
    def turn(self) -> TurnConfig:
        """The turn settings in use."""
        return self._exchanges.floor.turn

    def retune(self, turn: TurnConfig) -> None:
        """Use other turn settings from now on."""
        self._exchanges.retune(turn)
        self._settle()

    # ------------------------------------------------------------ time

    def _settle(self) -> None:
        """After anything happened: note who is silent, act on time, set the next alarm."""
        if self.closed:
            return
        exchanges, human = self._exchanges, self._human
        human.wait(exchanges.delivery.due and not exchanges.delivery.started)
        if human.away:
            exchanges.patience.busy()
            self._alarm.set(human.next_deadline_ns())
            return
        exchanges.note_silence(expectant=self._answered and self._entry.empty)
        self._alarm.set(
            *exchanges.next_deadlines_ns(),
            self._entry.next_deadline_ns(),
            human.next_deadline_ns(),
        )

    def _tick(self) -> None:
        try:
            self._human.receive_tick()
            if self._human.away:
                self._settle()
                return
            self._exchanges.receive_tick()
            if (entry := self._entry.receive_tick(self._clock())) is not None:
                self._exchanges.enter_keys(entry, self._entry.pressed_ns)
            if self._human.stalled:
                self._ask_human_instead()
            for action in self._exchanges.patience.receive_tick(self._clock()):
                self._run_out(action)
            self._settle()
        except Exception as error:  # the call's own edge: this call ends, the others go on
            self.fail(error)

    def _run_out(self, action: patience.Action) -> None:
        """Carry out what is to happen now that patience has run out."""
        if action is patience.Action.GIVE_UP and self._gives_up_for_good():
            self._ask_human_instead()
            return
        self._exchanges.unasked.receive(action)
        if action is patience.Action.END_LONG:
            self._tasks.spawn(self._exchanges.say_goodbye_to_long_call())

    # ------------------------------------------------------------ the end

    async def close(self) -> None:
        """End: what was said last is still written down."""
        if self.closed:
            return
        exchanges, speaking = self._exchanges, self._exchanges.speaking
        self._alarm.cancel()
        exchanges.close()
        self._tasks.cancel()
        if self._human.away:
            speaking.forget(self._clock())
        for last_work in (speaking.clear_or_guess(self._clock), exchanges.write_last_words()):
            try:
                async with asyncio.timeout(FLUSH_S):
                    await last_work
            except Exception as error:  # the call is over: nothing may keep it from being closed
                log.warning("last_words_lost", call_id=self.call_id, reason=str(error))
        self._media.send(DetachStream(self.stream))
        self._sessions.listening.close()
        self._sessions.dialogue.close()

    def fail(self, error: BaseException) -> None:
        """End this conversation: the caller is told by edge, other calls go on."""
        if self.closed:
            return
        log.error("conversation_failed", call_id=self.call_id, exc_info=error)
        self._edge.send(ConversationFailed(self.call_id, f"{type(error).__name__}: {error}"))
        self._closing = asyncio.ensure_future(self.close())
