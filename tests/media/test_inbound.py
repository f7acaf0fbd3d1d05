"""The receiving half of a leg."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.inbound import Heard, Inbound, InboundEvent, Pressed
from media.srtp import SrtpSession
from tests.media.bridge_process import parameters_for
from tests.media.rtp_endpoint import rtp

pytestmark = pytest.mark.unit
MS = 1_000_000
FAR = ("127.0.0.1", 4_000)


def inbound(**changes: object) -> Inbound:
    """Return a configured half."""
    made = Inbound(0, 120)
    made.configure(parameters_for(4_000, **changes), None)
    return made


def frames(events: list[InboundEvent]) -> list[bytes | None]:
    """Return the octets of what was heard."""
    return [event.frame.payload for event in events if isinstance(event, Heard)]


@pytest.mark.parametrize(
    ("direction", "expects"),
    [("sendrecv", True), ("recvonly", False), ("sendonly", False), ("inactive", False)],
)
def test_silence_is_a_fault_only_while_both_talk(direction: str, expects: bool) -> None:
    """Who has put us on hold may send nothing for as long as they like."""
    assert inbound(direction=direction).expects is expects


def test_audio_of_both_laws_is_heard() -> None:
    """The far end may switch between PCMU and PCMA at any packet (RFC 3264 section 6.1)."""
    one = inbound()
    assert frames(one.receive(rtp(0, 1, 0, 9, b"\x10" * 160), FAR, 20 * MS)) == [b"\x10" * 160]
    assert frames(one.receive(rtp(8, 2, 160, 9, b"\x11" * 160), FAR, 40 * MS)) == [b"\x11" * 160]


def test_key_press_is_reported_once() -> None:
    """Eight packets of one press are one report with the time of the first."""
    one = inbound()
    payloads = [bytes([5, 10, 0, n * 32]) for n in range(1, 6)] + [bytes([5, 138, 3, 32])] * 3
    events = [
        event
        for n, payload in enumerate(payloads)
        for event in one.receive(rtp(101, n, 800, 9, payload), FAR, (20 + n) * MS)
    ]
    assert events == [Pressed("5", 20 * MS)]


def test_foreign_packets_are_counted_and_not_heard() -> None:
    """After latching nobody else is listened to."""
    one = inbound()
    one.receive(rtp(0, 1, 0, 9, b"\x10" * 160), FAR, 20 * MS)
    for n in range(10):
        packet = rtp(0, n, 160 * n, 77, b"\x20" * 160)
        assert one.receive(packet, ("127.0.0.1", 4_444), (21 + n) * MS) == []
    assert one.latch.foreign == 10
    assert one.malformed == 0


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80",
        rtp(0, 1, 0, 9, b""),
        rtp(0, 1, 0, 9, b"\x10" * 1_601),
        rtp(111, 1, 0, 9, b"\x10" * 160),
        b"\x40" + rtp(0, 1, 0, 9, b"\x10" * 160)[1:],
        b"\x8f" + rtp(0, 1, 0, 9, b"\x10" * 8)[1:],
        b"\xb0" + rtp(0, 1, 0, 9, b"\xff" * 8)[1:],
    ],
)
def test_malformed_packets_are_counted(datagram: bytes) -> None:
    """Truncated, empty, oversized, of an unknown type or version: counted, never heard."""
    one = inbound()
    assert one.receive(datagram, FAR, 20 * MS) == []
    assert one.malformed == 1
    assert one.latch.latched is None


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_is_survived(datagrams: list[bytes]) -> None:
    """Random datagrams never raise, and a good packet is heard after them."""
    one = inbound()
    for n, datagram in enumerate(datagrams):
        one.receive(datagram, ("203.0.113.5", 9), n * MS)
    events = one.receive(rtp(0, 1, 0, 9, b"\x10" * 160), FAR, 500 * MS)
    assert frames(events)[-1:] == [b"\x10" * 160]


def test_wrong_key_is_silence_and_counted() -> None:
    """With SRTP, plain packets and those of another key never become noise."""
    key = base64.b64encode(b"\x01" * 30).decode()
    other = base64.b64encode(b"\x02" * 30).decode()
    one = Inbound(0, 120)
    session = SrtpSession("AES_CM_128_HMAC_SHA1_80", key, key)
    one.configure(parameters_for(4_000), session)
    wrong = SrtpSession("AES_CM_128_HMAC_SHA1_80", other, other)
    packet = rtp(0, 1, 0, 9, b"\x10" * 160)
    assert one.receive(wrong.protect(packet), FAR, 20 * MS) == []
    assert one.receive(packet, FAR, 20 * MS) == []
    assert (one.unauthentic, one.malformed) == (2, 0)
    right = SrtpSession("AES_CM_128_HMAC_SHA1_80", key, key)
    secret = right.protect(packet)
    assert frames(one.receive(secret, FAR, 20 * MS)) == [b"\x10" * 160]
    assert one.receive(secret, FAR, 20 * MS) == []
    assert (one.unauthentic, one.replayed) == (2, 1)


def test_new_source_keeps_the_earlier_figures() -> None:
    """Losses before a change of SSRC stay counted."""
    one = inbound()
    for n in (0, 1, 3):
        one.receive(rtp(0, n, 160 * n, 9, b"\x10" * 160), FAR, (20 + 20 * n) * MS)
    one.receive(rtp(0, 500, 0, 10, b"\x10" * 160), FAR, 100 * MS)
    assert [each.lost for each in one.receptions] == [1, 0]


def test_before_configuration_nothing_is_heard() -> None:
    """A port that was only allocated takes nothing."""
    one = Inbound(0, 120)
    assert one.receive(rtp(0, 1, 0, 9, b"\x10" * 160), FAR, 20 * MS) == []
    assert one.poll(10**12) == []


def heard_of(one: Inbound, sequence: int, timestamp: int, count: int, began_ns: int) -> int:
    """Return how many of a run of packets, 20 ms apart, are heard as they were sent."""
    events: list[InboundEvent] = []
    for n in range(count):
        now_ns = began_ns + n * 20 * MS
        packet = rtp(0, (sequence + n) & 0xFFFF, timestamp + 160 * n, 9, b"\x10" * 160)
        events += one.receive(packet, FAR, now_ns) + one.poll(now_ns)
    return sum(payload is not None for payload in frames(events))


@pytest.mark.parametrize("sequence", [5_000, 29_700, 45_000])
@pytest.mark.parametrize("timestamp", [0, 48_000, 3_000_000_000])
def test_a_source_that_counts_anew_is_heard(sequence: int, timestamp: int) -> None:
    """Other sequence numbers and timestamps under the same SSRC cost at most a few packets."""
    one = inbound()
    assert heard_of(one, 30_000, 1_000_000, 200, 20 * MS) == 200
    assert heard_of(one, sequence, timestamp, 100, 4_020 * MS) >= 98


def test_one_stray_packet_does_not_deafen() -> None:
    """A single packet from far off is passed over, and what follows in order is heard."""
    one = inbound()
    heard_of(one, 30_000, 0, 100, 20 * MS)
    assert heard_of(one, 50_000, 9_000_000, 1, 2_020 * MS) == 0
    assert heard_of(one, 30_100, 16_000, 100, 2_040 * MS) == 100
