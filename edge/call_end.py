"""Hold a call's state and let go of everything at its end (sans-IO, the base of a call)."""

from __future__ import annotations

from edge import call_actions as do
from edge.call_events import (
    CALLER_LEG,
    AgentLost,
    CallState,
    ConversationEnded,
    ConversationRefused,
    ConversationResumed,
    Disconnected,
    EndReason,
    Event,
    HandedOver,
    MediaLost,
    Party,
    StreamClosed,
    StreamReady,
    StreamRefused,
    Termination,
    TransferOver,
    WorkerLost,
)
from edge.call_humans import HumanPart
from edge.call_parts import Q850, CallTimers, CallTimes, Leg
from media.messages import StreamQuality

MS = 1_000_000


class EndingCall:
    """What every state of a call shares, and its end.

    Args:
        timers: how long the call may stay where it is.
    """

    def __init__(self, timers: CallTimers) -> None:
        self._timers = timers
        self.state = CallState.NEW
        self.times = CallTimes()
        self.legs = {CALLER_LEG: Leg(CALLER_LEG)}
        self.termination: Termination | None = None
        self.next_deadline_ns: int | None = None
        self.human = HumanPart()
        self._conversation_open = False
        self._port: tuple[str, int] | None = None
        self._now_ns = 0

    @property
    def caller(self) -> Leg:
        """The inbound leg."""
        return self.legs[CALLER_LEG]

    @property
    def quality(self) -> StreamQuality | None:
        """What the caller's audio was like, once media has told it."""
        return self.caller.quality

    # ------------------------------------------------------------ the end

    def _fail(self, status: int, reason: EndReason, cause: str) -> list[do.Action]:
        return self._end(Termination(Party.SYSTEM, self._status(status), reason, cause))

    def _status(self, before_answer: int) -> int:
        """Return the record's status: that of the INVITE's final response."""
        return before_answer if self.times.answered_ns is None else 200

    def _end(self, termination: Termination) -> list[do.Action]:
        """Fix the termination and let go of dialog, conversation and stream."""
        if self.termination is None:
            self.termination = termination
        self.state = CallState.ENDING
        self.times.ended_ns = self._now_ns
        self._deadline_in(self._timers.ending_ms)
        actions: list[do.Action] = [do.AbandonTransfer()] if self.human.open else []
        if not self.caller.dialog_gone:
            actions.append(self._release(self.termination))
        if self._conversation_open:
            actions.append(do.StopConversation(self.termination.reason))
        if not self.caller.stream_gone and self.caller.stream is not None:
            actions.append(do.CloseLegStream(self.caller.stream))
        return actions + self._finish_when_released()

    def _release(self, termination: Termination) -> do.Action:
        if self.times.answered_ns is not None:
            cause = Q850.get(termination.reason, 41)
            return do.HangUp(f'Q.850;cause={cause};text="{termination.reason}"')
        retry = termination.sip_status == 503 and termination.reason in self._timers.retry_reasons
        return do.Reject(termination.sip_status, retry)

    def _finish_when_released(self) -> list[do.Action]:
        leg = self.caller
        if leg.dialog_gone and leg.stream_gone and not (self._conversation_open or self.human.open):
            return self._finish()
        return []

    def _finish(self) -> list[do.Action]:
        assert self.termination is not None
        self.state = CallState.ENDED
        self.next_deadline_ns = None
        return [do.CallOver(self.termination)]

    def _while_ending(self, event: Event) -> list[do.Action]:
        leg = self.caller
        match event:
            case Disconnected() | WorkerLost():
                leg.dialog_gone = True
            case StreamReady(stream=stream):
                leg.stream = stream
                return [do.CloseLegStream(stream)]
            case StreamRefused() | MediaLost():
                leg.stream_gone = True
            case StreamClosed(quality=quality):
                leg.stream_gone, leg.quality = True, quality
            case TransferOver():
                self.human.open = False
            case HandedOver():
                self.human.open = False
                self._hand_over()
            case ConversationResumed():
                self._conversation_open = True
                return [do.StopConversation(EndReason.CALLER_HANGUP)]
            case ConversationEnded() | ConversationRefused() | AgentLost():
                self._conversation_open = False
        return self._finish_when_released()

    def _hand_over(self) -> None:
        told = self.termination
        if told is not None and told.reason is EndReason.CALLER_HANGUP:
            self.termination = Termination(Party.SYSTEM, 200, EndReason.TRANSFERRED, told.cause)

    def _give_back(self, event: StreamReady) -> list[do.Action]:
        return [do.CloseLegStream(event.stream)]

    def _ignore(self, event: Event) -> list[do.Action]:
        return []

    def _deadline_in(self, milliseconds: int) -> None:
        self.next_deadline_ns = self._now_ns + milliseconds * MS
