from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from agent.clip_numbers import DESK_FIRST
from agent.desk_speech import DeskSpeech, SpeechCutOffError
from agent.persona import Persona
from agent.speech import Speech
from media.config.model import AgentConfig
from media.link import RequestFailedError
from media.messages import (
    AttachStream,
    ClearPlayback,
    ClipEnded,
    ClipFinished,
    ClipStarted,
    DetachStream,
    Done,
    Message,
    PlaybackCleared,
    StreamGone,
)
from media.wire import AudioFrame
from tests.agent.fakes import SAMPLES_PER_LETTER, FakeVoice, now_ns, run_virtual

pytestmark = pytest.mark.unit

TEXT = "A caller is waiting. Press 1 to take the call."


@dataclass
class DeskMedia:
    """Plays clips in real time and tells their ends."""

    desk: DeskSpeech | None = None
    messages: list[Message] = field(default_factory=list)
    samples: dict[int, int] = field(default_factory=dict)
    unknown: bool = False
    mute: bool = False
    cleared: set[int] = field(default_factory=set)

    def send(self, message: Message) -> None:
        self.messages.append(message)
        if isinstance(message, ClearPlayback):
            self.cleared.update(self.samples)
        if isinstance(message, ClipEnded) and not self.mute:
            self.task = asyncio.create_task(self._play(message))

    def send_audio(self, frame: AudioFrame) -> None:
        assert frame.position_samples == self.samples.get(frame.clip, 0)
        self.samples[frame.clip] = self.samples.get(frame.clip, 0) + len(frame.samples)

    async def request(self, message: Message, timeout_s: float = 5.0) -> Message:
        self.messages.append(message)
        await asyncio.sleep(0.001)
        if self.unknown:
            raise RequestFailedError("no such stream", 404)
        return Done()

    async def _play(self, ended: ClipEnded) -> None:
        assert self.desk is not None
        assert self.desk.receive(ClipStarted(ended.stream, ended.clip, now_ns()))
        await asyncio.sleep(self.samples[ended.clip] / 8_000)
        if ended.clip not in self.cleared:
            self.desk.receive(ClipFinished(ended.stream, ended.clip, now_ns()))


@dataclass
class Desk:
    """Desk speech with its fakes."""

    media: DeskMedia
    voice: FakeVoice
    persona: Persona
    speech: DeskSpeech
    attached: set[int]

    async def say(self, stream: int = 3, text: str = TEXT) -> None:
        await self.speech.say(self.persona, stream, text)


def at_desk(script: Callable[[Desk], Awaitable[None]]) -> Desk:
    """Run a script in virtual time."""

    async def run() -> Desk:
        media, voice, attached = DeskMedia(), FakeVoice(), set[int]()
        config = AgentConfig(greeting="Hello.", instructions="Help.")
        persona = Persona("support", config, Speech(voice))
        media.desk = DeskSpeech(lambda: media, attached.__contains__, now_ns)
        desk = Desk(media, voice, persona, media.desk, attached)
        await script(desk)
        return desk

    return run_virtual(run())


def test_done_comes_when_the_last_sample_left() -> None:
    """The whole text is one clip on an attached stream, and the stream is let go afterwards."""
    took_s: list[float] = []

    async def script(desk: Desk) -> None:
        began_ns = now_ns()
        await desk.say()
        took_s.append((now_ns() - began_ns) / 1e9)

    desk = at_desk(script)
    ((clip, samples),) = desk.media.samples.items()
    assert clip > DESK_FIRST
    assert samples == SAMPLES_PER_LETTER * (len(TEXT) - 1)
    assert took_s[0] == pytest.approx(samples / 8_000, abs=0.3)
    assert desk.media.messages == [AttachStream(3), ClipEnded(3, clip), DetachStream(3)]


def test_sentences_are_synthesised_once() -> None:
    """The prompt of every whisper comes from memory."""

    async def script(desk: Desk) -> None:
        await desk.say()
        await desk.say(4, "Another caller. Press 1 to take the call.")

    desk = at_desk(script)
    assert desk.voice.spoken == [
        "A caller is waiting.",
        "Press 1 to take the call.",
        "Another caller.",
    ]
    assert len(desk.media.samples) == 2


def test_known_sentences_of_the_persona_are_not_synthesised() -> None:
    """What a persona knows by heart is known here."""

    async def script(desk: Desk) -> None:
        await desk.persona.speech.learn("Hello.")
        await desk.say(text="Hello.")

    assert at_desk(script).voice.spoken == ["Hello."]


def test_a_new_text_replaces_the_one_before() -> None:
    """The first fails as replaced; the music under it is left alone."""

    async def script(desk: Desk) -> None:
        first = asyncio.create_task(desk.say())
        await asyncio.sleep(1.0)
        await desk.say(text="Press 1.")
        with pytest.raises(SpeechCutOffError, match="replaced"):
            await first

    desk = at_desk(script)
    assert ClearPlayback(3, keep_loop=True) in desk.media.messages
    assert desk.media.messages.count(DetachStream(3)) == 1


@pytest.mark.parametrize(
    "news", [PlaybackCleared(3, 1, 5, 2_000_000_000_000), StreamGone(3)], ids=["cleared", "gone"]
)
@pytest.mark.parametrize("after_s", [0.02, 1.0], ids=["before-its-audio", "meanwhile"])
def test_what_is_cut_off_fails(news: Message, after_s: float) -> None:
    """A phone that accepts, or is gone, ends the whisper, even one that has not begun to sound."""

    async def script(desk: Desk) -> None:
        saying = asyncio.create_task(desk.say())
        await asyncio.sleep(after_s)
        assert not desk.speech.receive(news)
        with pytest.raises(SpeechCutOffError):
            await saying
        sent = dict(desk.media.samples)
        await asyncio.sleep(5)
        assert desk.media.samples == sent
        if after_s < 0.05:
            assert sent == {}

    at_desk(script)


def test_a_clearing_before_the_text_is_not_its_own() -> None:
    """Late news of what was played before does not end what is said now."""

    async def script(desk: Desk) -> None:
        cleared = PlaybackCleared(3, 1, 5, now_ns() - 1)
        saying = asyncio.create_task(desk.say())
        await asyncio.sleep(0.5)
        desk.speech.receive(cleared)
        await asyncio.sleep(0)
        assert not saying.done()
        await saying

    at_desk(script)


def test_an_unknown_stream_fails() -> None:
    """Media's refusal is the answer."""

    async def script(desk: Desk) -> None:
        desk.media.unknown = True
        with pytest.raises(RequestFailedError):
            await desk.say()

    assert at_desk(script).media.samples == {}


def test_an_end_that_never_comes_fails_after_a_while() -> None:
    """Nobody waits for ever for news of a stream that stands still."""

    async def script(desk: Desk) -> None:
        desk.media.mute = True
        with pytest.raises(SpeechCutOffError, match="did not end"):
            await desk.say()

    at_desk(script)


def test_a_conversations_stream_stays_attached() -> None:
    """An announcement on a caller's stream does not deafen the conversation."""

    async def script(desk: Desk) -> None:
        desk.attached.add(3)
        await desk.say()

    kinds = {type(each) for each in at_desk(script).media.messages}
    assert kinds == {ClipEnded}


def test_lost_media_fails_all() -> None:
    """Without media nothing is being said."""

    async def script(desk: Desk) -> None:
        saying = asyncio.create_task(desk.say())
        await asyncio.sleep(0.5)
        desk.speech.media_lost()
        with pytest.raises(SpeechCutOffError, match="media"):
            await saying

    at_desk(script)
