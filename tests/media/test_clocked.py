"""Reading a leg on another leg's clock."""

from __future__ import annotations

import random

import numpy as np
import pytest

from media.clocked import ClockedReader, mix, octets
from media.g711 import Codec, decode, encode
from media.jitter import HeardFrame

pytestmark = pytest.mark.unit


def frame(n: int, samples: int = 160, codec: Codec = Codec.PCMU) -> HeardFrame:
    """Return frame n of a tone."""
    at = np.arange(n * samples, (n + 1) * samples)
    payload = encode(codec, (np.sin(at / 3) * 8_000).astype(np.int16))
    return HeardFrame(n * samples, decode(codec, payload), 0, payload=payload, codec=codec)


def test_clean_line_passes_bit_for_bit_with_at_most_two_packets_of_delay() -> None:
    """What goes in comes out, and waits no longer than 40 ms."""
    reader = ClockedReader()
    sent, got = b"", b""
    for n in range(200):
        reader.receive(frame(n), 0.0)
        sent += frame(n).payload or b""
        audio = reader.pop(160)
        if audio is not None:
            got += octets(audio, Codec.PCMU)
    assert sent.startswith(got)
    assert len(sent) - len(got) <= 320
    assert reader.underruns == 0


def test_depth_follows_the_jitter() -> None:
    """With packets up to 40 ms late and the spread known, underruns are rare."""
    rng = random.Random(2)
    arrivals = sorted((20 * n + rng.uniform(0, 40), n) for n in range(1_000))
    arrivals = [(max(at for at, m in arrivals if m <= n), n) for _, n in arrivals[:1]] + arrivals[
        1:
    ]
    reader, index = ClockedReader(), 0
    for tick in range(1_000):
        while index < len(arrivals) and arrivals[index][0] <= 20 * tick + 7:
            reader.receive(frame(arrivals[index][1]), 40.0)
            index += 1
        reader.pop(160)
    assert reader.underruns <= 5


def test_spare_depth_is_given_up() -> None:
    """Ten packets too many are worked off within some seconds, and the delay shrinks."""
    reader = ClockedReader()
    for n in range(12):
        reader.receive(frame(n), 0.0)
    for n in range(12, 1_000):
        reader.receive(frame(n), 0.0)
        reader.pop(160)
    assert reader.level_samples < 5 * 160
    assert reader.skipped_samples > 0


def test_never_more_than_half_a_second_waits() -> None:
    """A reader that stands still does not collect the past."""
    reader = ClockedReader()
    for n in range(200):
        reader.receive(frame(n), 0.0)
    assert reader.level_samples <= 4_000


def test_packet_times_may_differ() -> None:
    """30 ms packets are read as 20 ms ones, still bit for bit."""
    reader = ClockedReader()
    sent, got = b"", b""
    for n in range(60):
        reader.receive(frame(n, 240), 30.0)
        sent += frame(n, 240).payload or b""
    for _ in range(15):
        audio = reader.pop(160)
        assert audio is not None
        got += octets(audio, Codec.PCMU)
    assert got in sent


def test_other_law_is_transcoded_and_mixing_saturates() -> None:
    """A-law is made where the other leg has it; a sum beyond full scale is clipped."""
    reader = ClockedReader()
    for n in range(3):
        reader.receive(frame(n), 0.0)
    audio = reader.pop(160)
    assert audio is not None
    assert octets(audio, Codec.PCMA) == encode(Codec.PCMA, audio.samples)
    loud = np.full(160, 32_000, dtype=np.int16)
    assert int(mix(audio.samples, loud).max()) == 32_767
