from typing import Any, get_args

import pytest

from edge import call_actions as do
from edge.call import Call, IllegalEventError
from edge.call_events import (
    AgentLost,
    ApologyFinished,
    CallState,
    Confirmed,
    ConversationBroken,
    ConversationEnded,
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
    StreamClosed,
    StreamReady,
    StreamRefused,
    Termination,
    TimePassed,
    TransferAsked,
    TransferOver,
    WorkerLost,
)
from edge.call_parts import CallTimers
from media.messages import Direction, StreamParameters, StreamQuality

pytestmark = pytest.mark.unit

MS = 1_000_000
PARAMETERS = StreamParameters("127.0.0.1", 4000, 4001, "PCMU", 0)
HELD = StreamParameters("127.0.0.1", 4000, 4001, "PCMU", 0, direction=Direction.RECVONLY)
QUALITY = StreamQuality(packets_received=7, mos=4.4)
PATH: list[tuple[CallState, Event | None]] = [
    (CallState.NEW, None),
    (CallState.OFFERED, InviteArrived()),
    (CallState.PREPARING, StreamReady(5, "127.0.0.9", 22_000)),
    (CallState.ANSWERING, ConversationReady()),
    (CallState.ANSWERING, Negotiated(PARAMETERS)),
    (CallState.TALKING, Confirmed()),
    (CallState.APOLOGIZING, AgentLost("agent died")),
    (CallState.ENDING, ApologyFinished()),
    (CallState.ENDED, None),
]
SAMPLES: dict[type, Event] = {
    type(each): each
    for each in (
        InviteArrived(),
        StreamReady(5, "127.0.0.9", 22_000),
        StreamRefused("no port"),
        ConversationReady(),
        ConversationRefused("no such persona"),
        Confirmed(),
        Negotiated(PARAMETERS),
        NegotiationFailed("no codec"),
        MediaFailed("no such stream"),
        Disconnected(True, 200),
        HangUpAsked(Party.AGENT, EndReason.AGENT_GOODBYE),
        ConversationBroken("model died"),
        AgentLost(),
        MediaLost(),
        WorkerLost(),
        RtpSilent(30_000),
        ApologyFinished(),
        TransferAsked("support", "wants a human"),
        TransferOver("no_answer"),
        HandedOver(),
        ConversationResumed(),
        StreamClosed(QUALITY),
        ConversationEnded(),
        Crashed("ValueError"),
        TimePassed(),
    )
}
LIVE = {
    CallState.OFFERED,
    CallState.PREPARING,
    CallState.ANSWERING,
    CallState.TALKING,
    CallState.APOLOGIZING,
}
LEGAL: dict[str, set[CallState]] = {
    "InviteArrived": {CallState.NEW},
    "StreamReady": {CallState.OFFERED},
    "StreamRefused": {CallState.OFFERED},
    "ConversationReady": {CallState.PREPARING},
    "ConversationRefused": {CallState.PREPARING},
    "Confirmed": {CallState.ANSWERING},
    "Negotiated": LIVE - {CallState.OFFERED},
    "NegotiationFailed": LIVE - {CallState.OFFERED},
    "MediaFailed": LIVE - {CallState.OFFERED},
    "RtpSilent": LIVE - {CallState.OFFERED},
    "ApologyFinished": {CallState.APOLOGIZING},
    "TransferOver": {CallState.TALKING, CallState.APOLOGIZING},
    "HandedOver": {CallState.TALKING},
    "ConversationResumed": {CallState.TALKING, CallState.APOLOGIZING},
    "TransferAsked": {
        CallState.OFFERED,
        CallState.PREPARING,
        CallState.ANSWERING,
        CallState.TALKING,
        CallState.APOLOGIZING,
    },
    "StreamClosed": set(),
    "ConversationEnded": set(),
    "ConversationBroken": {
        CallState.PREPARING,
        CallState.ANSWERING,
        CallState.TALKING,
        CallState.APOLOGIZING,
    },
    "Crashed": {CallState.NEW},
}
ANYWHERE_LIVE = [
    "Disconnected",
    "HangUpAsked",
    "AgentLost",
    "MediaLost",
    "WorkerLost",
    "Crashed",
    "TimePassed",
]


def call_in(state: CallState) -> Call:
    """Walk a call along its ordinary path until it is in the state."""
    call = Call(CallTimers())
    for _, event in PATH:
        if call.state is state:
            return call
        if event is not None:
            call.receive(event, 1)
    if state is CallState.ENDED:
        for last in (Disconnected(False, 200), StreamClosed(QUALITY), ConversationEnded()):
            call.receive(last, 2)
    assert call.state is state
    return call


def kinds(actions: list[do.Action]) -> list[type]:
    return [type(each) for each in actions]


