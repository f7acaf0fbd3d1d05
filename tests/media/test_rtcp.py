"""RTCP."""

from __future__ import annotations

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
)
from hypothesis import given
from hypothesis import strategies as st

from media.reception import Reception
from media.rtcp import RtcpSession, Sent

pytestmark = pytest.mark.unit
S = 1_000_000_000


def session(ssrc: int = 1) -> RtcpSession:
    """Return a session with a fixed random value."""
    return RtcpSession(ssrc, "cname", lambda: 0.5, 1_700_000_000 * S, 0)


def test_report_is_compound_and_due_about_every_five_seconds() -> None:
    """Sender report first, then the description; the next is due 2.5 to 7.5 s later."""
    one = session()
    assert one.next_report_ns == 2.5 * S
    reception = Reception(9)
    reception.receive(5)
    first, second = RtcpPacket.parse(one.report(Sent(10, 1_600, 777), reception, S))
    assert isinstance(first, RtcpSrPacket)
    assert (first.sender_info.packet_count, first.sender_info.rtp_timestamp) == (10, 777)
    assert first.reports[0].ssrc == 9
    assert isinstance(second, RtcpSdesPacket)
    assert second.chunks[0].items == [(1, b"cname")]
    assert one.next_report_ns == 6 * S


def test_who_sends_nothing_sends_receiver_reports_and_bye_ends() -> None:
    """Without packets since the last report it is an RR (RFC 3550 section 6.4)."""
    packets = RtcpPacket.parse(session().bye(Sent(0, 0, 0), None, S))
    assert [type(each) for each in packets] == [RtcpRrPacket, RtcpSdesPacket, RtcpByePacket]


def test_round_trip_is_measured() -> None:
    """Two sessions with 30 ms each way and 1 s of thinking time measure 60 ms."""
    near, far = session(1), session(2)
    near_reception, far_reception = Reception(2), Reception(1)
    far_reception.receive(1)
    far.receive(near.report(Sent(5, 800, 0), near_reception, 10 * S), 10 * S + 30_000_000)
    answer = far.report(Sent(0, 0, 0), far_reception, 11 * S + 30_000_000)
    near.receive(answer, 11 * S + 60_000_000)
    assert near.round_trip_ms == pytest.approx(60, abs=0.1)


def test_remote_loss_is_taken_from_reports_about_us() -> None:
    """Ten of a hundred lost is a tenth; reports about others are not ours."""
    one = session(1)
    one.report(Sent(100, 16_000, 0), None, S)
    block = RtcpReceiverInfo(1, 25, 10, 100, 0, 0, 0)
    stranger = RtcpReceiverInfo(5, 25, 90, 100, 0, 0, 0)
    one.receive(bytes(RtcpRrPacket(2, [stranger, block])), 2 * S)
    assert one.remote_loss_ratio == pytest.approx(0.1)
    assert one.round_trip_ms is None


@given(st.binary(max_size=200), st.integers(0, 60))
def test_garbage_is_counted_or_ignored(garbage: bytes, kept: int) -> None:
    """Random octets never raise, nor those behind a torn report; what is counted says nothing."""
    torn = session(2).report(Sent(1, 1, 1), Reception(1), S)[:kept]
    for datagram in (garbage, torn + garbage):
        one = session()
        one.receive(datagram, S)
        if len(datagram) < 4 or datagram[0] >> 6 != 2:
            assert one.malformed == 1
        assert one.malformed in (0, 1)
        if one.malformed:
            assert (one.round_trip_ms, one.remote_loss_ratio, one.remote_bye) == (None, 0, False)


def test_truncated_report_is_counted() -> None:
    """A report that ends early is malformed."""
    one = session()
    one.receive(one.report(Sent(1, 1, 1), None, S)[:-3], S)
    assert one.malformed == 1
