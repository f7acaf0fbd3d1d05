"""Hear one caller: audio in, whose turn it is and what was said out (thin shell).

Voice activity runs on the event loop (0.2 ms a window); recognition and the turn model run in the
engines' threads. The audio of the utterance is kept with a little from before it began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from agent.audible import AudibleTracker
from agent.endpointing import TurnTiming
from agent.engines.base import RecognizerSession, Samples, TurnModel, VoiceActivitySession
from agent.turn_taking import Action, Event, Phase, SpeechBegan, TurnTaking, Window
from media.wire import AudioFrame

PRE_ROLL_SAMPLES = 3_200
"""400 ms at 8 kHz: the detector needs about 100 ms, and a soft first consonant more."""
MELODY_SAMPLES = 64_000
"""8 s, what the turn model looks at."""


class Listening:
    """The caller's side of one conversation.

    Args:
        activity: voice activity detector of this call.
        recognizer: recogniser of this call.
        turn_model: None where there is none.
        timing: of the persona.
        max_turn_ms: longest turn.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        activity: VoiceActivitySession,
        recognizer: RecognizerSession,
        turn_model: TurnModel | None,
        timing: TurnTiming,
        max_turn_ms: int,
        clock: Callable[[], int],
    ) -> None:
        self.turns = TurnTaking(timing, max_turn_ms)
        self.audible = AudibleTracker()
        self._activity = activity
        self._recognizer = recognizer
        self._turn_model = turn_model
        self._clock = clock
        self.confidence = 0.0
        """Of the words returned last, 0 to 1."""
        self._before: deque[Samples] = deque()
        self._utterance: list[Samples] = []

    def receive_audio(self, frame: AudioFrame) -> list[Action]:
        """Take caller audio; return what the turn core makes of it."""
        self.audible.receive(frame.samples, frame.wire_ns, frame.concealed)
        if self.turns.phase is Phase.QUIET:
            self._remember(frame.samples)
        else:
            self._utterance.append(frame.samples)
            self._recognizer.receive(frame.samples)
        wire_ns = frame.wire_ns or self._clock()
        window_ms = self._activity.window_samples // 8
        actions: list[Action] = []
        for probability in self._activity.receive(frame.samples):
            last = self.audible.last_audible_ns(wire_ns)
            window = Window(probability, wire_ns, last, window_ms)
            actions += self.receive(window)
        return actions

    def receive(self, event: Event) -> list[Action]:
        """Pass an event to the turn core."""
        actions = self.turns.receive(event, self._clock())
        if any(isinstance(each, SpeechBegan) for each in actions):
            self._start_utterance()
        return actions

    async def recognize(self) -> str:
        """Return the words of the utterance so far."""
        transcript = await self._recognizer.finish()
        self.confidence = transcript.confidence
        return transcript.text.strip()

    async def partial(self) -> str:
        """Return the words so far, possibly slightly old."""
        transcript = await self._recognizer.partial()
        self.confidence = transcript.confidence
        return transcript.text.strip()

    async def melody(self) -> float | None:
        """Return whether the voice sounds finished, None without a turn model."""
        if self._turn_model is None or not self._utterance:
            return None
        audio = np.concatenate(self._utterance)[-MELODY_SAMPLES:]
        return await self._turn_model.complete_probability(audio)

    def speech_since_ns(self, onset_ns: int) -> int:
        """Return the arrival of the first audible packet of speech that began about then."""
        first = self.audible.first_audible_ns(onset_ns - 120_000_000)
        return onset_ns if first is None else min(first, onset_ns)

    def close(self) -> None:
        """Release the recogniser."""
        self._recognizer.close()

    def _remember(self, samples: Samples) -> None:
        self._before.append(samples)
        held = sum(len(each) for each in self._before)
        while held > PRE_ROLL_SAMPLES and len(self._before) > 1:
            held -= len(self._before.popleft())

    def _start_utterance(self) -> None:
        self._recognizer.start()
        self._utterance = list(self._before)
        self._before.clear()
        for samples in self._utterance:
            self._recognizer.receive(samples)


async def gather_evidence(
    listening: Listening, words: Callable[[str], bool], melody: Callable[[float], None]
) -> None:
    """Ask the recogniser, then the turn model if the words leave something to decide.

    Args:
        listening: the caller's side.
        words: told the words; says whether the voice's melody may change the verdict.
        melody: told what the turn model says.
    """
    if not words(await listening.recognize()):
        return
    probability = await listening.melody()
    if probability is not None:
        melody(probability)
