"""Say a text on any stream: a whisper to a desk phone, an announcement over a queue's music.

One text at a time per stream: a new one replaces what we are still saying there. A looping file of
edge's is the background; it goes on under and after the words.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np

from agent.clip_numbers import DESK_FIRST, desk_base
from agent.engines.base import Samples
from agent.persona import Persona
from agent.speaking import FRAME_SAMPLES, MediaPort
from agent.streams import closing
from media import RemoteError
from media.messages import (
    AttachStream,
    ClearPlayback,
    ClipEnded,
    ClipFinished,
    ClipStarted,
    DetachStream,
    Message,
    PlaybackCleared,
    StreamGone,
)
from media.wire import AudioFrame, AudioKind

KEPT_SENTENCES = 64
"""Sentences whose audio is kept: prompts and positions come again and again."""
GRACE_S = 5.0
"""How long after its own length a text may still be waiting to end."""
SAMPLE_HZ = 8_000
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class SpeechCutOffError(RemoteError):
    """A text was not said to its end."""

    sip_status = 409


@dataclass(eq=False, slots=True)
class _Saying:
    """One text that is being said."""

    stream: int
    clip: int
    begun_ns: int
    ended: asyncio.Future[None] = field(default_factory=asyncio.Future)

    def fail(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(SpeechCutOffError(reason))


class DeskSpeech:
    """What this process says outside of conversations.

    Args:
        media: returns the link to media, None while there is none.
        is_attached: says whether a conversation keeps a stream attached.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        media: Callable[[], MediaPort | None],
        is_attached: Callable[[int], bool],
        clock: Callable[[], int],
    ) -> None:
        self._media = media
        self._is_attached = is_attached
        self._clock = clock
        self._number = desk_base(clock())
        self._sayings: dict[int, _Saying] = {}
        self._heard: OrderedDict[tuple[str, str], Samples] = OrderedDict()

    async def say(self, persona: Persona, stream: int, text: str) -> None:
        """Say a text; returns when its last sample left.

        Raises:
            SpeechCutOffError: the stream is gone, or something else took the text's place.
            RemoteError: media refused.
        """
        media = self._media()
        if media is None:
            raise SpeechCutOffError("no link to media")
        saying = self._begin(media, stream)
        saying.ended.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            if not self._is_attached(stream):
                await media.request(AttachStream(stream))
            await self._play(media, persona, saying, text)
        finally:
            if self._sayings.get(stream) is saying:
                del self._sayings[stream]
                if not saying.ended.done():
                    media.send(ClearPlayback(stream, keep_loop=True))
                if not self._is_attached(stream):
                    media.send(DetachStream(stream))

    def receive(self, message: Message) -> bool:
        """Take news of media; True where it was about our speech and about nothing else."""
        match message:
            case ClipFinished(stream=stream, clip=clip) if clip >= DESK_FIRST:
                saying = self._sayings.get(stream)
                if saying is not None and saying.clip == clip and not saying.ended.done():
                    saying.ended.set_result(None)
                return True
            case ClipStarted(clip=clip) if clip >= DESK_FIRST:
                return True
            case PlaybackCleared(stream=stream, at_ns=at_ns):
                saying = self._sayings.get(stream)
                if saying is not None and saying.begun_ns < at_ns:
                    saying.fail("cut off")
            case StreamGone(stream=stream):
                if (saying := self._sayings.get(stream)) is not None:
                    saying.fail("the stream is gone")
        return False

    def media_lost(self) -> None:
        """Give up everything."""
        for saying in list(self._sayings.values()):
            saying.fail("media is gone")

    def _begin(self, media: MediaPort, stream: int) -> _Saying:
        before = self._sayings.pop(stream, None)
        if before is not None:
            before.fail("replaced")
            media.send(ClearPlayback(stream, keep_loop=True))
        self._number += 1
        saying = _Saying(stream, self._number, self._clock())
        self._sayings[stream] = saying
        return saying

    async def _play(self, media: MediaPort, persona: Persona, saying: _Saying, text: str) -> None:
        position = 0
        async with closing(self._synthesize(persona, text)) as parts:
            async for samples in parts:
                if saying.ended.done():
                    break
                for start in range(0, len(samples), FRAME_SAMPLES):
                    part = samples[start : start + FRAME_SAMPLES]
                    at = position + start
                    media.send_audio(
                        AudioFrame(AudioKind.CLIP, saying.stream, saying.clip, at, 0, part)
                    )
                position += len(samples)
        if not position and not saying.ended.done():
            return
        media.send(ClipEnded(saying.stream, saying.clip))
        try:
            async with asyncio.timeout(position / SAMPLE_HZ + GRACE_S):
                await asyncio.shield(saying.ended)
        except TimeoutError as error:
            raise SpeechCutOffError("it did not end") from error

    async def _synthesize(self, persona: Persona, text: str) -> AsyncIterator[Samples]:
        for sentence in _SENTENCE_END.split(text.strip()):
            known = persona.speech.known(sentence)
            if known is None:
                known = self._heard.get((persona.name, sentence))
            if known is not None:
                yield known
                continue
            parts = []
            async for samples in persona.speech.say(sentence):
                parts.append(samples)
                yield samples
            self._keep((persona.name, sentence), parts)

    def _keep(self, key: tuple[str, str], parts: list[Samples]) -> None:
        if parts:
            self._heard[key] = np.concatenate(parts)
        while len(self._heard) > KEPT_SENTENCES:
            self._heard.popitem(last=False)
