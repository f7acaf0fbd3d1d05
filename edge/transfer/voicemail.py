"""Take a message, or put a number down to be called back, where nobody could take the call."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import structlog

from edge.records.writer import utc_text
from edge.transfer.audio import SOUNDS, TransferAudio
from edge.transfer.order import Order, TransferEnd, TransferSurroundings
from media import RemoteError
from media.config.queues import VoicemailConfig
from media.messages import ClearPlayback, PlayFile, StartRecording, StopRecording

TONE_CLIP = 0xFFFF_FFE1
TONE_S = 0.4
SHORTEST_S = 1.0
"""A caller who hangs up sooner after the tone has left no message."""

log = structlog.get_logger()


class Voicemail:
    """One message of one caller.

    Args:
        order: the caller.
        queue: that could not serve them.
        config: the queue's.
        around: the service.
    """

    def __init__(
        self, order: Order, queue: str, config: VoicemailConfig, around: TransferSurroundings
    ) -> None:
        self._order = order
        self._queue = queue
        self._config = config
        self._around = around
        self._audio = TransferAudio(order, around.media, around.agent, around.wire)
        self._over = asyncio.Event()
        self._gone = False

    def hang_up(self) -> None:
        """Note that the caller is gone."""
        self._gone = True
        self._over.set()

    def press(self, digit: str) -> None:
        """End the message with the hash key."""
        if digit == "#":
            self._over.set()

    async def take_message(self) -> TransferEnd:
        """Speak the prompt, sound the tone, record; return when the message is over."""
        media, stream = self._around.media, self._order.stream
        path = Path(self._config.folder) / f"{self._order.call_id}.wav"
        try:
            await self._clear()
            await self._unless_over(self._audio.say(self._config.prompt))
            if self._gone:
                return TransferEnd("caller_left")
            self._over.clear()
            await media.request(PlayFile(stream, str(SOUNDS / "tone.wav"), TONE_CLIP))
            await asyncio.sleep(TONE_S)
            await media.request(StartRecording(stream, str(path)))
            began = time.monotonic()
            await self._wait(self._config.max_s)
            seconds = time.monotonic() - began
            if not self._gone:
                await media.request(StopRecording(stream))
        except RemoteError as error:
            log.warning("voicemail_failed", call_id=self._order.call_id, reason=str(error))
            return TransferEnd("no_human", "no_answer")
        if seconds < SHORTEST_S:
            return TransferEnd("caller_left")
        return await self._keep("voicemail", file=str(path), seconds=round(seconds, 1))

    async def note_callback(self) -> TransferEnd:
        """Put the number down, tell the caller, and end."""
        end = await self._keep("callback")
        await self._clear()
        await self._unless_over(self._audio.say(self._config.callback_said))
        return end

    async def _keep(self, kind: str, **more: object) -> TransferEnd:
        body = {
            "kind": kind,
            "call_id": self._order.call_id,
            "queue": self._queue,
            "caller": self._order.caller,
            "caller_uri": self._order.caller_uri,
            "reason": self._order.reason,
            "at": utc_text(time.time_ns()),
            **more,
        }
        try:
            await self._around.outbox.put(Path(self._config.folder), self._config.webhook, body)
        except OSError as error:
            log.error("voicemail_failed", call_id=self._order.call_id, reason=str(error))
            return TransferEnd("no_human", "no_answer")
        log.info("message_kept", call_id=self._order.call_id, kind=kind, queue=self._queue)
        return TransferEnd(kind)

    async def _clear(self) -> None:
        try:
            await self._around.media.request(ClearPlayback(self._order.stream))
        except RemoteError as error:
            log.info("music_not_cleared", call_id=self._order.call_id, reason=str(error))

    async def _unless_over(self, speech: object) -> None:
        assert asyncio.iscoroutine(speech)
        speaking = asyncio.ensure_future(speech)
        over = asyncio.ensure_future(self._over.wait())
        await asyncio.wait({speaking, over}, return_when=asyncio.FIRST_COMPLETED)
        for each in (speaking, over):
            each.cancel()

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return
