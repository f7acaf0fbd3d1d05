from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.phone.rtp import RtpPacket, SequenceCount, dtmf_payloads, parse, serialize

pytestmark = pytest.mark.unit

PACKET = RtpPacket(0, 7, 1_120, 0xDEADBEEF, b"\xff" * 160, marker=True)


def test_a_packet_survives_the_wire() -> None:
    """Parse undoes serialize."""
    assert parse(serialize(PACKET)) == PACKET


def test_the_header_is_rfc_3550s() -> None:
    """Version 2, marker and payload type, big-endian fields."""
    assert serialize(PACKET)[:12] == bytes.fromhex("8080000700000460deadbeef")


def test_csrc_extension_and_padding_are_skipped() -> None:
    """Only the payload is left of a packet with everything on it."""
    raw = bytes.fromhex("b10000070000046000000001") + b"\0\0\0\2"
    raw += bytes.fromhex("bede0001") + b"\1\2\3\4" + b"payload" + b"\0\0\3"
    packet = parse(raw)
    assert packet is not None
    assert packet.payload == b"payload"


@given(st.binary(max_size=64))
def test_garbage_is_refused_without_an_exception(datagram: bytes) -> None:
    """Whatever arrives is a packet or None."""
    packet = parse(datagram)
    assert packet is None or packet.payload_type < 128


@pytest.mark.parametrize(
    ("sequences", "lost"),
    [([], 0), ([1, 2, 3], 0), ([1, 4], 2), ([65_534, 65_535, 0, 2], 1), ([5, 7, 6], 0)],
)
def test_loss_is_counted_across_wrap_and_reordering(sequences: list[int], lost: int) -> None:
    """Expected minus received, by the highest sequence number."""
    count = SequenceCount()
    for sequence in sequences:
        count.receive(sequence)
    assert count.lost == lost
    assert count.received == len(sequences)


def test_a_digit_is_an_event_with_three_ends() -> None:
    """RFC 4733: growing duration, the end bit three times, then a pause."""
    frames = dtmf_payloads("#")
    events = [payload for payload, _ in frames if payload]
    assert [each[0] for each in events] == [11] * 8
    assert [each[1] >> 7 for each in events] == [0] * 5 + [1] * 3
    assert [int.from_bytes(each[2:], "big") for each in events[:5]] == [160, 320, 480, 640, 800]
    assert frames[-1] == (b"", 0)


def test_an_impossible_digit_is_refused() -> None:
    """There is no key for it."""
    with pytest.raises(ValueError, match="substring"):
        dtmf_payloads("x")
