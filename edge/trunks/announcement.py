"""Play a WAV file to the caller, then hang up; or refuse as the plan says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge.call_events import EndReason, HangUpAsked, MediaFailed, Party
from edge.call_surroundings import Asked
from edge.trunks.destination import Destination, DestinationError, Line
from edge.trunks.identity import header_value
from media import RemoteError
from media.messages import PlayFile

ANNOUNCEMENT_CLIP = 0xFFFF_FFF1


class Announcement:
    """A file that is played once.

    Args:
        media: the media process.
        path: of the WAV file.
    """

    uses_agent = False

    def __init__(self, media: Asked, path: str) -> None:
        self._media = media
        self._path = path
        self._line: Line | None = None

    async def prepare(self, line: Line) -> None:
        """See that the file is there.

        Raises:
            DestinationError: 480, it is not.
        """
        self._line = line
        if not await asyncio.to_thread(Path(self._path).is_file):
            reason = f"{self._path}: no such file"
            raise DestinationError(reason, 480, EndReason.MEDIA_FAILED)

    def answered(self, at_ns: int) -> None:
        """Play."""
        assert self._line is not None
        self._line.spawn(self._play(self._line))

    async def _play(self, line: Line) -> None:
        try:
            await self._media.request(PlayFile(line.stream, self._path, ANNOUNCEMENT_CLIP))
        except RemoteError as error:
            line.post(MediaFailed(str(error)))

    def held(self, held: bool) -> None:
        """Nothing: it goes on."""

    def digit(self, digit: str, *, in_audio: bool = False) -> None:
        """Nothing: it asks for none."""

    def clip_finished(self, clip: int) -> None:
        """Hang up after the last sample."""
        if clip == ANNOUNCEMENT_CLIP and self._line is not None:
            self._line.post(HangUpAsked(Party.SYSTEM, EndReason.ANNOUNCED))

    async def end(self, reason: EndReason) -> None:
        """Nothing is left: the stream is the call's own."""


def refusal(status: int, reason: str | None) -> DestinationError:
    """Return the plan's own refusal; its text goes into Reason (RFC 3326)."""
    headers = {}
    if reason:
        text = header_value(reason).replace("\\", "").replace('"', "'")
        headers["Reason"] = f'SIP;cause={status};text="{text}"'
    return DestinationError(
        reason or f"rejected with {status}", status, EndReason.REJECTED, headers
    )


def refuse(status: int, reason: str | None) -> Destination:
    """Stand as the last link of a chain.

    Raises:
        DestinationError: always.
    """
    raise refusal(status, reason)
