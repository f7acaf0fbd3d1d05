"""Tell edge and agent what happens on the streams of the process."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from media import messages
from media.jitter import HeardFrame
from media.legs import Leg
from media.playout import ClipEvent, ClipStage
from media.stream import Stream
from media.wire import AudioFrame, AudioKind

log = structlog.get_logger()


class StreamNews:
    """The listener of every stream.

    Args:
        legs: by stream number; a stream without one has ended, and nobody is told.
    """

    def __init__(self, legs: Mapping[int, Leg]) -> None:
        self._legs = legs

    def stream_heard(self, stream: Stream, frame: HeardFrame) -> None:
        """Send the far end's audio to whoever is attached."""
        leg = self._legs.get(stream.number)
        if leg is None or not leg.agents:
            return
        audio = AudioFrame(
            AudioKind.CALLER,
            stream.number,
            0,
            frame.position_samples,
            frame.wire_ns,
            frame.samples,
            frame.concealed,
        )
        for agent in leg.agents:
            agent.send_audio(audio)

    def stream_pressed(self, stream: Stream, digit: str, at_ns: int) -> None:
        """Tell edge and agent of a key press."""
        leg = self._legs.get(stream.number)
        if leg is not None:
            for link in {leg.owner, *leg.agents}:
                link.send(messages.DtmfReceived(stream.number, digit, at_ns))

    def stream_clip(self, stream: Stream, event: ClipEvent, sent_ns: int) -> None:
        """Tell whoever plays the clip that it began or ended."""
        leg = self._legs.get(stream.number)
        if leg is None:
            return
        owner = leg.clip_owners.get(event.clip)
        if event.stage is ClipStage.FINISHED:
            leg.clip_owners.pop(event.clip, None)
        if owner is not None:
            kind = (
                messages.ClipStarted if event.stage is ClipStage.STARTED else messages.ClipFinished
            )
            owner.send(kind(stream.number, event.clip, sent_ns))

    def stream_voice(self, stream: Stream, sent_ns: int) -> None:
        """Tell edge that the joined leg is heard from now on."""
        leg = self._legs.get(stream.number)
        if leg is not None:
            leg.owner.send(messages.VoiceStarted(stream.number, sent_ns))

    def stream_silent(self, stream: Stream, silent_ns: int) -> None:
        """Tell edge that nothing comes."""
        leg = self._legs.get(stream.number)
        if leg is not None:
            log.warning("rtp_lost", call_id=leg.call_id, leg=leg.leg, silent_ms=silent_ns // 10**6)
            leg.owner.send(messages.RtpTimedOut(stream.number, silent_ns // 1_000_000))

    def stream_failed(self, stream: Stream, reason: str) -> None:
        """Tell edge that the stream is over by a fault of ours."""
        leg = self._legs.get(stream.number)
        if leg is not None:
            leg.owner.send(messages.StreamFailed(stream.number, reason))
