"""Take one call's caller to humans and back to the AI (asyncio shell beside the call's task)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from edge import sdp
from edge.call_events import (
    ConversationBroken,
    ConversationResumed,
    EndReason,
    Event,
    HandedOver,
    HangUpAsked,
    Party,
    TransferAsked,
    TransferOver,
)
from edge.call_parts import Leg
from edge.call_surroundings import CallerLeg
from edge.queues.events import GaveUp
from edge.queues.messages import TalkChange
from edge.records.columns import Parties
from edge.transfer import events as e
from edge.transfer.audio import TransferAudio
from edge.transfer.order import Order, TransferEnd, TransferSurroundings
from edge.transfer.task import TransferTask
from edge.trunks.conversation import Conversation
from edge.trunks.credentials import credentials_for
from edge.trunks.destination import Line
from edge.trunks.routed import Routed
from edge.ua.messages import Challenge, UaConfirmed, UaRefer, UaReinvite
from media import RemoteError
from media.messages import CallId, ClearPlayback, ResumeConversation

RETURN_S = 10.0
"""How long a caller may hear music on the way back while the agent process is restarted."""
RETRY_S = 0.3

_ENDINGS = {
    "human_hangup": (Party.HUMAN, EndReason.HUMAN_HANGUP),
    "voicemail": (Party.SYSTEM, EndReason.VOICEMAIL),
    "callback": (Party.SYSTEM, EndReason.CALLBACK),
    "no_human": (Party.SYSTEM, EndReason.NO_HUMAN),
}

log = structlog.get_logger()


class Handed(Protocol):
    """The call's task, as a handover sees it."""

    call_id: CallId
    leg: CallerLeg
    routed: Routed

    @property
    def parties(self) -> Parties:
        """Who calls whom."""

    @property
    def audio_port(self) -> tuple[str, int] | None:
        """Media's address and port for the caller."""

    @property
    def caller(self) -> Leg:
        """The caller's leg in the call's state machine."""

    @property
    def line(self) -> Line:
        """What a destination is given of the call."""

    def post(self, event: Event) -> None:
        """Hand over news."""


