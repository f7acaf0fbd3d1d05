"""The sending half of a leg."""

from __future__ import annotations

import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from media.clocked import ClockedReader
from media.g711 import Codec, decode, encode
from media.jitter import HeardFrame
from media.outbound import Outbound
from tests.media.bridge_process import parameters_for
from tests.media.rtp_endpoint import tone, tone_level

pytestmark = pytest.mark.unit


def outbound(**changes: object) -> Outbound:
    """Return a configured half whose counters are about to wrap."""
    made = Outbound(7, 65_535, 0xFFFFFFFF)
    made.configure(parameters_for(4_000, **changes))
    return made


def packets(one: Outbound, count: int) -> list[RtpPacket]:
    """Take some packet times."""
    datagrams = [one.pop().datagram for _ in range(count)]
    return [RtpPacket.parse(each) for each in datagrams if each is not None]


def test_stream_never_stops_and_counters_wrap() -> None:
    """With nothing to play, comfort noise leaves; only the first packet is marked."""
    got = packets(outbound(), 5)
    assert [each.sequence_number for each in got] == [65_535, 0, 1, 2, 3]
    assert [each.timestamp for each in got] == [0xFFFFFFFF, 159, 319, 479, 639]
    assert [each.marker for each in got] == [1, 0, 0, 0, 0]
    assert all(0 < np.std(decode(Codec.PCMU, each.payload)) < 60 for each in got)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_clip_leaves_in_the_agreed_codec_and_packet_time(codec: str, ptime_ms: int) -> None:
    """The tone of a clip is in the packets, each as long as agreed."""
    one = outbound(codec=codec, payload_type=0 if codec == "PCMU" else 8, ptime_ms=ptime_ms)
    one.playout.append(1, tone(700, 1.0))
    got = packets(one, 900 // ptime_ms)
    assert {len(each.payload) for each in got} == {8 * ptime_ms}
    heard = np.concatenate([decode(Codec(codec), each.payload) for each in got])
    assert tone_level(heard, 700) > 0.99


def test_nothing_leaves_on_hold() -> None:
    """While the far end may not be sent to, time goes on, clips wait."""
    one = outbound(direction="recvonly")
    one.playout.append(1, tone(700, 1.0))
    assert packets(one, 10) == []
    one.configure(parameters_for(4_000))
    got = packets(one, 1)[0]
    assert (got.timestamp, got.marker) == ((0xFFFFFFFF + 1_600) % 2**32, 1)
    assert one.playout.position.position_samples == 160


def test_key_presses_leave_as_events() -> None:
    """Event packets share the timestamp of their start; the last one comes three times."""
    one = outbound()
    one.dtmf.send("7", 100, 50)
    got = [each for each in packets(one, 12) if each.payload_type == 101]
    assert {each.timestamp for each in got} == {0xFFFFFFFF}
    assert [each.payload[1] >> 7 for each in got] == [0, 0, 0, 0, 1, 1, 1]
    assert {each.payload[0] for each in got} == {7}


def test_joined_leg_passes_bit_for_bit_and_clips_mix_over_it() -> None:
    """The other leg's octets are sent as they are; with a clip both can be heard."""
    one = outbound()
    voice = one.voices[2] = ClockedReader()
    sent, got = b"", []
    for n in range(100):
        payload = encode(Codec.PCMU, tone(440, 0.02, phase_samples=160 * n))
        sent += payload
        voice.receive(HeardFrame(160 * n, decode(Codec.PCMU, payload), 0, payload=payload), 0)
        if n == 50:
            one.playout.append(1, tone(1_000, 1.0))
        got.append(packets(one, 1)[0].payload)
    assert b"".join(got[2:50]) in sent
    last = decode(Codec.PCMU, b"".join(got[51:]))
    assert tone_level(last, 440) > 0.4
    assert tone_level(last, 1_000) > 0.4


def test_two_joined_legs_and_a_clip_are_added_up() -> None:
    """Everybody who speaks is heard, and one who has nothing to say takes nothing away."""
    one = outbound()
    one.voices = {number: ClockedReader() for number in (2, 3, 4)}
    got = []
    for n in range(60):
        for number, hz in ((2, 440), (3, 700)):
            samples = tone(hz, 0.02, phase_samples=160 * n) // 2
            one.voices[number].receive(HeardFrame(160 * n, samples, 0), 0)
        if n == 30:
            one.playout.append(1, tone(1_000, 1.0) // 2)
        got.append(packets(one, 1)[0].payload)
    talk = decode(Codec.PCMU, b"".join(got[5:30]))
    assert min(tone_level(talk, 440), tone_level(talk, 700)) > 0.4
    everything = decode(Codec.PCMU, b"".join(got[31:]))
    assert min(tone_level(everything, hz) for hz in (440, 700, 1_000)) > 0.25


def test_clip_end_is_filled_with_noise() -> None:
    """The packet in which a clip ends has comfort noise in its rest."""
    one = outbound()
    one.playout.append(1, tone(700, 0.01))
    one.playout.end(1)
    samples = one.pop().samples
    assert 0 < np.std(samples[80:]) < 60
