"""Scripted engines, a media bridge and a caller in virtual time, for conversations without models.

A caller's words travel as audio: each utterance's samples carry a number in their value, and the
fake recogniser reads back only the numbers that it was really given.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from agent.conversation import Conversation
from agent.engines.base import ChatMessage, Samples, Transcript
from agent.ladder import Allowance
from agent.listening import Listening
from agent.persona import Persona
from agent.playback import Clip
from agent.sessions import Sessions
from agent.speech import Speech
from media.config.model import AgentConfig
from media.link import LinkClosedError
from media.messages import (
    CallId,
    ClearPlayback,
    ClipEnded,
    ClipFinished,
    ClipStarted,
    Done,
    HangupRequested,
    Message,
    PausePlayback,
    PlaybackCleared,
    ResumePlayback,
    Speaker,
    Turn,
)
from media.wire import AudioFrame, AudioKind

MS = 1_000_000
FRAME_SAMPLES = 160
SAMPLES_PER_LETTER = 480
"""60 ms: about 16 letters a second."""
LOUD = 4_000
T = TypeVar("T")


class _SkippingSelector(selectors.DefaultSelector):
    """Let virtual time pass instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("virtual time stands still: nothing is scheduled")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next alarm."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._skipping.now_s


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now_ns() -> int:
    """Return the running loop's time as monotonic nanoseconds."""
    return round(asyncio.get_running_loop().time() * 1e9)


class FakeActivity:
    """Voice activity: loud is speech."""

    window_samples = 256

    def __init__(self) -> None:
        self._rest = np.zeros(0, dtype=np.int16)

    def receive(self, samples: Samples) -> list[float]:
        audio = np.concatenate((self._rest, samples))
        count = len(audio) // 256
        self._rest = audio[count * 256 :]
        windows = audio[: count * 256].reshape(count, 256)
        return [0.95 if int(np.max(np.abs(each))) > 1_000 else 0.02 for each in windows]

    def reset(self) -> None:
        self._rest = np.zeros(0, dtype=np.int16)


class FakeRecognizer:
    """Read back the utterances whose audio came in, after ``delay_s``."""

    name = "fake-recognizer"
    language = "en"

    def __init__(self, said: list[str], delay_s: float = 0.2) -> None:
        self.said = said
        self.delay_s = delay_s
        self.fault: Exception | None = None
        self._numbers: list[int] = []

    def open(
        self, likely: Sequence[str] = (), may_repeat: Callable[[], bool] = lambda: True
    ) -> FakeRecognizer:
        return self

    def start(self) -> None:
        self._numbers = []

    def receive(self, samples: Samples) -> None:
        for value in dict.fromkeys(int(each) - LOUD for each in samples if each >= LOUD):
            if value not in self._numbers:
                self._numbers.append(value)

    def _words(self) -> str:
        return " ".join(self.said[each] for each in self._numbers if self.said[each])

    async def partial(self) -> Transcript:
        return Transcript(self._words(), 0.8, 0)

    async def finish(self) -> Transcript:
        await asyncio.sleep(self.delay_s)
        if self.fault is not None:
            raise self.fault
        return Transcript(self._words(), 0.9, 0)

    def close(self) -> None:
        self._numbers = []


@dataclass
class FakeTurnModel:
    """Say the same of every voice."""

    probability: float = 0.95

    async def complete_probability(self, samples: Samples) -> float:
        await asyncio.sleep(0.02)
        return self.probability


