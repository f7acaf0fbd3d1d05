"""The eager jitter buffer."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import Codec, encode
from media.jitter import AudioPacket, EagerJitterBuffer, HeardFrame

pytestmark = pytest.mark.unit
MS = 1_000_000
START = 50_000 * MS


def packet(n: int, arrival_ns: int, *, samples: int = 160, skip: int = 0) -> AudioPacket:
    """Return packet n of a steady tone; its timestamp jumps by ``skip`` samples."""
    at = np.arange(n * samples, (n + 1) * samples)
    octets = encode(Codec.PCMU, (np.sin(at / 3) * 8_000).astype(np.int16))
    return AudioPacket(1_000 + n, 90_000 + n * samples + skip, octets, Codec.PCMU, arrival_ns)


def feed(
    buffer: EagerJitterBuffer, arrivals: list[tuple[int, int]]
) -> list[tuple[int, HeardFrame]]:
    """Let packets arrive at (ms, number), polling at every deadline; return (at_ns, frame)."""
    heard: list[tuple[int, HeardFrame]] = []
    for at_ms, n in arrivals:
        now = START + at_ms * MS
        while buffer.next_deadline_ns < now:
            deadline = buffer.next_deadline_ns
            heard += [(deadline, frame) for frame in buffer.poll(deadline)]
        heard += [(now, frame) for frame in buffer.receive(packet(n, now), now)]
    return heard


def test_clean_line_has_no_delay() -> None:
    """Every packet is handed on at its arrival, bit for bit, in unbroken positions."""
    buffer = EagerJitterBuffer(START)
    heard = feed(buffer, [(20 + 20 * n, n) for n in range(100)])
    assert [at for at, _ in heard] == [START + (20 + 20 * n) * MS for n in range(100)]
    assert [frame.position_samples for _, frame in heard] == [160 * n for n in range(100)]
    assert all(frame.payload == packet(n, 0).payload for n, (_, frame) in enumerate(heard))
    assert buffer.concealed_samples == buffer.late == 0


def test_single_loss_on_a_clean_line_is_concealed_at_once() -> None:
    """The gap costs no more than the packet that shows it."""
    buffer = EagerJitterBuffer(START)
    heard = feed(buffer, [(20 + 20 * n, n) for n in range(60) if n != 40])
    stood_in = [(at, frame) for at, frame in heard if frame.concealed]
    assert len(stood_in) == 1
    at, frame = stood_in[0]
    assert at <= START + (20 + 20 * 41 + 1) * MS
    assert frame.position_samples == 160 * 40
    assert float(np.std(frame.samples)) > 3_000
    assert buffer.concealed_samples == 160
    assert [f.position_samples for _, f in heard] == [160 * n for n in range(60)]


def test_reordered_packets_come_out_in_order_when_the_path_is_known() -> None:
    """On a path that delays by up to 40 ms, overtaking costs at most 3 % of the packets."""
    rng = random.Random(4)
    buffer = EagerJitterBuffer(START)
    arrivals = sorted((20 + 20 * n + rng.randrange(40), n) for n in range(1_000))
    heard = feed(buffer, arrivals)
    positions = [frame.position_samples for _, frame in heard]
    assert positions == sorted(positions)
    assert buffer.concealed_samples / (160 * 1_000) < 0.03


def test_wait_for_a_missing_packet_is_bounded() -> None:
    """However bad the path was, a gap is given up after jitter_max_ms."""
    rng = random.Random(4)
    buffer = EagerJitterBuffer(START, jitter_max_ms=30)
    arrivals = sorted((20 + 20 * n + rng.randrange(150), n) for n in range(300))
    heard = feed(buffer, arrivals)
    waits = [
        at - frame.wire_ns for at, frame in heard if not frame.concealed and frame.wire_ns < at
    ]
    assert max(waits) <= 31 * MS


def test_duplicate_and_late_packets_are_counted() -> None:
    """A second copy is a duplicate; a packet after its concealment is late."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(50) if n != 30])
    now = START + 1_021 * MS
    assert buffer.receive(packet(49, now), now) == []
    assert buffer.receive(packet(30, now), now) == []
    assert (buffer.duplicates, buffer.late) == (1, 1)


