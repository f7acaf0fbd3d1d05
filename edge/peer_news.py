"""Take what the media and agent processes say, and what their coming and going means."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from edge.admission import Admission
from edge.call_book import CallBook
from edge.call_events import (
    AgentLost,
    ApologyFinished,
    ConversationBroken,
    EndReason,
    HangUpAsked,
    MediaFailed,
    MediaLost,
    Party,
    RtpSilent,
)
from edge.call_task import APOLOGY_CLIP
from edge.outbound import OutboundLegs
from edge.transfer.wire_times import WireTimes
from media.messages import (
    AgentStatus,
    ClipFinished,
    ClipStarted,
    ConversationFailed,
    DtmfReceived,
    HangupRequested,
    MachineHeard,
    Message,
    RtpTimedOut,
    StreamFailed,
    TransferRequested,
    Turn,
    VoiceStarted,
)

_HANGUP_REASONS = {
    "agent_goodbye": (Party.AGENT, EndReason.AGENT_GOODBYE),
    "no_input": (Party.AGENT, EndReason.NO_INPUT),
    "max_duration": (Party.SYSTEM, EndReason.MAX_DURATION),
    "failed": (Party.SYSTEM, EndReason.CONVERSATION_FAILED),
}

log = structlog.get_logger()


class PeerNews:
    """Where the messages of media and agent go.

    Args:
        book: the calls in progress.
        admission: who may call now.
        outbound: legs that we place.
        wire: what transfers want to know of media.
        on_change: called when it may have changed who may call.
    """

    def __init__(
        self,
        book: CallBook,
        admission: Admission,
        outbound: OutboundLegs,
        wire: WireTimes,
        on_change: Callable[[], None],
    ) -> None:
        self._book = book
        self._admission = admission
        self._outbound = outbound
        self._wire = wire
        self._on_change = on_change
        self.engines: dict[str, str] = {}

    def peer_up(self, name: str, answer: Message) -> None:
        """Open to callers, as far as this peer was what was missing."""
        if name == "media":
            self._admission.media_up = True
        else:
            self._admission.agent_up = True
        if isinstance(answer, AgentStatus):
            self._on_agent_status(answer)
        self._on_change()

    def peer_down(self, name: str, reason: str) -> None:
        """Tell every call that used the peer."""
        if name == "media":
            self._admission.media_up = False
        else:
            self._admission.agent_up = self._admission.agent_ready = False
            self._admission.agent_refusing, self._admission.ladder = False, "normal"
            self._admission.agent_detail = ""
            self.engines = {}
        for call in self._book.calls.values():
            if name == "media":
                call.post(MediaLost(reason))
            elif call.routed.destination.uses_agent:
                call.post(AgentLost(reason))
        self._on_change()

    def media_said(self, message: Message) -> None:
        """Take one message of the media process."""
        match message:
            case ClipFinished(stream=stream, clip=clip) if clip == APOLOGY_CLIP:
                self._book.post_stream(stream, ApologyFinished())
            case ClipFinished(stream=stream, clip=clip) if stream in self._book.streams:
                self._book.streams[stream].routed.destination.clip_finished(clip)
            case ClipStarted() | VoiceStarted():
                self._wire.receive(message)
            case MachineHeard():
                self._outbound.receive_media(message)
            case DtmfReceived() | RtpTimedOut() | StreamFailed() if self._outbound.receive_media(
                message
            ):
                pass
            case DtmfReceived(stream=stream, digit=digit) if stream in self._book.streams:
                self._book.streams[stream].press(digit, in_audio=True)
            case RtpTimedOut(stream=stream, silent_ms=silent_ms):
                self._book.post_stream(stream, RtpSilent(silent_ms))
            case StreamFailed(stream=stream, reason=reason):
                self._book.post_stream(stream, MediaFailed(reason))
            case _:
                log.debug("message_unused", message=type(message).__name__)

    def agent_said(self, message: Message) -> None:
        """Take one message of the agent process."""
        match message:
            case AgentStatus():
                self._on_agent_status(message)
                self._on_change()
            case Turn(call_id=call_id):
                if (call := self._book.calls.get(call_id)) is not None:
                    call.record.add_turn(message)
            case HangupRequested(call_id=call_id, reason=reason):
                if (call := self._book.calls.get(call_id)) is not None:
                    who, why = _HANGUP_REASONS.get(reason, (Party.AGENT, EndReason.AGENT_HANGUP))
                    call.post(HangUpAsked(who, why, "" if why == reason else reason))
            case ConversationFailed(call_id=call_id, reason=reason):
                if (call := self._book.calls.get(call_id)) is not None:
                    call.post(ConversationBroken(reason))
            case TransferRequested(call_id=call_id, queue=queue, reason=reason):
                if (call := self._book.calls.get(call_id)) is not None:
                    call.handover.ask(queue, reason)
            case _:
                log.debug("message_unused", message=type(message).__name__)

    def _on_agent_status(self, status: AgentStatus) -> None:
        self._admission.agent_ready = status.ready
        self._admission.agent_detail = status.detail
        self._admission.agent_refusing = status.refusing
        self._admission.ladder = status.ladder
        self.engines = status.engines