@dataclass
class FakeModel:
    """Answer by a script: the first entry whose key is in the question."""

    answers: dict[str, str]
    first_token_s: float = 0.1
    token_s: float = 0.02
    stall_after: int | None = None
    """Tokens after which nothing more comes."""
    name: str = "fake-model"
    asked: list[list[ChatMessage]] = field(default_factory=list)
    cancelled: int = 0
    prefills: int = 0
    prefilled_into: int = 0
    """Prefills while an answer was generated: the engine ends the answer for them."""
    urgent: list[bool] = field(default_factory=list)
    """Of each answer that was asked for."""
    hurried: int = 0
    generating: int = 0

    async def open(self, prefix: Sequence[ChatMessage]) -> FakeModel:
        return self

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        self.prefills += 1
        self.prefilled_into += self.generating
        await asyncio.sleep(0)

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        urgent: bool = True,
        likely: Sequence[str] = (),
        grammar: str | None = None,
    ) -> AsyncIterator[str]:
        self.asked.append(list(messages))
        self.urgent.append(urgent)
        question = messages[-1].text.split("Caller: ")[-1].lower()
        answer = next(
            (each for key, each in self.answers.items() if key in question), "I do not know."
        )
        whole = False
        self.generating += 1
        try:
            await asyncio.sleep(self.first_token_s)
            for count, token in enumerate(answer.split(" ")):
                if count == self.stall_after:
                    await asyncio.sleep(3_600)
                yield token + " "
                await asyncio.sleep(self.token_s)
            whole = True
        finally:
            self.generating -= 1
            self.cancelled += not whole

    def hurry(self) -> None:
        self.hurried += 1

    def close(self) -> None:
        pass


@dataclass
class FakeVoice:
    """Turn letters into silence-free audio of a known length."""

    delay_s: float = 0.05
    name: str = "fake-voice"
    spoken: list[str] = field(default_factory=list)

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        self.spoken.append(text)
        await asyncio.sleep(self.delay_s)
        yield np.full(len(text) * SAMPLES_PER_LETTER, 900, dtype=np.int16)


class FakeMedia:
    """A playout queue with its 20 ms clock, as media keeps it."""

    def __init__(self) -> None:
        self.conversation: Conversation | None = None
        self.paused = False
        self.gone = False
        self.clears: list[ClearPlayback] = []
        self.packets: list[tuple[int, int]] = []
        """(time, clip) of every packet that carried speech."""
        self._queue: dict[int, int] = {}
        self._position: dict[int, int] = {}
        self._ended: set[int] = set()
        self._closed: set[int] = set()

    def send(self, message: Message) -> None:
        if isinstance(message, ClipEnded):
            self._ended.add(message.clip)
        elif isinstance(message, ResumePlayback):
            self.paused = False

    def send_audio(self, frame: AudioFrame) -> None:
        if frame.clip not in self._closed:
            assert frame.position_samples == self._position.get(frame.clip, 0) + self._queue.get(
                frame.clip, 0
            )
            self._queue[frame.clip] = self._queue.get(frame.clip, 0) + len(frame.samples)

    async def request(self, message: Message, timeout_s: float = 5.0) -> Message:
        await asyncio.sleep(0.001)
        if self.gone:
            raise LinkClosedError("media is gone")
        clip = next(iter(self._queue), 0)
        reply = PlaybackCleared(1, clip, self._position.get(clip, 0), now_ns())
        if isinstance(message, PausePlayback):
            self.paused = True
            return reply
        if isinstance(message, ClearPlayback):
            self.clears.append(message)
            self._closed.update(self._queue)
            self._queue.clear()
            return reply
        self.send(message)
        return Done()

    def tick(self) -> None:
        """Send one packet."""
        if self.paused or not self._queue or self.conversation is None:
            return
        clip = next(iter(self._queue))
        if self._queue[clip]:
            if clip not in self._position:
                self._position[clip] = 0
                self.conversation.receive(ClipStarted(1, clip, now_ns()))
            taken = min(FRAME_SAMPLES, self._queue[clip])
            self._queue[clip] -= taken
            self._position[clip] += taken
            self.packets.append((now_ns(), clip))
        if not self._queue[clip] and clip in self._ended:
            del self._queue[clip]
            self._closed.add(clip)
            self.conversation.receive(ClipFinished(1, clip, now_ns()))