def is_legal(state: CallState, event: str) -> bool:
    if state is CallState.ENDING:
        return event != "InviteArrived"
    if state is CallState.ENDED:
        return event != "InviteArrived"
    if state in LIVE and event in ANYWHERE_LIVE:
        return True
    return state in LEGAL.get(event, set())


def test_the_samples_cover_every_event() -> None:
    """The table below is tried with every kind of event that exists."""
    assert set(SAMPLES) == set(get_args(Event))


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
def test_every_event_in_every_state(state: CallState, kind: type) -> None:
    """An event is either legal in a state or a fault of ours, and the table says which."""
    call = call_in(state)
    if not is_legal(state, kind.__name__):
        with pytest.raises(IllegalEventError):
            call.receive(SAMPLES[kind], 10)
        assert call.state is state
        return
    call.receive(SAMPLES[kind], 10)


@pytest.mark.parametrize("state", sorted(LIVE | {CallState.NEW}))
@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
def test_no_call_ends_twice_or_unclassified(state: CallState, kind: type) -> None:
    """Whatever happens in whatever state, a call that then crashes ends once with one verdict."""
    call = call_in(state)
    over = []
    events: list[Any] = [
        SAMPLES[kind],
        Crashed("x"),
        Disconnected(False, 200),
        StreamReady(9, "", 1),
    ]
    events += [StreamClosed(None), ConversationEnded(), StreamClosed(None), Disconnected(True, 200)]
    events += [TransferOver(None)]
    for event in events:
        try:
            over += [a for a in call.receive(event, 10) if isinstance(a, do.CallOver)]
        except IllegalEventError:
            assert call.state is not CallState.ENDED or isinstance(event, InviteArrived)
    assert call.state is CallState.ENDED
    assert len(over) == 1
    assert over[0].termination == call.termination


def test_the_ordinary_call() -> None:
    """180 with media's port in hand, 200 when the conversation is ready, greeting on the ACK."""
    call = Call(CallTimers())
    assert call.receive(InviteArrived(), 1) == [do.AllocateLegStream()]
    assert call.receive(StreamReady(5, "127.0.0.9", 22_000), 2) == [
        do.Ring(),
        do.PrepareConversation(5),
    ]
    assert call.receive(ConversationReady(), 3) == [do.Answer("127.0.0.9", 22_000)]
    assert call.receive(Negotiated(PARAMETERS), 4) == [do.Configure(5, PARAMETERS)]
    assert call.receive(Confirmed(), 5) == [do.BeginConversation(5)]
    assert kinds(call.receive(Disconnected(True, 200, cause="Q.850;cause=16"), 6)) == [
        do.StopConversation,
        do.CloseLegStream,
    ]
    assert call.receive(ConversationEnded(), 7) == []
    verdict = Termination(Party.CALLER, 200, EndReason.CALLER_HANGUP, "Q.850;cause=16")
    assert call.receive(StreamClosed(QUALITY), 8) == [do.CallOver(verdict)]
    assert call.quality == QUALITY
    times = call.times
    assert (times.offered_ns, times.ringing_ns, times.answered_ns) == (1, 2, 3)
    assert (times.confirmed_ns, times.ended_ns) == (5, 6)


def test_a_late_offer_begins_with_whichever_comes_last() -> None:
    """The ACK may be told before the SDP that it carried; the conversation begins after both."""
    call = call_in(CallState.PREPARING)
    call.receive(ConversationReady(), 3)
    assert call.receive(Confirmed(), 4) == []
    assert kinds(call.receive(Negotiated(PARAMETERS), 5)) == [do.Configure, do.BeginConversation]


@pytest.mark.parametrize("state", [CallState.OFFERED, CallState.PREPARING])
def test_cancel_while_ringing(state: CallState) -> None:
    """CANCEL ends the call as the caller's doing, with 487 and everything given back."""
    call = call_in(state)
    actions = call.receive(Disconnected(True, 487, "Request Terminated"), 9)
    assert do.HangUp not in kinds(actions)
    assert do.Reject not in kinds(actions)
    assert call.termination == Termination(Party.CALLER, 487, EndReason.CALLER_CANCELLED)
    if state is CallState.OFFERED:
        assert call.receive(StreamReady(8, "127.0.0.9", 22_002), 10) == [do.CloseLegStream(8)]
    assert call.state is CallState.ENDING


def test_a_port_that_comes_after_the_end_is_given_back() -> None:
    """A stream that media opens after the call was closed by the deadline does not leak."""
    call = call_in(CallState.OFFERED)
    call.receive(Disconnected(True, 487), 9)
    assert call.next_deadline_ns is not None
    assert kinds(call.receive(TimePassed(), call.next_deadline_ns)) == [do.CallOver]
    assert call.receive(StreamReady(8, "127.0.0.9", 22_002), 10**12) == [do.CloseLegStream(8)]


