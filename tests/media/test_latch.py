"""Symmetric RTP."""

from __future__ import annotations

import pytest

from media.latch import SILENCE_NS, SourceLatch

pytestmark = pytest.mark.unit
SIGNALLED = ("198.51.100.7", 4_000)
SAME_HOST = ("198.51.100.7", 9_999)
STRANGER = ("203.0.113.9", 5_000)
S = 1_000_000_000


def latch(host: str = SIGNALLED[0]) -> SourceLatch:
    """Return a latch that knows the SDP's address."""
    made = SourceLatch()
    made.signal(host, 4_000)
    return made


def test_sends_to_the_signalled_address_first() -> None:
    """Until something comes, the SDP is all there is."""
    assert latch().target == SIGNALLED


def test_latches_on_the_first_packet_and_refuses_others() -> None:
    """After latching a foreign source is counted and changes nothing."""
    one = latch()
    assert one.receive(SAME_HOST, 1, 10, S)
    assert one.target == SAME_HOST
    for n in range(50):
        assert not one.receive(STRANGER, 2, n, S + n)
    assert (one.foreign, one.target) == (50, SAME_HOST)


def test_true_source_takes_over_from_a_quicker_one() -> None:
    """The very address of the SDP wins once, whoever came first."""
    one = latch()
    assert one.receive(SAME_HOST, 1, 10, S)
    assert one.receive(SIGNALLED, 2, 10, S)
    assert not one.receive(SAME_HOST, 1, 11, S)
    assert one.target == SIGNALLED


def test_other_host_needs_three_in_sequence() -> None:
    """A public SDP address makes another host suspect."""
    one = latch()
    assert [one.receive(STRANGER, 5, n, S) for n in (7, 8, 9)] == [False, False, True]
    two = latch()
    assert not any(two.receive(STRANGER, 5, n, S) for n in (7, 80, 900, 3, 50))


def test_private_address_in_the_sdp_is_a_nat() -> None:
    """The first packet from anywhere is then taken."""
    assert latch("192.168.1.20").receive(STRANGER, 5, 7, S)


def test_silence_opens_the_latch() -> None:
    """After three seconds without the old source, a new one of the same host is taken."""
    one = latch()
    one.receive(SIGNALLED, 1, 1, 0)
    assert not one.receive(SAME_HOST, 1, 2, SILENCE_NS - 1)
    assert one.receive(SAME_HOST, 1, 3, SILENCE_NS)


def test_new_address_is_sent_to_at_once_and_latched_when_it_speaks() -> None:
    """After a re-INVITE the old source is heard until the new one comes."""
    one = latch()
    one.receive(SIGNALLED, 1, 1, S)
    one.signal("203.0.113.9", 5_000)
    assert one.target == STRANGER
    assert one.receive(SIGNALLED, 1, 2, S)
    assert one.receive(STRANGER, 2, 1, S)
    assert not one.receive(SIGNALLED, 1, 3, S)


def test_same_address_again_changes_nothing() -> None:
    """A session refresh does not open the latch."""
    one = latch()
    one.receive(SAME_HOST, 1, 1, S)
    one.signal(*SIGNALLED)
    assert one.target == SAME_HOST
    assert not one.receive(("198.51.100.7", 8_888), 1, 2, S)


def test_mapped_ipv4_is_the_same_host() -> None:
    """A dual-stack socket shows IPv4 sources as ::ffff:a.b.c.d."""
    one = latch()
    assert one.receive(("::ffff:198.51.100.7", 4_000), 1, 1, S)
    assert one.target == SIGNALLED
    assert one.accepts_rtcp(("198.51.100.7", 4_001))
    assert not one.accepts_rtcp(STRANGER)