@dataclass
class Phone:
    """A whole call: caller, media and conversation, on one virtual clock."""

    persona_config: AgentConfig
    answers: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    edge: list[Message] = field(default_factory=list)
    media: FakeMedia = field(default_factory=FakeMedia)
    model: FakeModel = field(init=False)
    recognizer: FakeRecognizer = field(init=False)
    voice: FakeVoice = field(default_factory=FakeVoice)
    turn_model: FakeTurnModel = field(default_factory=FakeTurnModel)
    queues: tuple[str, ...] = ()
    allowance: Allowance = field(default_factory=Allowance)
    speech_ended_ns: int = 0
    speech_began_ns: int = 0
    answered_ns: int = 0
    _level: int = 0
    _ticker: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.model = FakeModel(self.answers)
        self.recognizer = FakeRecognizer(self.said)

    async def dial(self, *, answer: bool = True) -> None:
        """Open the conversation and answer the call."""
        persona = Persona("support", self.persona_config, Speech(self.voice), self.queues)
        await persona.warm_up(self.model)
        listening = Listening(
            FakeActivity(),
            self.recognizer,
            self.turn_model,
            persona.timing,
            self.persona_config.limits.max_turn_s * 1_000,
            now_ns,
        )
        sessions = Sessions(listening, self.model, self.allowance)
        self.conversation = Conversation(
            CallId("c1"), 1, persona, sessions, self.media, self, now_ns
        )
        self.media.conversation = self.conversation
        self._ticker = asyncio.create_task(self._run())
        self.answered_ns = now_ns()
        if answer:
            self.conversation.answered()

    async def hang_up(self) -> None:
        """End the call."""
        await self.conversation.close()
        if self._ticker is not None:
            self._ticker.cancel()

    def send(self, message: Message) -> None:
        """Take what the conversation tells edge."""
        self.edge.append(message)

    async def say(self, text: str, ms: int) -> None:
        """Speak; an empty text is a noise."""
        self.said.append(text)
        self._level = LOUD + len(self.said) - 1
        self.speech_began_ns = now_ns()
        await asyncio.sleep(ms / 1_000)
        self._level = 0
        self.speech_ended_ns = now_ns()

    async def wait(self, ms: int) -> None:
        """Be silent."""
        await asyncio.sleep(ms / 1_000)

    async def until(self, condition: Callable[[], bool], limit_ms: int = 20_000) -> None:
        """Be silent until something is the case."""
        for _ in range(limit_ms // 20):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not happen")

    async def until_quiet(self, limit_ms: int = 20_000) -> None:
        """Be silent until the agent has spoken and is done."""
        last = len(self.media.packets)
        await self.until(lambda: len(self.media.packets) > last, limit_ms)
        while True:
            last = len(self.media.packets)
            await asyncio.sleep(0.3)
            if len(self.media.packets) == last:
                return

    async def _run(self) -> None:
        position = 0
        while True:
            await asyncio.sleep(0.02)
            samples = np.full(FRAME_SAMPLES, self._level, dtype=np.int16)
            position += FRAME_SAMPLES
            self.conversation.receive_audio(
                AudioFrame(AudioKind.CALLER, 1, 0, position, now_ns(), samples)
            )
            self.media.tick()

    def turns(self, speaker: Speaker) -> list[Turn]:
        """Return the turns of one side, in order."""
        return [each for each in self.edge if isinstance(each, Turn) and each.speaker is speaker]

    def hangups(self) -> list[str]:
        """Return the reasons of the hang-ups asked for."""
        return [each.reason for each in self.edge if isinstance(each, HangupRequested)]

    def packets_since(self, at_ns: int) -> list[int]:
        """Return the times of our speech packets since a moment."""
        return [sent_ns for sent_ns, _ in self.media.packets if sent_ns >= at_ns]


__all__ = ["Clip", "FakeMedia", "FakeModel", "FakeVoice", "Phone", "now_ns", "run_virtual"]
