"""Decide what happens in one call (sans-IO).

Theory of operation
===================

A call is a caller's dialog (a *leg*), an RTP stream at media and a conversation at the agent
process. Each of the three lives in another process and may vanish at any moment; this machine is
the only place that knows about all of them. Everything that decides about the call's state is in
this file; it opens no socket, reads no clock and never waits. The shell feeds events, carries out
actions, and calls again with ``TimePassed`` at ``next_deadline_ns``.

==============  ====================================================  ============================
state           we are waiting for                                    then
==============  ====================================================  ============================
new             the INVITE                                            offered, or ending (refused)
offered         media's port                                          180, preparing
preparing       the conversation to be ready (180 is out)             200, answering
answering       the ACK and the first offer/answer round              talking
talking         anybody to end it                                     ending
apologizing     the apology to have been heard                        ending
ending          dialog, stream and conversation to be gone            ended
ended           nothing
==============  ====================================================  ============================

Rules:

1. The first cause fixes the one :class:`Termination`; a later one never replaces it, but for
   two cases: a conversation that breaks because media died is media's loss, whoever tells it
   first; and a caller whose carrier took over the call did not hang up, they were transferred.
   ``ended`` is entered once, with :class:`CallOver` as the last action.
2. Before the answer a call is rejected with a final status; after it, BYE. A conversation that
   breaks while the caller listens is followed by the apology, then BYE.
3. ``ending`` waits for the last words of the other processes (quality, last turns), but not
   longer than ``ending_ms``. What was asked for before and arrives then (a port) is given back.
4. What other processes say may cross what we said: events that can cross are ignored where they
   come too late. Events that cannot happen are faults of ours and raise; the shell then feeds
   ``Crashed``, which ends the call as ``internal_error``. So no call ends unclassified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from edge import call_actions as do
from edge.call_end import EndingCall
from edge.call_events import (
    AgentLost,
    ApologyFinished,
    CallState,
    Confirmed,
    ConversationBroken,
    ConversationReady,
    ConversationRefused,
    ConversationResumed,
    Crashed,
    Disconnected,
    EndReason,
    Event,
    HandedOver,
    HangUpAsked,
    InviteArrived,
    MediaFailed,
    MediaLost,
    Negotiated,
    NegotiationFailed,
    Party,
    RtpSilent,
    StreamReady,
    StreamRefused,
    Termination,
    TimePassed,
    TransferAsked,
    TransferOver,
    WorkerLost,
)
from edge.call_parts import IllegalEventError
from media.messages import Direction


class Call(EndingCall):
    """One inbound call.

    Args:
        timers: how long it may stay where it is.
    """

    def receive(self, event: Event, now_ns: int) -> list[do.Action]:
        """Take one event and return what is to be done, in order.

        Raises:
            IllegalEventError: the event cannot happen in this state.
        """
        self._now_ns = now_ns
        kind = type(event)
        step = _TABLE.get((self.state, kind))
        if step is None:
            raise IllegalEventError(f"{kind.__name__} while {self.state}")
        return step(self, event)

    # ------------------------------------------------------------ before the answer

    def _on_invite(self, event: InviteArrived) -> list[do.Action]:
        self.times.offered_ns = self.times.offered_ns or self._now_ns
        if event.refusal is not None:
            return self._end(event.refusal)
        self.state = CallState.OFFERED
        self._deadline_in(self._timers.answer_timeout_ms)
        self.caller.stream_asked, self.caller.stream_gone = True, False
        return [do.AllocateLegStream()]

    def _on_stream(self, event: StreamReady) -> list[do.Action]:
        self.caller.stream = event.stream
        self._port = (event.address, event.port)
        self.state = CallState.PREPARING
        self.times.ringing_ns = self._now_ns
        self._conversation_open = True
        return [do.Ring(), do.PrepareConversation(event.stream)]

    def _on_no_stream(self, event: StreamRefused) -> list[do.Action]:
        self.caller.stream_gone = True
        return self._fail(503, EndReason.MEDIA_FAILED, event.reason)

    def _on_conversation(self, event: ConversationReady) -> list[do.Action]:
        assert self._port is not None
        self.state = CallState.ANSWERING
        self.times.answered_ns = self._now_ns
        self._deadline_in(self._timers.no_ack_ms)
        return [do.Answer(*self._port)]

    def _on_no_conversation(self, event: ConversationRefused) -> list[do.Action]:
        self._conversation_open = False
        # 500 is a fault of ours, which the caller may try to get around
        status = event.sip_status if event.sip_status != 500 else 480
        return self._fail(status, event.end_reason, event.reason)

    # ------------------------------------------------------------ answered

    def _on_confirmed(self, event: Confirmed) -> list[do.Action]:
        self.caller.confirmed = True
        self.times.confirmed_ns = self._now_ns
        return self._begin_when_whole()

    def _on_negotiated(self, event: Negotiated) -> list[do.Action]:
        leg = self.caller
        assert leg.stream is not None
        leg.parameters = event.parameters
        leg.rounds += 1
        actions: list[do.Action] = [do.Configure(leg.stream, event.parameters)]
        held = event.parameters.direction in (Direction.RECVONLY, Direction.INACTIVE)
        begun = self._begin_when_whole() if self.state is CallState.ANSWERING else []
        if held is not leg.held:
            leg.held = held
            begun.append(do.TellHeld(held))
        return actions + begun

    def _begin_when_whole(self) -> list[do.Action]:
        # With a late offer the caller's SDP comes in the ACK: the two news may come in any order.
        if not self.caller.confirmed or self.caller.parameters is None:
            return []
        self.state = CallState.TALKING
        self._deadline_in(self._timers.max_call_ms)
        return [do.BeginConversation(self._now_ns)]

    def _on_bad_negotiation(self, event: NegotiationFailed) -> list[do.Action]:
        return self._fail(488, EndReason.NEGOTIATION_FAILED, event.reason)

    def _on_media_failed(self, event: MediaFailed) -> list[do.Action]:
        if self.state is CallState.APOLOGIZING:
            return self._hang_up_after_apology()
        return self._fail(503, EndReason.MEDIA_FAILED, event.reason)

    def _on_rtp_silent(self, event: RtpSilent) -> list[do.Action]:
        if self.state is CallState.APOLOGIZING:
            return self._hang_up_after_apology()
        return self._fail(200, EndReason.RTP_TIMEOUT, f"no RTP for {event.silent_ms} ms")

    # ------------------------------------------------------------ somebody is lost

    def _on_broken(self, event: ConversationBroken) -> list[do.Action]:
        if self.human.bears(event):
            return []
        return self._conversation_lost(EndReason.CONVERSATION_FAILED, event.reason)

    def _on_agent_lost(self, event: AgentLost) -> list[do.Action]:
        self._conversation_open = False
        if self.human.bears(event):
            return []
        return self._conversation_lost(EndReason.AGENT_LOST, event.cause)

    # ------------------------------------------------------------ humans

    def _on_transfer_asked(self, event: TransferAsked) -> list[do.Action]:
        return self.human.ask(event)

    def _on_transfer_over(self, event: TransferOver) -> list[do.Action]:
        assert self.caller.stream is not None
        return self.human.end(event, self.caller.stream)

    def _on_handed_over(self, event: HandedOver) -> list[do.Action]:
        self.human.open = False
        return self._end(Termination(Party.SYSTEM, 200, EndReason.TRANSFERRED))

    def _on_resumed(self, event: ConversationResumed) -> list[do.Action]:
        self.human.returned()
        self._conversation_open = True
        return []

    def _conversation_lost(self, reason: EndReason, cause: str) -> list[do.Action]:
        if self.state is CallState.APOLOGIZING:
            return []
        termination = Termination(Party.SYSTEM, self._status(503), reason, cause)
        if self.state is not CallState.TALKING:
            return self._end(termination)
        assert self.caller.stream is not None
        self.state = CallState.APOLOGIZING
        self.termination = termination
        self._deadline_in(self._timers.apology_ms)
        return [do.Apologize(self.caller.stream)]

    def _on_media_lost(self, event: MediaLost) -> list[do.Action]:
        self.caller.stream_gone = True
        told = self.termination
        if told is not None and told.reason is EndReason.CONVERSATION_FAILED:
            self.termination = None  # the agent only noticed first that media is gone
        return self._fail(503, EndReason.MEDIA_LOST, event.cause)

    def _on_worker_lost(self, event: WorkerLost) -> list[do.Action]:
        self.caller.dialog_gone = True
        return self._fail(503, EndReason.WORKER_LOST, event.cause)

    def _on_crashed(self, event: Crashed) -> list[do.Action]:
        return self._fail(500, EndReason.INTERNAL_ERROR, event.cause)

    # ------------------------------------------------------------ the end

    def _on_disconnected(self, event: Disconnected) -> list[do.Action]:
        self.caller.dialog_gone = True
        answered = self.times.answered_ns is not None
        if event.refused:
            cause = event.cause or event.reason
            refusal = Termination(Party.CALLED, event.sip_status, EndReason.NOT_REACHED, cause)
            return self._end(refusal)
        if event.by_caller:
            reason = EndReason.CALLER_HANGUP if answered else EndReason.CALLER_CANCELLED
            cause = event.cause
            party = Party.CALLER
        else:
            reason = EndReason.SIP_FAILURE
            cause = event.cause or event.reason
            party = Party.SYSTEM
        return self._end(Termination(party, event.sip_status, reason, cause))

    def _on_hang_up(self, event: HangUpAsked) -> list[do.Action]:
        if self.human.open and event.who is Party.AGENT:
            return []  # said before the AI knew that the caller is with humans
        before = 503 if event.reason is EndReason.SHUTDOWN else 480
        return self._end(Termination(event.who, self._status(before), event.reason, event.cause))

    def _on_apology_finished(self, event: ApologyFinished) -> list[do.Action]:
        return self._hang_up_after_apology()

    def _hang_up_after_apology(self) -> list[do.Action]:
        assert self.termination is not None
        return self._end(self.termination)

    def _on_time(self, event: TimePassed) -> list[do.Action]:
        if self.next_deadline_ns is None or self._now_ns < self.next_deadline_ns:
            return []
        self.next_deadline_ns = None
        if self.state in (CallState.OFFERED, CallState.PREPARING):
            limit = self._timers.answer_timeout_ms
            return self._fail(480, EndReason.ANSWER_TIMEOUT, f"not ready within {limit} ms")
        if self.state is CallState.ANSWERING:
            missing = "SDP" if self.caller.confirmed else "ACK"
            return self._fail(408, EndReason.NO_ACK, f"no {missing} after the 200")
        if self.state is CallState.TALKING:
            return self._fail(200, EndReason.MAX_DURATION, "")
        if self.state is CallState.APOLOGIZING:
            return self._hang_up_after_apology()
        return self._finish()


_Step = Callable[[Call, "Event"], "list[do.Action]"]


def _build_table() -> dict[tuple[CallState, type], _Step]:
    s = CallState
    live = (s.OFFERED, s.PREPARING, s.ANSWERING, s.TALKING, s.APOLOGIZING)
    answered = (s.ANSWERING, s.TALKING, s.APOLOGIZING)
    rows: list[tuple[tuple[CallState, ...], type, Callable[..., list[do.Action]]]] = [
        ((s.NEW,), InviteArrived, Call._on_invite),
        ((s.OFFERED,), StreamReady, Call._on_stream),
        ((s.OFFERED,), StreamRefused, Call._on_no_stream),
        ((s.PREPARING,), ConversationReady, Call._on_conversation),
        ((s.PREPARING,), ConversationRefused, Call._on_no_conversation),
        ((s.PREPARING, *answered), ConversationBroken, Call._on_broken),
        ((s.ANSWERING,), Confirmed, Call._on_confirmed),
        # early media is negotiated before the answer
        ((s.PREPARING, *answered), Negotiated, Call._on_negotiated),
        ((s.PREPARING, *answered), NegotiationFailed, Call._on_bad_negotiation),
        ((s.PREPARING, *answered), MediaFailed, Call._on_media_failed),
        (answered, RtpSilent, Call._on_rtp_silent),
        ((s.PREPARING,), RtpSilent, Call._ignore),  # who only listens to ringback need not send
        ((s.TALKING,), TransferAsked, Call._on_transfer_asked),
        ((s.TALKING,), TransferOver, Call._on_transfer_over),
        ((s.TALKING,), HandedOver, Call._on_handed_over),
        ((s.TALKING,), ConversationResumed, Call._on_resumed),
        ((s.OFFERED, s.PREPARING, s.ANSWERING, s.APOLOGIZING), TransferAsked, Call._ignore),
        ((s.APOLOGIZING,), TransferOver, Call._ignore),
        ((s.APOLOGIZING,), ConversationResumed, Call._ignore),
        ((s.APOLOGIZING,), ApologyFinished, Call._on_apology_finished),
        (live, Disconnected, Call._on_disconnected),
        (live, HangUpAsked, Call._on_hang_up),
        (live, AgentLost, Call._on_agent_lost),
        (live, MediaLost, Call._on_media_lost),
        (live, WorkerLost, Call._on_worker_lost),
        ((s.NEW, *live), Crashed, Call._on_crashed),
        ((*live, s.ENDING), TimePassed, Call._on_time),
    ]
    late = set(get_args(Event)) - {InviteArrived, TimePassed}
    table: dict[tuple[CallState, type], _Step] = {}
    for states, kind, step in rows:
        table.update({(state, kind): step for state in states})
    for kind in late:
        table[s.ENDING, kind] = Call._while_ending
        table[s.ENDED, kind] = Call._ignore
    table[s.ENDED, StreamReady] = Call._give_back  # type: ignore[assignment] # by kind of event
    table[s.ENDED, TimePassed] = Call._ignore
    return table


_TABLE = _build_table()
