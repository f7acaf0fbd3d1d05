"""Read and write WAV files as 8 kHz mono samples."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np

from media import LocalError
from media.g711 import RATE_HZ, Codec, Samples, decode
from media.resample import resample

HEADER_BYTES = 44
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_ALAW, _ULAW = 6, 7


class WavError(LocalError):
    """A sound file cannot be used."""


def read_wav(path: Path) -> Samples:
    """Read a WAV file of any rate and up to 32 bits, mixed down to mono at 8 kHz.

    Raises:
        WavError: it is missing, no WAV, or of a kind that is not read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            octets = file.readframes(file.getnframes())
    except wave.Error as error:
        return _read_g711(path, error)
    except OSError as error:
        raise WavError(f"cannot read {path}: {error.strerror or error}") from error
    except (EOFError, RuntimeError) as error:  # the wave module says no more than that
        raise WavError(f"{path}: the file is cut short or its header is broken") from error
    if not rate:
        raise WavError(f"{path}: a sampling rate of 0")
    octets = octets[: len(octets) // (width * channels) * (width * channels)]
    samples = _to_float(octets, width, path).reshape(-1, channels).mean(axis=1)
    return resample(np.asarray(samples, dtype=np.float32), rate, RATE_HZ)


def write_wav(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> None:
    """Write ``int16[n]`` mono or ``int16[n, channels]``."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    octets = np.ascontiguousarray(samples).astype("<i2", copy=False).tobytes()
    path.write_bytes(wav_header(len(octets), channels, rate_hz) + octets)


def wav_header(audio_bytes: int, channels: int, rate_hz: int = RATE_HZ) -> bytes:
    """Return the 44 octets before 16-bit PCM."""
    return _HEADER.pack(
        b"RIFF",
        min(36 + audio_bytes, 0xFFFFFFFF),
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        rate_hz,
        rate_hz * channels * 2,
        channels * 2,
        16,
        b"data",
        min(audio_bytes, 0xFFFFFFFF),
    )


def _to_float(
    octets: bytes, width: int, path: Path
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    if width == 2:
        return (np.frombuffer(octets, "<i2") / 32_768).astype(np.float32)
    if width == 4:
        return (np.frombuffer(octets, "<i4") / 2_147_483_648).astype(np.float32)
    if width == 1:
        return ((np.frombuffer(octets, np.uint8).astype(np.float32) - 128) / 128).astype(np.float32)
    if width == 3:
        whole = np.frombuffer(octets, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(whole), 4), np.uint8)
        wide[:, 1:] = whole
        return (wide.view("<i4")[:, 0] / 2_147_483_648).astype(np.float32)
    raise WavError(f"{path}: {8 * width}-bit samples are not read")


def _read_g711(path: Path, error: wave.Error) -> Samples:
    """Read A-law or µ-law at 8 kHz mono, which the standard library refuses."""
    octets = path.read_bytes()
    kind, audio = 0, b""
    at = 12
    while at + 8 <= len(octets) and octets[:4] == b"RIFF":
        name, size = octets[at : at + 4], int.from_bytes(octets[at + 4 : at + 8], "little")
        body = octets[at + 8 : at + 8 + size]
        if name == b"fmt " and len(body) >= 16:
            kind, channels, rate = struct.unpack_from("<HHI", body)
            if kind not in (_ALAW, _ULAW) or channels != 1 or rate != RATE_HZ:
                raise WavError(f"{path}: {error}") from error
        elif name == b"data":
            audio = body
        at += 8 + size + size % 2
    if kind not in (_ALAW, _ULAW):
        raise WavError(f"{path}: {error}") from error
    return decode(Codec.PCMA if kind == _ALAW else Codec.PCMU, audio)
