"""Decide from moment to moment whose turn it is (sans-IO).

Speech probabilities of 32 ms windows become speech by hysteresis; a short silence after it ends
the turn *provisionally*, so that work on an answer can begin; the turn is over when the silence
is as long as the words and the voice ask for (:mod:`agent.endpointing`).

========  ===================================  ==========================================
state     event                                next state, actions
========  ===================================  ==========================================
QUIET     windows above START                  SPEAKING, SpeechBegan
SPEAKING  silence >= provisional_ms            PAUSED, SpeechPaused
SPEAKING  speech for max_turn_ms               PAUSED, SpeechPaused; ends with its words
PAUSED    windows above START                  SPEAKING, SpeechWentOn
PAUSED    silence >= required, words are in    QUIET, TurnEnded
PAUSED    key that ends the turn, words in     QUIET, TurnEnded
any       abandon()                            QUIET, nothing
========  ===================================  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.endpointing import Expectation, Grasp, TurnTiming, required_silence_ms

MS = 1_000_000
START_PROBABILITY = 0.5
STOP_PROBABILITY = 0.35
START_WINDOWS = 2
INAUDIBLE_MS = 80
"""The detector hears a voice for 60 to 190 ms after its end; what cannot be heard is none."""
STALE_MS = 100
"""A rise whose next window has not come by then (RTP stopped) is no speech."""
WORDS_LIMIT_MS = 3_500
"""A recogniser that has not answered so long after the voice's end is not waited for: the sentence
said instead starts before 4 s of silence."""


class Phase(StrEnum):
    """Where the caller's turn stands."""

    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Window:
    """One verdict of the voice activity detector."""

    probability: float
    wire_ns: int
    """Arrival of the packet that completed the window."""
    last_audible_ns: int | None
    """Arrival of the last audible packet up to this one."""
    length_ms: int = 32


@dataclass(frozen=True, slots=True)
class Words:
    """The recogniser's words for everything said up to the pause ``pause``."""

    text: str
    pause: int
    grasp: Grasp = Grasp.NOTHING
    """Whether they can be answered."""


@dataclass(frozen=True, slots=True)
class Melody:
    """The turn model's P(complete) at the pause ``pause``."""

    probability: float
    pause: int


@dataclass(frozen=True, slots=True)
class EndKey:
    """The caller pressed the key that ends an entry (``#``)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event = Window | Words | Melody | EndKey | Tick


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The caller began to speak."""

    onset_ns: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The turn is provisionally over."""

    pause: int
    """Number of the pause; Words and Melody repeat it."""
    ended_ns: int
    """Arrival of the last audible packet."""


@dataclass(frozen=True, slots=True)
class SpeechWentOn:
    """The caller went on: what was prepared since the pause is void."""

    silence_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over."""

    text: str
    started_ns: int
    ended_ns: int
    """Arrival of the last audible packet."""
    decided_ns: int
    required_ms: int
    speech_ms: int
    """Time in which the detector heard speech."""
    pauses: int
    """Inner pauses that were waited out."""
    unrecognized: bool = False
    """The recogniser had not answered yet; that the text is empty proves nothing."""


Action = SpeechBegan | SpeechPaused | SpeechWentOn | TurnEnded


