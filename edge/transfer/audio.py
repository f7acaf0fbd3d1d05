"""Let caller and person hear what a transfer wants them to hear (asyncio shell)."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import structlog

import media
from edge.call_surroundings import Asked
from edge.transfer.order import Order
from edge.transfer.wire_times import Sent, WireTimes
from media import RemoteError
from media.messages import (
    ClearPlayback,
    JoinStreams,
    PlayFile,
    SpeakText,
    SplitStreams,
    VoiceStarted,
)

MUSIC_CLIP = 0xFFFF_FFE0
"""Clip number of the hold music; the agent counts its own from 1."""
CONFIRMED_CLIP = 0xFFFF_FFE2
SPEECH_S = 60.0
SOUNDS = Path(media.__file__).parent / "sounds"
CONFIRMED = SOUNDS / "confirmed.wav"

log = structlog.get_logger()


class TransferAudio:
    """Music, announcements, whispers and the joined legs of one transfer.

    Args:
        order: the caller.
        media: the media process.
        agent: the agent process, which speaks.
        wire: tells what media has sent.
    """

    def __init__(self, order: Order, media: Asked, agent: Asked, wire: WireTimes) -> None:
        self.music_ns: int | None = None
        """When the first packet of the music left."""
        self._heard_ns: dict[int, int] = {}
        """By stream: when the first packet with the other's voice left, of the last join."""
        self._wire = wire
        self._order = order
        self._media = media
        self._agent = agent
        self._playing = ""
        self._spoken: dict[int, int] = {}
        """Whispers begun, by stream; joining a stream counts, too."""
        self._turn = asyncio.Lock()

    async def play_music(self, path: str | None) -> None:
        """Play a file again and again, the one that ships where none is given."""
        async with self._turn:
            await self._play_music(path)

    async def _play_music(self, path: str | None) -> None:
        file = path or str(SOUNDS / "hold_music.wav")
        if self._playing == file:
            return
        self._playing = file
        self._wire.watch(self._order.stream, self._note)
        try:
            await self._media.request(PlayFile(self._order.stream, file, MUSIC_CLIP, loop=True))
        except RemoteError as error:
            log.warning("music_failed", path=file, reason=str(error))

    async def hold(self, path: str | None) -> None:
        """Let the caller hear music and nobody; those who were joined to the caller stay so."""
        async with self._turn:
            self._media.send(SplitStreams(self._order.stream))
            await self._play_music(path)

    async def confirm(self, stream: int) -> None:
        """Let a person hear that their keys were understood."""
        try:
            await self._media.request(PlayFile(stream, str(CONFIRMED), CONFIRMED_CLIP))
        except RemoteError as error:
            log.info("speech_unheard", stream=stream, reason=str(error))

    async def say(self, text: str) -> bool:
        """Tell the caller something over the music; False where it was not heard to its end."""
        return await self._speak(self._order.stream, text)

    async def whisper(self, stream: int, text: str) -> bool:
        """Tell the person something; False where another whisper took this one's place."""
        turn = self._count(stream)
        await self._speak(stream, text)
        return turn == self._spoken[stream]

    async def join(self, stream: int) -> None:
        """Let caller and person hear each other and nothing else.

        Raises:
            RemoteError: media could not.
        """
        self._heard_ns.clear()
        for each in (self._order.stream, stream):
            self._wire.watch(each, self._note)
        await self.gather(self._order.stream, stream)

    async def gather(self, one: int, other: int, *more: int) -> None:
        """Let these streams hear each other and nothing else.

        Raises:
            RemoteError: media could not.
        """
        for stream in (one, other, *more):
            self._count(stream)
        async with self._turn:
            # in this order on one link: nothing plays over the voices
            for stream in (one, other, *more):
                self._media.send(ClearPlayback(stream))
            if self._order.stream in (one, other, *more):
                self._playing = ""
            await self._media.request(JoinStreams(one, other, more))

    def _count(self, stream: int) -> int:
        self._spoken[stream] = self._spoken.get(stream, 0) + 1
        return self._spoken[stream]

    async def split(self) -> bool:
        """Undo a join; return whether the caller has been sent anything of the person's voice."""
        with contextlib.suppress(RemoteError):
            # what media had sent before is known once it has answered: one link, one order
            await self._media.request(SplitStreams(self._order.stream))
        return self._order.stream in self._heard_ns

    @property
    def caller_hears_ns(self) -> int | None:
        """When the caller was first sent the person's voice."""
        return self._heard_ns.get(self._order.stream)

    @property
    def person_hears_ns(self) -> int | None:
        """When the person was first sent the caller's voice."""
        times = [at_ns for each, at_ns in self._heard_ns.items() if each != self._order.stream]
        return min(times, default=None)

    def _note(self, sent: Sent) -> None:
        if isinstance(sent, VoiceStarted):
            self._heard_ns.setdefault(sent.stream, sent.sent_ns)
        elif sent.clip == MUSIC_CLIP:
            self.music_ns = self.music_ns or sent.sent_ns

    async def _speak(self, stream: int, text: str) -> bool:
        request = SpeakText(stream, text, self._order.persona)
        try:
            await self._agent.request(request, SPEECH_S)
        except RemoteError as error:
            log.info("speech_unheard", stream=stream, reason=str(error))
            return False
        return True
