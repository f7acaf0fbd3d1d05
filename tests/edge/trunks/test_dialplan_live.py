from __future__ import annotations

import threading
import time

import pytest

from media.messages import CallAnswered, StartConversation
from tests.edge.trunks.caller import Caller, calling
from tests.edge.trunks.carrier import Carrier
from tests.edge.trunks.exchange import Exchange
from tests.harness.outside_phone import tone

pytestmark = pytest.mark.integration


def test_a_persona_gets_the_variables_of_rule_trunk_and_headers(exchange: Exchange) -> None:
    """The national number is E.164 inside; rule, header map and identity headers reach the AI."""
    headers = (
        "X-Customer: 4711",
        "P-Asserted-Identity: <sip:030777@carrier.example;user=phone>",
        "Diversion: <sip:030888@carrier.example>;reason=unconditional",
    )
    with calling(exchange.port, "030100", headers=headers) as caller:
        assert caller.call().status == 200
        started = exchange.hear(StartConversation)
        assert started.agent == "desk"
        assert started.variables == {
            "called": "+4930100",
            "caller": "+4930777",
            "trunk": "carrier",
            "customer": "4711",
            "diverted": "+4930888",
            "line": "+4930100",
        }
        exchange.hear(CallAnswered)
    record = exchange.record(caller.dialog.call_id)
    assert (record["trunk"], record["rule"], record["agent"]) == ("carrier", 'rule "voice"', "desk")


def test_an_announcement_is_played_and_the_call_ends(exchange: Exchange) -> None:
    """The WAV is heard to its end, then BYE comes from us."""
    with calling(exchange.port, "+4930200") as caller:
        assert caller.call().status == 200
        assert caller.wait_ended(10)
        assert caller.bursts()
    record = exchange.record(caller.dialog.call_id)
    assert (record["reason"], record["ended_by"], record["agent"]) == ("announced", "system", None)


def test_a_silent_server_is_passed_over_for_the_next(
    exchange: Exchange, carrier: Carrier, spare: Carrier
) -> None:
    """The second server's far end is heard; what the first answers too late gets ACK and BYE."""
    carrier.mute, carrier.answer_after_s = True, 1.8
    with calling(exchange.port, "+4930405") as caller:
        assert caller.call().status == 200
        assert len(carrier.seen("INVITE")) == len(spare.seen("INVITE")) == 1
        carrier.wait("ACK")
        carrier.wait("BYE")
        assert not spare.seen("BYE")
    spare.wait("BYE")
    (passed,) = [e for e in exchange.events("server_passed_over") if e["sip_status"] == 408][-1:]
    assert (passed["trunk"], passed["server"]) == ("carrier", f"udp:127.0.0.1:{carrier.port}")


def test_a_caller_who_leaves_while_a_server_is_silent(
    exchange: Exchange, carrier: Carrier, spare: Carrier
) -> None:
    """Nobody else is dialled for them; the late 200 gets ACK and BYE."""
    carrier.mute, carrier.answer_after_s = True, 1.5
    with calling(exchange.port, "+4930406") as caller:
        asking = threading.Thread(target=caller.call)
        asking.start()
        carrier.wait("INVITE")
        caller.dialog.cancel()
        asking.join(5)
        carrier.wait("BYE")
    assert not spare.seen("INVITE")


def test_a_rule_that_rejects_says_why(exchange: Exchange) -> None:
    """The plan's code goes out with a Reason; the record names the rule."""
    with calling(exchange.port, "+4930300") as caller:
        answer = caller.call()
    assert answer.status == 410
    assert answer.header("reason") == 'SIP;cause=410;text="number changed"'
    record = exchange.record(caller.dialog.call_id)
    assert (record["reason"], record["sip_status"], record["rule"]) == (
        "rejected",
        410,
        'rule "gone"',
    )


def test_a_number_that_no_rule_takes_is_404(exchange: Exchange) -> None:
    """Nothing is answered that the plan does not know."""
    with calling(exchange.port, "+4989999") as caller:
        assert caller.call().status == 404


def test_a_number_without_trunk_is_asked_of_the_plan_again(exchange: Exchange) -> None:
    """The plan's own number leads to the rule that takes it."""
    with calling(exchange.port, "+4930700") as caller:
        assert caller.call().status == 200
        assert caller.wait_ended(10)
    assert exchange.record(caller.dialog.call_id)["reason"] == "announced"


def test_a_queue_without_people_is_480(exchange: Exchange) -> None:
    """A queue that nobody attends refuses before the answer, or leads to people."""
    with calling(exchange.port, "+4930600") as caller:
        assert caller.call().status in (480, 200)