class TurnTaking:
    """The turns of one caller.

    Args:
        timing: how long silences may be.
        max_turn_ms: speech that lasts longer is answered all the same.
    """

    def __init__(self, timing: TurnTiming, max_turn_ms: int = 60_000) -> None:
        self.timing = timing
        self.expectation = Expectation.OPEN
        self.phase = Phase.QUIET
        self.onset_ns = 0
        self._max_turn_ms = max_turn_ms
        self._rising = 0
        self._rising_ns = 0
        self._heard_ns = 0
        self._last_speech_ns = 0
        self._ended_ns = 0
        self._pause = 0
        self._pauses = 0
        self._speech_ms = 0
        self._text: str | None = None
        self._grasp = Grasp.NOTHING
        self._melody: float | None = None
        self._forced = False

    def receive(self, event: Event, now_ns: int) -> list[Action]:
        """Take one event and return what follows from it, in order."""
        actions: list[Action] = []
        match event:
            case Window():
                actions += self._hear(event)
            case Words(text=text, pause=pause, grasp=grasp) if pause == self._pause:
                self._text, self._grasp = text, grasp
            case Melody(probability=probability, pause=pause) if pause == self._pause:
                self._melody = probability
            case EndKey():
                self._forced = True
                if self.phase is Phase.SPEAKING:
                    actions.append(self._begin_pause())
            case _:
                pass
        return actions + self._judge(now_ns)

    def next_deadline_ns(self) -> int | None:
        """Return when a Tick changes something, None if only other events do."""
        if self.phase is Phase.SPEAKING:
            return min(
                self._last_speech_ns + self.timing.provisional_ms * MS,
                self.onset_ns + self._max_turn_ms * MS,
            )
        if self.phase is Phase.PAUSED:
            if self._text is None:
                return self._ended_ns + WORDS_LIMIT_MS * MS
            required_ns = self._ended_ns + self._required_ms() * MS
            return max(required_ns, self._heard_ns + STALE_MS * MS) if self._rising else required_ns
        return None

    def abandon(self) -> None:
        """Forget the turn: it was no turn (a cough, an mm-hm)."""
        self._pause += 1
        self._rising = 0
        self._begin_anew()

    @property
    def speech_ms(self) -> int:
        """Time in which the detector heard speech in this turn."""
        return self._speech_ms

    def _begin_anew(self) -> None:
        self.phase = Phase.QUIET
        self._pauses = 0
        self._speech_ms = 0
        self._text = None
        self._melody = None
        self._forced = False

    def _hear(self, window: Window) -> list[Action]:
        speaking = self.phase is Phase.SPEAKING
        self._heard_ns = window.wire_ns
        threshold = STOP_PROBABILITY if speaking else START_PROBABILITY
        if window.probability >= threshold and not self._fell_silent(window):
            if not self._rising:
                self._rising_ns = window.wire_ns - window.length_ms * MS
            self._rising += 1
        else:
            self._rising = 0
        if speaking and self._rising:
            self._note_speech(window)
        elif not speaking and self._rising >= START_WINDOWS:
            return [self._begin_speech(window)]
        return []

    def _fell_silent(self, window: Window) -> bool:
        """Say whether a turn that could be heard cannot be heard any more.

        A voice that was never above the line's noise is left to the detector.
        """
        audible = window.last_audible_ns
        if self.phase is Phase.QUIET or audible is None or audible < self.onset_ns:
            return False
        return window.wire_ns - audible > INAUDIBLE_MS * MS

    def _note_speech(self, window: Window) -> None:
        self._speech_ms += window.length_ms
        self._last_speech_ns = window.wire_ns
        audible = window.last_audible_ns
        # the detector lags the voice: the last audible packet is the end that a caller feels
        if audible is None or audible < self.onset_ns:
            audible = window.wire_ns
        self._ended_ns = max(self._ended_ns, audible)

    def _begin_speech(self, window: Window) -> Action:
        went_on = self.phase is Phase.PAUSED
        silence_ms = (self._rising_ns - self._ended_ns) // MS
        if went_on:
            self._pauses += 1
        else:
            self.onset_ns = self._rising_ns
            self._ended_ns = 0
            self._speech_ms = (START_WINDOWS - 1) * window.length_ms
        self.phase = Phase.SPEAKING
        self._pause += 1
        self._text = None
        self._melody = None
        self._note_speech(window)
        return SpeechWentOn(max(0, silence_ms)) if went_on else SpeechBegan(self.onset_ns)

    def _begin_pause(self) -> SpeechPaused:
        self.phase = Phase.PAUSED
        self._rising = 0
        self._pause += 1
        return SpeechPaused(self._pause, self._ended_ns)

    def _required_ms(self) -> int:
        if self._forced:
            return 0
        required = required_silence_ms(
            self.timing, self._text or "", self._melody, self.expectation, self._grasp
        )
        return max(required, self.timing.provisional_ms)

    def _judge(self, now_ns: int) -> list[Action]:
        if self.phase is Phase.SPEAKING:
            if now_ns >= self.onset_ns + self._max_turn_ms * MS:
                self._forced = True
                return [self._begin_pause()]
            quiet_ns = now_ns - max(self._ended_ns, self._last_speech_ns - 64 * MS)
            if not self._rising and quiet_ns >= self.timing.provisional_ms * MS:
                return [self._begin_pause()]
            if now_ns >= self._last_speech_ns + self.timing.provisional_ms * MS:
                return [self._begin_pause()]
        elif self.phase is Phase.PAUSED:
            return self._judge_pause(now_ns)
        return []

    def _judge_pause(self, now_ns: int) -> list[Action]:
        waited_ms = (now_ns - self._ended_ns) // MS
        required_ms = self._required_ms()
        if self._text is None and waited_ms < WORDS_LIMIT_MS:
            return []
        # a window already above the threshold may be the caller going on: hear it out
        rising = self._rising and now_ns < self._heard_ns + STALE_MS * MS
        if waited_ms < required_ms or (rising and not self._forced):
            return []
        ended = TurnEnded(
            self._text or "",
            self.onset_ns,
            self._ended_ns,
            now_ns,
            required_ms,
            self._speech_ms,
            self._pauses,
            self._text is None,
        )
        self._begin_anew()
        return [ended]
