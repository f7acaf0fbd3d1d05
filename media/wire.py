"""Frame the messages between processes: length-prefixed JSON control and raw int16 audio.

One frame is ``u32 length`` (big endian, of what follows), ``u8 kind``, payload.

====  ======================================================================================
kind  payload
====  ======================================================================================
0     UTF-8 JSON object with a ``type``
1     audio header (see :class:`AudioFrame`) and raw int16 little-endian samples, 8 kHz, mono
====  ======================================================================================
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media import RemoteError

MAX_FRAME_BYTES = 8 * 1024 * 1024
"""One clip of eight minutes at 8 kHz; anything longer is a broken or hostile peer."""

_PREFIX = struct.Struct("!IB")
_AUDIO = struct.Struct("!BBIIqq")


class AudioKind(IntEnum):
    """What a frame of audio is for."""

    CALLER = 1
    """Live audio from a caller, media to agent; the oldest is dropped beyond 200 ms."""
    CLIP = 2
    """Audio to be played to a caller, agent to media; never dropped on the way."""


class WireError(RemoteError):
    """The peer sent bytes that are not a frame; the link must be closed."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A run of audio on one stream."""

    kind: AudioKind
    stream: int
    """The media stream's number (u32), as allocated by media."""
    clip: int
    """The clip the samples belong to (``CLIP``); 0 for ``CALLER``."""
    position_samples: int
    """Samples since the start of the stream (``CALLER``) or of the clip (``CLIP``)."""
    wire_ns: int
    """Monotonic time of arrival of the newest packet in the samples; 0 where unknown."""
    samples: NDArray[np.int16]
    """``int16[n]``, mono, 8 kHz."""
    concealed: bool = False
    """True where the samples stand in for packets that never came."""


def encode_control(message: dict[str, Any]) -> bytes:
    """Serialize a JSON control message into one frame."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    return _PREFIX.pack(len(body) + 1, 0) + body


def encode_audio(frame: AudioFrame) -> bytes:
    """Serialize a frame of audio into one wire frame."""
    body = frame.samples.astype("<i2", copy=False).tobytes()
    head = _AUDIO.pack(
        frame.kind,
        int(frame.concealed),
        frame.stream,
        frame.clip,
        frame.position_samples,
        frame.wire_ns,
    )
    return _PREFIX.pack(1 + len(head) + len(body), 1) + head + body


def _parse_audio(body: memoryview) -> AudioFrame:
    if len(body) < _AUDIO.size or (len(body) - _AUDIO.size) % 2:
        raise WireError("audio frame is truncated")
    kind, flags, stream, clip, position, wire_ns = _AUDIO.unpack_from(body)
    if kind not in (AudioKind.CALLER, AudioKind.CLIP):
        raise WireError(f"unknown kind of audio {kind}")
    samples = np.frombuffer(body[_AUDIO.size :], dtype="<i2").astype(np.int16)
    return AudioFrame(AudioKind(kind), stream, clip, position, wire_ns, samples, bool(flags & 1))


def _parse_control(body: memoryview) -> dict[str, Any]:
    try:
        message = json.loads(bytes(body))
    except ValueError as error:
        raise WireError(f"control frame is not JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise WireError("control frame has no type")
    return message


class FrameParser:
    """Cut a byte stream into control messages and audio frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, octets: bytes) -> list[dict[str, Any] | AudioFrame]:
        """Take received bytes and return every frame that is now whole.

        Raises:
            WireError: the bytes are not frames; the stream cannot be resynchronised.
        """
        self._buffer += octets
        frames: list[dict[str, Any] | AudioFrame] = []
        offset = 0
        view = bytes(self._buffer)
        while len(view) - offset >= _PREFIX.size:
            length, kind = _PREFIX.unpack_from(view, offset)
            if not 1 <= length <= MAX_FRAME_BYTES:
                raise WireError(f"frame of {length} bytes")
            if kind not in (0, 1):
                raise WireError(f"unknown kind of frame {kind}")
            end = offset + 4 + length
            if end > len(view):
                break
            body = memoryview(view)[offset + _PREFIX.size : end]
            frames.append(_parse_control(body) if kind == 0 else _parse_audio(body))
            offset = end
        del self._buffer[:offset]
        return frames
