"""Key presses."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dtmf import DIGITS, DtmfReceiver, DtmfSender

pytestmark = pytest.mark.unit


def event(code: int, duration: int, *, end: bool = False) -> bytes:
    """Build a telephone-event payload."""
    return struct.pack("!BBH", code, (0x80 if end else 0) | 10, duration)


def press(code: int, start: int) -> list[tuple[int, bytes]]:
    """Return the packets of a press of 100 ms."""
    updates = [(start, event(code, 160 * n)) for n in range(1, 6)]
    return [*updates, *[(start, event(code, 800, end=True))] * 3]


@given(
    st.lists(st.integers(0, 15), min_size=1, max_size=12),
    st.lists(st.sets(st.integers(0, 7), max_size=7), min_size=12, max_size=12),
)
def test_one_report_per_press_whatever_is_lost(codes: list[int], lost: list[set[int]]) -> None:
    """Any seven of the eight packets of each press may be lost."""
    receiver = DtmfReceiver()
    digits = ""
    for index, code in enumerate(codes):
        for n, packet in enumerate(press(code, index * 1_600)):
            if n not in lost[index]:
                digits += receiver.receive(*packet) or ""
    assert digits == "".join(DIGITS[code] for code in codes)


def test_reordered_end_of_an_earlier_press_reports_nothing() -> None:
    """A straggler of the press before does not repeat it."""
    receiver = DtmfReceiver()
    assert receiver.receive(0, event(1, 160)) == "1"
    assert receiver.receive(1_600, event(2, 160)) == "2"
    assert receiver.receive(0, event(1, 800, end=True)) is None
    assert receiver.receive(1_600, event(2, 800, end=True)) is None


def test_long_press_in_segments_is_one() -> None:
    """A press beyond 65535 samples goes on with a new timestamp (RFC 4733 2.5.1.3)."""
    receiver = DtmfReceiver()
    assert receiver.receive(0, event(5, 0xFFFF)) == "5"
    assert receiver.receive(0xFFFF, event(5, 160)) is None
    assert receiver.receive(0xFFFF, event(5, 800, end=True)) is None


def test_gateway_that_moves_the_timestamp_is_understood() -> None:
    """A timestamp that grows with each packet is still one press."""
    receiver = DtmfReceiver()
    seen = [receiver.receive(160 * n, event(9, 160 * (n + 1))) for n in range(6)]
    assert [each for each in seen if each] == ["9"]


def test_events_that_are_no_digits_are_silent() -> None:
    """A hook flash (16) is no key."""
    assert DtmfReceiver().receive(0, event(16, 160)) is None


@given(st.binary(max_size=3))
def test_truncated_payload_is_refused(payload: bytes) -> None:
    """Less than four octets is no telephone-event."""
    with pytest.raises(ValueError, match="truncated"):
        DtmfReceiver().receive(0, payload)


@given(st.text(DIGITS, min_size=1, max_size=6), st.integers(40, 400), st.sampled_from([10, 20, 60]))
def test_what_is_sent_is_received(digits: str, duration_ms: int, ptime_ms: int) -> None:
    """Sender and receiver agree on every digit, duration and packet time."""
    sender, receiver = DtmfSender(), DtmfReceiver()
    sender.send(digits, duration_ms, 60)
    timestamp, got, ends, markers = 0, "", 0, 0
    while sender.active:
        packet = sender.pop(ptime_ms * 8)
        if packet is not None:
            got += receiver.receive(timestamp - packet.timestamp_offset, packet.payload) or ""
            ends += packet.payload[1] >> 7
            markers += packet.marker
            if packet.payload[1] >> 7:
                assert struct.unpack_from("!H", packet.payload, 2)[0] == duration_ms * 8
        timestamp += ptime_ms * 8
    assert (got, ends, markers) == (digits, 3 * len(digits), len(digits))


@pytest.mark.parametrize(("digits", "ms"), [("", 100), ("5x", 100), ("5", 10), ("5", 9_000)])
def test_bad_digits_are_refused(digits: str, ms: int) -> None:
    """What cannot be sent is refused as a whole."""
    sender = DtmfSender()
    with pytest.raises(ValueError, match="DTMF|duration"):
        sender.send(digits, ms, 60)
    assert not sender.active