@pytest.mark.parametrize("state", [CallState.OFFERED, CallState.PREPARING])
def test_a_caller_is_not_left_ringing(state: CallState) -> None:
    """After answer_timeout the caller gets 480, not earlier."""
    call = call_in(state)
    assert call.next_deadline_ns == 1 + 10_000 * MS
    assert call.receive(TimePassed(), call.next_deadline_ns - 1) == []
    actions = call.receive(TimePassed(), call.next_deadline_ns)
    assert actions[0] == do.Reject(480)
    assert call.termination is not None
    assert call.termination.reason is EndReason.ANSWER_TIMEOUT


@pytest.mark.parametrize(
    ("event", "status", "retry", "reason"),
    [
        (ConversationRefused("no such number", 404), 404, False, EndReason.CONVERSATION_FAILED),
        (ConversationRefused("fault", 500), 480, False, EndReason.CONVERSATION_FAILED),
        (ConversationRefused("all taken", 503), 503, True, EndReason.CONVERSATION_FAILED),
        (ConversationBroken("died"), 503, True, EndReason.CONVERSATION_FAILED),
        (AgentLost("gone"), 503, True, EndReason.AGENT_LOST),
        (MediaLost("gone"), 503, True, EndReason.MEDIA_LOST),
        (Crashed("ValueError"), 500, False, EndReason.INTERNAL_ERROR),
        (HangUpAsked(Party.OPERATOR, EndReason.OPERATOR), 480, False, EndReason.OPERATOR),
        (HangUpAsked(Party.SYSTEM, EndReason.SHUTDOWN), 503, True, EndReason.SHUTDOWN),
    ],
)
def test_refusals_before_the_answer(
    event: Event, status: int, retry: bool, reason: EndReason
) -> None:
    """Before the 200 every failure is a final response that fits, with Retry-After on a 503."""
    call = call_in(CallState.PREPARING)
    assert call.receive(event, 9)[0] == do.Reject(status, retry)
    assert call.termination is not None
    assert (call.termination.sip_status, call.termination.reason) == (status, reason)


def test_a_refused_invite_asks_nobody() -> None:
    """A call that the edge cannot serve is rejected at once and over with the dialog."""
    call = Call(CallTimers())
    verdict = Termination(Party.SYSTEM, 503, EndReason.NOT_READY, "still loading models")
    assert call.receive(InviteArrived(verdict), 1) == [do.Reject(503, True)]
    assert call.receive(Disconnected(False, 503), 2) == [do.CallOver(verdict)]


def test_no_port_is_503() -> None:
    """Media without a free port refuses the call with 503 and Retry-After."""
    call = call_in(CallState.OFFERED)
    assert call.receive(StreamRefused("all ports drain"), 9) == [do.Reject(503, True)]


@pytest.mark.parametrize("event", [AgentLost("gone"), ConversationBroken("died")])
def test_a_lost_conversation_is_apologised_for(event: Event) -> None:
    """A caller who listens hears the apology, then BYE; the verdict is the first cause."""
    call = call_in(CallState.TALKING)
    assert call.receive(event, 9) == [do.Apologize(5)]
    assert call.receive(AgentLost("again"), 10) == []
    actions = call.receive(ApologyFinished(), 11)
    assert call.termination is not None
    assert actions[0] == do.HangUp(f'Q.850;cause=41;text="{call.termination.reason}"')
    assert call.termination.sip_status == 200
    assert call.termination.who is Party.SYSTEM


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (Party.AGENT, EndReason.AGENT_GOODBYE),
        (Party.SYSTEM, EndReason.ANNOUNCED),
        (Party.CALLED, EndReason.CALLED_HANGUP),
    ],
)
def test_an_ordinary_end_is_no_failure_to_the_carrier(who: Party, reason: EndReason) -> None:
    """The BYE says normal clearing; any other cause would count against the trunk."""
    actions = call_in(CallState.TALKING).receive(HangUpAsked(who, reason), 9)
    assert actions[0] == do.HangUp(f'Q.850;cause=16;text="{reason}"')


def test_a_call_is_offered_once() -> None:
    """The record and the log count from the same moment."""
    call = Call(CallTimers())
    call.times.offered_ns = 3
    call.receive(InviteArrived(), 8)
    assert call.times.offered_ns == 3


@pytest.mark.parametrize("event", [MediaFailed("no file"), RtpSilent(30_000), MediaLost()])
def test_an_apology_that_cannot_be_heard_ends_the_call(event: Event) -> None:
    """Where the apology cannot be played the call ends at once, still with the first cause."""
    call = call_in(CallState.APOLOGIZING)
    assert do.HangUp in kinds(call.receive(event, 9))
    assert call.termination is not None
    assert call.termination.reason is EndReason.AGENT_LOST