class Handover:
    """Every transfer of one call, one after the other.

    Args:
        call: whose caller it is.
        around: the service.
        spawn: runs work as a child of the call.
    """

    def __init__(
        self,
        call: Handed,
        around: TransferSurroundings,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._call = call
        self._around = around
        self._spawn = spawn
        self._task: TransferTask | None = None
        self._next_attempt = 1
        self._decided_ns = 0
        self._audio: TransferAudio | None = None
        self._music: str | None = None
        self._refer_to = ""
        """Of the REFER that has not been challenged yet."""

    # ------------------------------------------------------------ what the call does

    def ask(self, queue: str, reason: str, *, anew: bool = False) -> None:
        """Ask the call for a transfer; the clock of the transfer starts here."""
        if queue not in self._around.desk.floor.queues:
            log.error("transfer_refused", call_id=self._call.call_id, queue=queue)
            resume = ResumeConversation(self._call.call_id, GaveUp.NOBODY_HERE)
            self._spawn(self._tell_agent(resume))
            return
        self._decided_ns = time.monotonic_ns()
        self._call.post(TransferAsked(queue, reason, anew))

    def begin(self, queue: str, reason: str) -> None:
        """Start what the call has agreed to."""
        call, caller = self._call, self._call.caller
        assert caller.stream is not None
        order = Order(
            call_id=call.call_id,
            stream=caller.stream,
            caller=user_of(call.parties.caller),
            caller_uri=call.parties.caller,
            caller_name=call.parties.caller_name,
            trunk=call.parties.trunk,
            persona=self.persona,
            codec=caller.parameters.codec if caller.parameters is not None else "",
            queue=queue,
            reason=reason,
            decided_ns=self._decided_ns or time.monotonic_ns(),
        )
        self._task = TransferTask(order, self._around, self, self._next_attempt)
        self._spawn(self._task.run())

    def abandon(self) -> None:
        """The call is ending: let go of every phone."""
        if self._task is not None:
            self._task.post(e.CallerGone())

    def come_back(self, reason: str, anew: bool) -> None:
        """Give the caller back to the AI."""
        self._spawn(self._return(reason, anew))

    def press(self, digit: str) -> bool:
        """Take a caller's key; False where it is the AI's."""
        if self._task is not None:
            self._task.press(digit)
            return True
        agent = self._around.config.agents.get(self._call.routed.agent or "")
        queue = agent.human_keys.get(digit) if agent is not None else None
        if queue is not None:
            self.ask(queue, f"key {digit}")
        return queue is not None

    def refer_news(self, sip_status: int, final: bool, challenge: Challenge | None = None) -> None:
        """Pass on what became of our REFER; a challenge is answered first, once."""
        if final and challenge is not None and self._prove(sip_status, challenge):
            return
        if self._task is not None:
            self._task.post(e.ReferNews(sip_status, final))

    def _prove(self, sip_status: int, challenge: Challenge) -> bool:
        """Send REFER again with the trunk's password; False where that cannot help."""
        refer_to, self._refer_to = self._refer_to, ""
        trunk = self._around.config.trunks.get(self._call.parties.trunk)
        if not refer_to or trunk is None:
            return False
        headers = credentials_for(trunk, "REFER", sip_status, challenge)
        if headers:
            log.info("refer_challenged", call_id=self._call.call_id, sip_status=sip_status)
            self._call.leg.send(UaRefer(self._call.leg.number, refer_to, headers))
        return bool(headers)

    async def change_talk(self, change: TalkChange, person: str) -> None:
        """Do what an operator wants of the talk.

        Raises:
            RemoteError: 409 or 404, see :meth:`edge.transfer.talk.TalkChanges.change`.
        """
        if self._task is None:
            raise RemoteError("the caller talks to nobody here", sip_status=409)
        self._task.change_talk(change, person)

    @property
    def stage(self) -> str | None:
        """Return where the transfer is, None where there is none."""
        return self._task.stage if self._task is not None else None

    @property
    def persona(self) -> str:
        """Return whose voice speaks: the call's persona, else the first one."""
        agents = self._around.config.agents
        return self._call.routed.agent or next(iter(agents), "")

    # ------------------------------------------------------------ what the transfer asks

    @property
    def dialog(self) -> UaConfirmed | None:
        """The caller's dialog."""
        return self._call.leg.confirmed

    @property
    def held(self) -> bool:
        """Whether the caller has put us on hold."""
        return self._call.caller.held

    def send_refer(self, refer_to: str) -> None:
        """Send REFER in the caller's dialog."""
        self._refer_to = refer_to
        self._call.leg.send(UaRefer(self._call.leg.number, refer_to))

    def speak(self, codec: str) -> None:
        """Offer the caller another codec, if that is one of those that the caller offered."""
        leg, parameters = self._call.leg, self._call.caller.parameters
        port = self._call.audio_port
        offer = leg.invite.offer if leg.invite is not None else ""
        if parameters is None or port is None or self.held or parameters.codec == codec:
            return
        if not sdp.offers(offer, codec):
            log.info("transcoding", call_id=self._call.call_id, codecs=[parameters.codec, codec])
            return
        dtmf, ptime_ms = parameters.dtmf_payload_type, parameters.ptime_ms
        leg.send(UaReinvite(leg.number, *port, (codec,), dtmf, ptime_ms))

    def transfer_over(self, end: TransferEnd) -> None:
        """Tell the call how its transfer ended."""
        assert self._task is not None
        self._next_attempt = self._task.next_attempt
        self._music = self._around.config.queues[self._task.queue].music
        self._audio = TransferAudio(
            self._task.order, self._around.media, self._around.agent, self._around.wire
        )
        self._task = None
        if end.result == "handed_over":
            self._call.post(HandedOver())
            return
        self._call.post(TransferOver(end.reason if end.result == "returned" else None))
        if end.result in _ENDINGS:
            who, why = _ENDINGS[end.result]
            self._call.post(HangUpAsked(who, why, end.reason))

    # ------------------------------------------------------------ the way back

    async def _return(self, reason: str, anew: bool) -> None:
        call, give_up = self._call, time.monotonic() + RETURN_S
        resume = ResumeConversation(call.call_id, reason)
        while True:
            try:
                if anew:
                    await self._begin_anew()
                # before the first words are queued: what comes after would be cleared too
                await self._around.media.request(ClearPlayback(call.line.stream))
                await self._around.agent.request(resume)
            except RemoteError as error:
                log.warning("return_failed", call_id=call.call_id, reason=str(error))
                if time.monotonic() > give_up or not self._alive:
                    call.post(ConversationBroken(f"no way back: {error}"))
                    return
                if self._audio is not None:
                    await self._audio.play_music(self._music)
                anew = True
                await asyncio.sleep(RETRY_S)
                continue
            call.post(ConversationResumed())
            return

    async def _begin_anew(self) -> None:
        call = self._call
        parties = call.parties
        variables = {"caller": parties.caller, "called": parties.called, "trunk": parties.trunk}
        conversation = Conversation(self._around.agent, self.persona, variables)
        await conversation.prepare(call.line)
        call.routed.destination = conversation
        call.routed.agent = self.persona

    @property
    def _alive(self) -> bool:
        return not self._call.caller.dialog_gone

    async def _tell_agent(self, message: ResumeConversation) -> None:
        try:
            await self._around.agent.request(message)
        except RemoteError as error:
            log.info("message_unheard", call_id=self._call.call_id, reason=str(error))


def user_of(uri: str) -> str:
    """Return the user part of a SIP URI or the number of a tel URI, the host where it has none."""
    rest = uri.partition(":")[2] or uri
    user, at, host = rest.partition("@")
    return user.partition(";")[0] if at else (host or rest).partition(";")[0]
