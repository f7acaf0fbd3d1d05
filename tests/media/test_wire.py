import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.wire import (
    MAX_FRAME_BYTES,
    AudioFrame,
    AudioKind,
    FrameParser,
    WireError,
    encode_audio,
    encode_control,
)

pytestmark = pytest.mark.unit


def frame(samples: list[int]) -> AudioFrame:
    return AudioFrame(AudioKind.CLIP, 7, 3, 160, 12345, np.array(samples, dtype=np.int16), True)


def same(a: AudioFrame, b: object) -> bool:
    return (
        isinstance(b, AudioFrame)
        and (a.kind, a.stream, a.clip, a.position_samples, a.wire_ns, a.concealed)
        == (b.kind, b.stream, b.clip, b.position_samples, b.wire_ns, b.concealed)
        and np.array_equal(a.samples, b.samples)
    )


def test_audio_survives_the_round_trip() -> None:
    """Every field and sample of an audio frame comes back as it was."""
    sent = frame([-32768, -1, 0, 1, 32767])
    assert same(sent, FrameParser().receive(encode_audio(sent))[0])


@given(st.integers(1, 40), st.lists(st.integers(-32768, 32767), max_size=400))
def test_frames_may_arrive_in_pieces(size: int, samples: list[int]) -> None:
    """However the bytes are cut, the same frames come out in the same order."""
    octets = (
        encode_control({"type": "A", "text": "grüß"})
        + encode_audio(frame(samples))
        + encode_control({"type": "B"})
    )
    parser = FrameParser()
    got: list[object] = []
    for start in range(0, len(octets), size):
        got += parser.receive(octets[start : start + size])
    assert got[0] == {"type": "A", "text": "grüß"}
    assert same(frame(samples), got[1])
    assert got[2] == {"type": "B"}


@pytest.mark.parametrize(
    "octets",
    [
        struct.pack("!IB", 0, 0),
        struct.pack("!IB", MAX_FRAME_BYTES + 1, 0),
        struct.pack("!IB", 1, 9),
        struct.pack("!IB", 3, 0) + b"[]",
        struct.pack("!IB", 3, 0) + b"{}",
        struct.pack("!IB", 3, 0) + b"\xff\xfe",
        struct.pack("!IB", 4, 1) + b"abc",
        encode_audio(frame([1, 2]))[:9] + b"\x09" * 60,
    ],
)
def test_what_is_no_frame_is_refused(octets: bytes) -> None:
    """Bytes that cannot be frames raise WireError instead of being guessed at."""
    with pytest.raises(WireError):
        FrameParser().receive(octets + b"\x00" * 64)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(octets: bytes) -> None:
    """Garbage either waits for more or raises WireError."""
    try:
        FrameParser().receive(octets)
    except WireError as error:
        assert str(error)


def test_control_is_compact_json() -> None:
    """A control frame is its length, kind 0 and UTF-8 JSON."""
    octets = encode_control({"type": "Ping"})
    assert octets[:5] == struct.pack("!IB", len(octets) - 4, 0)
    assert json.loads(octets[5:]) == {"type": "Ping"}
