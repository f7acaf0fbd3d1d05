import pytest

from edge import call_actions as do
from edge.call import Call
from edge.call_events import (
    AgentLost,
    CallState,
    Confirmed,
    ConversationBroken,
    ConversationEnded,
    ConversationReady,
    ConversationResumed,
    Disconnected,
    EndReason,
    HandedOver,
    HangUpAsked,
    InviteArrived,
    MediaLost,
    Negotiated,
    Party,
    StreamClosed,
    StreamReady,
    TimePassed,
    TransferAsked,
    TransferOver,
)
from edge.call_parts import CallTimers
from media.messages import StreamParameters

pytestmark = pytest.mark.unit

PARAMETERS = StreamParameters("127.0.0.1", 4_000, 4_001, "PCMU", 0)
MS = 1_000_000


def away() -> Call:
    """A call whose caller waits for a human."""
    call = Call(CallTimers(max_call_ms=60_000))
    for event in (
        InviteArrived(),
        StreamReady(5, "127.0.0.9", 22_000),
        ConversationReady(),
        Confirmed(),
        Negotiated(PARAMETERS),
    ):
        call.receive(event, 1)
    assert call.receive(TransferAsked("support", "angry"), 2) == [
        do.BeginTransfer("support", "angry")
    ]
    return call


def test_a_second_wish_for_a_human_changes_nothing() -> None:
    """Two transfers for one call: the first one runs."""
    assert away().receive(TransferAsked("sales", "again"), 3) == []


def test_the_agent_process_may_die_while_the_caller_is_with_a_human() -> None:
    """No apology; on the way back a conversation is begun anew, and ended with the call."""
    call = away()
    assert call.receive(AgentLost("killed"), 3) == []
    assert call.state is CallState.TALKING
    back = call.receive(TransferOver("human_finished"), 4)
    assert back == [do.ReturnToConversation(5, "human_finished", anew=True)]
    assert call.receive(AgentLost("again"), 5) == []
    assert call.receive(ConversationResumed(), 6) == []
    ending = call.receive(Disconnected(True, 200), 7)
    assert do.StopConversation(EndReason.CALLER_HANGUP) in ending


def test_no_way_back_to_the_ai_is_an_apology() -> None:
    """A caller whom the AI cannot take back is told so, not left in silence."""
    call = away()
    call.receive(TransferOver("no_answer"), 3)
    assert call.receive(ConversationBroken("gone"), 4) == [do.Apologize(5)]


def test_a_conversation_that_is_whole_is_resumed() -> None:
    """Without a loss the history is kept."""
    back = away().receive(TransferOver("no_answer"), 3)
    assert back == [do.ReturnToConversation(5, "no_answer", anew=False)]


def test_the_agents_late_goodbye_does_not_hang_up_on_a_caller_in_the_queue() -> None:
    """What the AI said before it knew of the transfer is passed over; others still hang up."""
    call = away()
    assert call.receive(HangUpAsked(Party.AGENT, EndReason.NO_INPUT), 3) == []
    call.receive(HangUpAsked(Party.OPERATOR, EndReason.OPERATOR), 4)
    assert call.state is CallState.ENDING


def test_the_caller_hangs_up_in_the_queue() -> None:
    """The phones are released first, and the call is over when the transfer is."""
    call = away()
    ending = call.receive(Disconnected(True, 200), 3)
    assert ending[0] == do.AbandonTransfer()
    call.receive(StreamClosed(None), 4)
    assert call.receive(ConversationEnded(), 5) == []
    (over,) = call.receive(TransferOver(None), 6)
    assert isinstance(over, do.CallOver)
    assert over.termination.reason is EndReason.CALLER_HANGUP


def test_a_carrier_that_took_the_call_over_is_no_caller_who_hung_up() -> None:
    """BYE from the carrier during REFER ends as transferred once the transfer says so."""
    call = away()
    call.receive(Disconnected(True, 200), 3)
    call.receive(HandedOver(), 4)
    assert call.termination is not None
    assert call.termination.reason is EndReason.TRANSFERRED


def test_a_handed_over_call_is_released() -> None:
    """A REFER that worked ends our leg with BYE."""
    actions = away().receive(HandedOver(), 3)
    assert do.HangUp('Q.850;cause=16;text="transferred"') in actions
    assert do.AbandonTransfer() not in actions


def test_the_longest_call_holds_with_a_human_too() -> None:
    """max_call_s ends a call wherever its caller is."""
    call = away()
    actions = call.receive(TimePassed(), 61_000 * MS)
    assert actions[0] == do.AbandonTransfer()
    assert call.termination is not None
    assert call.termination.reason is EndReason.MAX_DURATION


def test_media_that_dies_ends_the_call_in_the_queue() -> None:
    """Without media there is nothing to wait with: everybody is released."""
    call = away()
    assert call.receive(MediaLost("killed"), 3)[0] == do.AbandonTransfer()
    assert call.termination is not None
    assert call.termination.reason is EndReason.MEDIA_LOST