def test_a_number_is_called_over_the_trunk(exchange: Exchange, carrier: Carrier) -> None:
    """Both hear each other; number, identity, ticket and hop count are as the trunk wants them."""
    with calling(exchange.port, "+4930400") as caller:
        assert caller.call().status == 200
        assert caller.hears(440)
        caller.say(tone(1_000, 1.0))
        deadline = time.monotonic() + 3
        while not carrier.tone_heard(1_000) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert carrier.tone_heard(1_000)
        invite = carrier.wait("INVITE")
        assert invite.first_line.startswith("INVITE sip:4930400@127.0.0.1:")
        assert "sip:4930111@" in invite.header("from")
        assert "<sip:4930999@" in invite.header("p-asserted-identity")
        assert invite.header("x-ticket") == "T00"
        assert invite.header("x-cordboard-hops") == "1"
        assert "PCMA" in invite.body.partition("PCMU")[0]
    carrier.wait("BYE")
    record = exchange.record(caller.dialog.call_id)
    assert (record["reason"], record["rule"]) == ("caller_hangup", 'rule "out"')


def test_the_far_end_hangs_up(exchange: Exchange, carrier: Carrier) -> None:
    """A BYE of the number that was called ends the caller's call, too."""
    with calling(exchange.port, "+4930400") as caller:
        assert caller.call().status == 200
        carrier.hang_up()
        assert caller.wait_ended(3)
    record = exchange.record(caller.dialog.call_id)
    assert (record["reason"], record["ended_by"]) == ("called_hangup", "called")


@pytest.mark.parametrize(("far", "near"), [(486, 486), (404, 404), (603, 603), (500, 503)])
def test_what_the_far_end_says_reaches_the_caller(
    exchange: Exchange, carrier: Carrier, spare: Carrier, far: int, near: int
) -> None:
    """Busy stays busy; a carrier's own trouble is 503 after its other server failed as well."""
    carrier.status = spare.status = far
    carrier.ring = spare.ring = False
    try:
        with calling(exchange.port, "+4930400") as caller:
            assert caller.call().status == near
    finally:
        carrier.ring = spare.ring = True
    assert len(spare.seen("INVITE")) == (1 if far == 500 else 0)
    assert exchange.record(caller.dialog.call_id)["reason"] == "not_reached"


def test_early_media_reaches_the_caller(exchange: Exchange, carrier: Carrier) -> None:
    """183 with SDP of the far end is passed on, and its tone is heard before the answer."""
    carrier.early, carrier.answer_after_s = True, 2.5
    caller = Caller(exchange.port, "+4930400")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(caller.call()))
    thread.start()
    try:
        early = caller.wait_status(183)
        assert early is not None
        assert "m=audio" in early.body
        thread.join(10)
        assert answers[0].status == 200
        assert caller.hears(440)
        assert sum(each.at_ns < caller.dialog.ok_ns for each in caller.heard) > 50
    finally:
        caller.hang_up()
    assert exchange.record(caller.dialog.call_id)["reason"] == "caller_hangup"


def test_a_caller_who_gives_up_cancels_the_far_end(exchange: Exchange, carrier: Carrier) -> None:
    """CANCEL is passed on; no leg is left behind."""
    carrier.answer_after_s = 20
    caller = Caller(exchange.port, "+4930400")
    thread = threading.Thread(target=caller.call)
    thread.start()
    carrier.wait("INVITE")
    assert caller.wait_status(180) is not None
    assert caller.dialog.cancel().status == 200
    thread.join(10)
    carrier.wait("CANCEL")
    caller.close()
    assert exchange.record(caller.dialog.call_id)["reason"] == "caller_cancelled"


def test_the_next_action_is_taken_when_one_fails(exchange: Exchange, carrier: Carrier) -> None:
    """A busy number is followed by the rule's announcement, without the caller hearing busy."""
    carrier.status = 486
    with calling(exchange.port, "+4930500") as caller:
        assert caller.call().status == 200
        assert caller.wait_ended(10)
    assert exchange.record(caller.dialog.call_id)["reason"] == "announced"


def test_a_call_that_went_round_is_not_sent_out_again(exchange: Exchange, carrier: Carrier) -> None:
    """A hop count at the limit is answered with 483; no INVITE leaves."""
    with calling(exchange.port, "+4930400", headers=("X-Cordboard-Hops: 4",)) as caller:
        assert caller.call().status == 483
    assert carrier.seen("INVITE") == []


def test_a_full_trunk_is_refused_as_it_was_configured(exchange: Exchange) -> None:
    """The second call of a trunk for one gets its status and Retry-After; the next one fits."""
    with calling(exchange.port, "+4930100", source="127.0.0.2") as first:
        assert first.call().status == 200
        with calling(exchange.port, "+4930100", source="127.0.0.2") as second:
            answer = second.call()
        assert (answer.status, answer.header("retry-after")) == (503, "33")
        record = exchange.record(second.dialog.call_id)
        assert (record["reason"], record["trunk"]) == ("full", "small")
    exchange.record(first.dialog.call_id)
    with calling(exchange.port, "+4930100", source="127.0.0.2") as third:
        assert third.call().status == 200


def test_calls_beyond_the_rate_are_refused(exchange: Exchange) -> None:
    """With one call a second the second one in the same second is busy."""
    statuses = []
    for _ in range(2):
        with calling(exchange.port, "+4930100", source="127.0.0.3") as caller:
            statuses.append(caller.call().status)
    assert statuses == [200, 486]
