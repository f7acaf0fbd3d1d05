"""What becomes of a REFER, event by event."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.transfer.events import Connect, ReferNews, TransferRules
from edge.transfer.referral import Referral, Verdict

pytestmark = pytest.mark.unit

MS = 1_000_000
SENT_NS = 5_000 * MS
ATTENDED = TransferRules(connect=Connect.REFER)
BLIND = TransferRules(connect=Connect.BLIND_REFER)

Event = Callable[[Referral], Verdict]


def news(sip_status: int) -> Event:
    final = sip_status >= 200
    return lambda referral: referral.receive_news(ReferNews(sip_status, final=final))


def phone_gone(referral: Referral) -> Verdict:
    return referral.receive_phone_gone()


def caller_gone(referral: Referral) -> Verdict:
    return referral.receive_caller_gone(SENT_NS)


def time(ms: int) -> Event:
    return lambda referral: referral.receive_time(SENT_NS + ms * MS)


@pytest.mark.parametrize(
    ("rules", "events", "verdict"),
    [
        (ATTENDED, [news(100)], Verdict.OPEN),
        (ATTENDED, [news(100), news(200)], Verdict.TAKEN_OVER),
        (ATTENDED, [news(405)], Verdict.JOIN_INSTEAD),
        (ATTENDED, [news(100), news(486)], Verdict.JOIN_INSTEAD),
        (ATTENDED, [phone_gone], Verdict.OPEN),
        (ATTENDED, [phone_gone, caller_gone], Verdict.TAKEN_OVER),
        (ATTENDED, [caller_gone], Verdict.OPEN),
        (ATTENDED, [caller_gone, phone_gone], Verdict.TAKEN_OVER),
        (ATTENDED, [caller_gone, time(499)], Verdict.OPEN),
        (ATTENDED, [caller_gone, time(500)], Verdict.CALLER_LEFT),
        (ATTENDED, [caller_gone, news(486)], Verdict.CALLER_LEFT),
        (ATTENDED, [news(100), caller_gone, news(503)], Verdict.CALLER_LEFT),
        (ATTENDED, [caller_gone, news(100), time(500)], Verdict.CALLER_LEFT),
        (ATTENDED, [caller_gone, news(200)], Verdict.TAKEN_OVER),
        (ATTENDED, [time(9_999)], Verdict.OPEN),
        (ATTENDED, [time(10_000)], Verdict.JOIN_INSTEAD),
        (ATTENDED, [news(100), time(39_999)], Verdict.OPEN),
        (ATTENDED, [news(100), time(40_000)], Verdict.JOIN_INSTEAD),
        (BLIND, [news(603)], Verdict.DIAL_INSTEAD),
        (BLIND, [news(100), news(603)], Verdict.LOST),
        (BLIND, [news(486)], Verdict.LOST),
        (BLIND, [caller_gone], Verdict.CALLER_LEFT),
        (BLIND, [news(100), caller_gone], Verdict.TAKEN_OVER),
        (BLIND, [news(100), news(180), caller_gone], Verdict.CALLER_LEFT),
        (BLIND, [time(10_000)], Verdict.LOST),
    ],
)
def test_a_refer_is_judged_by_what_happened(
    rules: TransferRules, events: list[Event], verdict: Verdict
) -> None:
    """Every event but the last leaves it open."""
    referral = Referral(rules, SENT_NS)
    *before, last = events
    assert [event(referral) for event in before] == [Verdict.OPEN] * len(before)
    assert last(referral) is verdict


def test_only_a_first_answer_says_that_the_trunk_knows_no_refer() -> None:
    referral = Referral(BLIND, SENT_NS)
    assert referral.is_refused(ReferNews(405, final=True))
    assert not referral.is_refused(ReferNews(404, final=True))
    referral.receive_news(ReferNews(100, final=False))
    assert not referral.is_refused(ReferNews(405, final=True))
