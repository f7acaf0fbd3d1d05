"""Ring a person, brief them, and connect them with the caller; post how it went (asyncio shell)."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from edge.transfer import events as e
from edge.transfer.audio import TransferAudio
from edge.transfer.briefing import Briefing
from edge.transfer.order import CallerSide
from edge.transfer.phones import Phones
from edge.transfer.transfer import Transfer
from media import CordboardError, RemoteError
from media.messages import CallId

log = structlog.get_logger()


class Connecting:
    """The work on the phones of one transfer.

    Args:
        call_id: the caller's call.
        caller: its leg.
        phones: the persons' legs.
        audio: what everybody hears.
        briefing: what the person is told.
        post: told how it went.
        way_to: returns the transfer that rings a member at the moment.
        on_joined: called with the member whom the caller hears.
    """

    def __init__(
        self,
        call_id: CallId,
        caller: CallerSide,
        phones: Phones,
        audio: TransferAudio,
        briefing: Briefing,
        post: Callable[[e.TransferEvent], None],
        way_to: Callable[[str], Transfer | None],
        on_joined: Callable[[str], None],
    ) -> None:
        self._caller = caller
        self._phones = phones
        self._audio = audio
        self._briefing = briefing
        self._post = post
        self._way_to = way_to
        self._on_joined = on_joined
        self._log = log.bind(call_id=call_id)

    async def dial(self, member: str, queue: str, number: str) -> None:
        """Ring a member of a queue, or a number, unless it is given up before it can be dialled."""
        way = self._way_to(member)
        try:
            await self._phones.dial(
                member, queue, number, lambda: self._way_to(member) is way is not None
            )
        except CordboardError as error:
            self._log.error("phone_failed", member=member, reason=str(error))
            self._post(e.PhoneGone(member, 500))

    async def whisper(self, member: str) -> None:
        """Let the person hear who calls."""
        try:
            stream = self._phones.stream(member)
        except RemoteError:
            return
        if await self._audio.whisper(stream, self._briefing.whisper_text()):
            self._post(e.WhisperEnded(member))

    async def join(self, member: str) -> None:
        """Let caller and person hear each other."""
        try:
            await self._audio.join(self._phones.stream(member))
        except RemoteError as error:
            self._log.warning("join_failed", member=member, reason=str(error))
            self._post(e.JoinFailed(str(error)))
            return
        self._post(e.LegsJoined())
        self._caller.speak(self._phones.codec(member))
        self._on_joined(member)

    async def split(self) -> None:
        """Undo a join."""
        self._post(e.LegsSplit(await self._audio.split()))

    def refer(self, wish: e.SendRefer, number: str) -> None:
        """Ask the caller's trunk to call the person, or the number, itself."""
        try:
            refer_to = self._phones.refer_to(wish, number)
        except RemoteError as error:
            self._log.warning("refer_failed", member=wish.member, reason=str(error))
            self._post(e.ReferNews(error.sip_status, final=True))
            return
        self._caller.send_refer(refer_to)
