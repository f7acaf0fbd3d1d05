"""Speak to one caller through media: clips out, what was heard of them in (thin shell)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from agent.engines.base import Samples
from agent.playback import SAMPLE_HZ, Clip, Playback
from media import RemoteError
from media.messages import (
    ClearPlayback,
    ClipEnded,
    ClipFinished,
    ClipStarted,
    Message,
    PausePlayback,
    PlaybackCleared,
    ResumePlayback,
)
from media.wire import AudioFrame, AudioKind

FRAME_SAMPLES = 2_400
"""300 ms: one message of audio to media."""


class MediaPort(Protocol):
    """What a conversation needs of the link to media."""

    def send(self, message: Message) -> None:
        """Send a message that has no answer."""
        ...

    def send_audio(self, frame: AudioFrame) -> None:
        """Send audio of a clip."""
        ...

    def request(self, message: Message, timeout_s: float = ...) -> Awaitable[Message]:
        """Send a request and wait for its answer."""
        ...


class Speaking:
    """The agent's side of one conversation.

    Args:
        stream: media's number.
        media: the link.
        on_over: called with each clip that is over, finished or cleared.
        last_number: clips are counted from the next one.
    """

    def __init__(
        self,
        stream: int,
        media: MediaPort,
        on_over: Callable[[Clip], None],
        last_number: int = 0,
    ) -> None:
        self.playback = Playback(last_number)
        self.held = False
        self._stream = stream
        self._media = media
        self._on_over = on_over

    def open(self, source: str) -> Clip:
        """Begin to say something."""
        return self.playback.open(source)

    def push(self, clip: Clip, text: str, samples: Samples, at_ns: int = 0) -> None:
        """Add words and their audio to a clip; audio may come faster than it is heard.

        Args:
            clip: an open clip.
            text: words of this stretch; empty where it goes on with the last ones.
            samples: their audio.
            at_ns: now, for a clip that grows while it is heard.
        """
        position = self.playback.append(clip, text, len(samples), at_ns)
        for start in range(0, len(samples), FRAME_SAMPLES):
            part = samples[start : start + FRAME_SAMPLES]
            self._media.send_audio(
                AudioFrame(AudioKind.CLIP, self._stream, clip.number, position + start, 0, part)
            )

    def end(self, clip: Clip) -> None:
        """Say that nothing more comes; a clip without audio is over at once."""
        clip.ended = True
        if clip.length_samples:
            self._media.send(ClipEnded(self._stream, clip.number))
        elif clip in self.playback.clips:
            self.playback.clips.remove(clip)

    def say(self, source: str, text: str, samples: Samples) -> Clip:
        """Say a whole sentence whose audio is there."""
        clip = self.open(source)
        self.push(clip, text, samples)
        self.end(clip)
        return clip

    async def hold(self) -> int:
        """Fall silent for now; return when the last packet left."""
        self.held = True
        reply = await self._media.request(PausePlayback(self._stream))
        if isinstance(reply, PlaybackCleared):
            self.playback.held(reply.clip, reply.position_samples)
            return reply.at_ns
        return 0

    async def resume(self, at_ns: int = 0) -> None:
        """Go on from where it was held; ``at_ns`` is now."""
        self.held = False
        self.playback.resumed(at_ns)
        await self._media.request(ResumePlayback(self._stream))

    async def clear(self) -> int:
        """Fall silent for good; return when the last packet left."""
        up_to = self.playback.last_number
        held, self.held = self.held, False
        # a looping file is edge's hold music: it may have begun meanwhile
        reply = await self._media.request(ClearPlayback(self._stream, keep_loop=True))
        if held:
            self._media.send(ResumePlayback(self._stream))
        if not isinstance(reply, PlaybackCleared):
            return 0
        for clip in self.playback.cleared(reply.clip, reply.position_samples, reply.at_ns, up_to):
            self._on_over(clip)
        return reply.at_ns

    async def clear_or_guess(self, clock: Callable[[], int]) -> None:
        """Clear at the call's end; where media is gone, time says how much was heard."""
        if not self.busy:
            return
        try:
            await self.clear()
        except RemoteError:
            self.forget(clock())

    def forget(self, now_ns: int) -> None:
        """Take every clip for over without a word of media; time says how much was heard."""
        if not self.busy:
            return
        clip = self.playback.clips[0]
        elapsed_ns = now_ns - clip.started_ns if clip.started_ns else 0
        position = max(clip.heard_samples, elapsed_ns * SAMPLE_HZ // 1_000_000_000)
        for gone in self.playback.cleared(clip.number, position, now_ns):
            self._on_over(gone)

    def has(self, number: int) -> bool:
        """Say whether a clip is one of ours that is not over."""
        return any(each.number == number for each in self.playback.clips)

    def cleared_by_other(self, message: PlaybackCleared) -> None:
        """Take that somebody else dropped all that was queued."""
        for gone in self.playback.cleared(message.clip, message.position_samples, message.at_ns):
            self._on_over(gone)

    def receive(self, message: ClipStarted | ClipFinished) -> Clip | None:
        """Take what media says of a clip; return the clip, None if it is not one of ours."""
        if isinstance(message, ClipStarted):
            return self.playback.started(message.clip, message.sent_ns)
        clip = self.playback.finished(message.clip, message.sent_ns)
        if clip is not None:
            self._on_over(clip)
        return clip

    @property
    def busy(self) -> bool:
        """Whether anything is being said."""
        return self.playback.busy