def test_an_endless_apology_is_cut() -> None:
    """The apology has a deadline of its own."""
    call = call_in(CallState.APOLOGIZING)
    assert call.next_deadline_ns == 1 + 12_000 * MS
    assert do.HangUp in kinds(call.receive(TimePassed(), call.next_deadline_ns))


@pytest.mark.parametrize(
    ("event", "who", "reason"),
    [
        (HangUpAsked(Party.AGENT, EndReason.AGENT_GOODBYE), Party.AGENT, EndReason.AGENT_GOODBYE),
        (RtpSilent(30_000), Party.SYSTEM, EndReason.RTP_TIMEOUT),
        (MediaLost("gone"), Party.SYSTEM, EndReason.MEDIA_LOST),
        (MediaFailed("no such stream"), Party.SYSTEM, EndReason.MEDIA_FAILED),
        (NegotiationFailed("no codec"), Party.SYSTEM, EndReason.NEGOTIATION_FAILED),
        (Disconnected(False, 408), Party.SYSTEM, EndReason.SIP_FAILURE),
        (WorkerLost("killed"), Party.SYSTEM, EndReason.WORKER_LOST),
    ],
)
def test_endings_of_an_answered_call(event: Event, who: Party, reason: EndReason) -> None:
    """After the answer a call ends with BYE where a dialog is left to send it in."""
    call = call_in(CallState.TALKING)
    actions = kinds(call.receive(event, 9))
    gone = isinstance(event, (Disconnected, WorkerLost))
    assert (do.HangUp in actions) is not gone
    assert do.Reject not in actions
    assert (do.CloseLegStream in actions) is not isinstance(event, MediaLost)
    assert do.StopConversation in actions
    assert call.termination is not None
    assert (call.termination.who, call.termination.reason) == (who, reason)


def test_a_missing_ack_ends_the_call() -> None:
    """A caller whose ACK never comes is let go after 64*T1 and a little."""
    call = call_in(CallState.ANSWERING)
    assert call.next_deadline_ns is not None
    assert kinds(call.receive(TimePassed(), call.next_deadline_ns))[0] is do.HangUp
    assert call.termination is not None
    assert call.termination.reason is EndReason.NO_ACK


def test_a_call_has_a_longest_duration() -> None:
    """The time limit runs from the ACK and ends the call with BYE."""
    call = Call(CallTimers(max_call_ms=1_000))
    for now, (_, event) in enumerate(PATH[1:6]):
        assert event is not None
        call.receive(event, now)
    assert call.next_deadline_ns == 4 + 1_000 * MS
    assert kinds(call.receive(TimePassed(), call.next_deadline_ns))[0] is do.HangUp
    assert call.termination is not None
    assert call.termination.reason is EndReason.MAX_DURATION


def test_hold_and_resume_are_told_once_each() -> None:
    """A re-INVITE that holds us configures media and tells the conversation; so does the resume."""
    call = call_in(CallState.TALKING)
    assert call.receive(Negotiated(HELD), 9) == [do.Configure(5, HELD), do.TellHeld(True)]
    assert call.receive(Negotiated(HELD), 10) == [do.Configure(5, HELD)]
    assert call.receive(Negotiated(PARAMETERS), 11) == [
        do.Configure(5, PARAMETERS),
        do.TellHeld(False),
    ]


def test_the_last_words_are_waited_for_but_not_for_ever() -> None:
    """Without news from the other processes the call is over at the deadline all the same."""
    call = call_in(CallState.TALKING)
    call.receive(Disconnected(True, 200), 9)
    assert call.next_deadline_ns == 9 + 4_000 * MS
    assert kinds(call.receive(TimePassed(), call.next_deadline_ns)) == [do.CallOver]
    assert call.next_deadline_ns is None


def test_a_later_cause_does_not_replace_the_first() -> None:
    """While the caller's hang-up is being tidied, a dying worker changes nothing in the verdict."""
    call = call_in(CallState.TALKING)
    call.receive(Disconnected(True, 200), 9)
    first = call.termination
    for event in (WorkerLost(), AgentLost(), MediaLost()):
        call.receive(event, 10)
    assert call.termination == first
    assert call.state is CallState.ENDED


def test_media_that_dies_under_a_conversation_is_the_cause() -> None:
    """The agent may notice first that media is gone; the record says media_lost all the same."""
    call = call_in(CallState.TALKING)
    assert call.receive(ConversationBroken("media link lost"), 9) == [do.Apologize(5)]
    assert do.HangUp in kinds(call.receive(MediaLost("peer closed the link"), 10))
    assert call.termination is not None
    assert call.termination.reason is EndReason.MEDIA_LOST