def test_silence_is_handed_on_when_nothing_comes() -> None:
    """Two seconds without a packet are two seconds for the listener, give or take the margin."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(50)])
    before = buffer.next_position
    frames: list[HeardFrame] = []
    now = START + 1_000 * MS
    while buffer.next_deadline_ns <= START + 3_000 * MS:
        now = buffer.next_deadline_ns
        frames += buffer.poll(now)
    assert all(frame.concealed for frame in frames)
    assert 1_850 * 8 <= buffer.next_position - before <= 2_000 * 8


def test_talk_spurt_after_a_pause_is_where_the_clock_says() -> None:
    """After DTX the position is that of the timestamp: the pause has its true length."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(50)])
    now = START + (20 + 20 * 150) * MS
    while buffer.next_deadline_ns < now:
        buffer.poll(buffer.next_deadline_ns)
    frames = buffer.receive(packet(50, now, skip=160 * 100), now)
    assert frames[-1].position_samples == 160 * 150
    assert not frames[-1].concealed


def test_pause_of_a_sender_whose_timestamp_stands_still_loses_nothing() -> None:
    """Silence that was handed on by the clock moves the packets that follow, it drops none."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(50)])
    heard = feed(buffer, [(2_000 + 20 * n, 50 + n) for n in range(50)])
    assert sum(not frame.concealed for _, frame in heard) == 50
    assert buffer.late == 0


def test_stall_of_the_path_loses_nothing() -> None:
    """Packets that come all at once after 300 ms are all heard, in order."""
    buffer = EagerJitterBuffer(START)
    arrivals = [(20 + 20 * n if n < 50 or n >= 65 else 1_320, n) for n in range(100)]
    heard = feed(buffer, sorted(arrivals))
    assert sum(not frame.concealed for _, frame in heard) == 100
    positions = [frame.position_samples for _, frame in heard]
    assert positions == sorted(positions)


def test_packets_without_audio_are_no_loss() -> None:
    """Telephone-events hold their place in the sequence and leave silence."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(30)])
    now = START + 700 * MS
    for n in range(30, 35):
        assert (
            buffer.receive(AudioPacket(1_000 + n, 90_000 + 30 * 160, b"", arrival_ns=now), now)
            == []
        )
    now = START + (20 + 20 * 35) * MS
    frames = buffer.receive(packet(35, now), now)
    assert buffer.concealed_samples == 0
    assert frames[-1].position_samples == 35 * 160
    assert max(int(np.abs(frame.samples).max()) for frame in frames[:-1]) == 0


def test_comfort_noise_packet_sets_the_level_of_the_pause() -> None:
    """After a packet of level 50 the pause is noise of -50 dBov (RFC 3389)."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(30)])
    now = START + 620 * MS
    buffer.receive(AudioPacket(1_030, 90_000 + 4_800, b"", arrival_ns=now, noise_dbov=50), now)
    frames = buffer.poll(START + 1_500 * MS)
    rms = float(np.sqrt(np.mean(np.concatenate([f.samples for f in frames]).astype(float) ** 2)))
    assert 20 * np.log10(rms / 32_768) == pytest.approx(-50, abs=2)


def test_packet_time_may_change_in_mid_stream() -> None:
    """20 ms packets may turn into 60 ms and 10 ms ones; positions go on unbroken."""
    buffer = EagerJitterBuffer(START)
    timestamp, position, now = 0, 0, START
    for n, samples in enumerate([160] * 20 + [480] * 20 + [80] * 20):
        now += samples * 125_000
        octets = b"\xff" * samples
        frames = buffer.receive(AudioPacket(n, timestamp, octets, Codec.PCMU, now), now)
        assert [frame.position_samples for frame in frames] == [position]
        timestamp += samples
        position += samples


def test_new_source_goes_on_from_the_position() -> None:
    """After a restart other counters are taken, and time does not go back."""
    buffer = EagerJitterBuffer(START)
    feed(buffer, [(20 + 20 * n, n) for n in range(50)])
    buffer.restart()
    now = START + 1_020 * MS
    frames = buffer.receive(AudioPacket(5, 7, b"\x00" * 160, Codec.PCMU, now), now)
    assert frames[-1].position_samples == 160 * 50


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 80)), max_size=150))
def test_output_is_always_unbroken(events: list[tuple[int, int]]) -> None:
    """Whatever comes whenever, positions are contiguous and nothing is heard twice."""
    buffer = EagerJitterBuffer(START)
    now_ms, expected = 0, 0
    heard: list[bytes] = []
    for wait_ms, n in events:
        now_ms += wait_ms
        now = START + now_ms * MS
        frames = buffer.poll(now) + buffer.receive(packet(n, now), now)
        for frame in frames:
            assert frame.position_samples == expected
            expected += len(frame.samples)
            if frame.payload is not None:
                heard.append(frame.payload)
    assert len(heard) == len(set(heard))
