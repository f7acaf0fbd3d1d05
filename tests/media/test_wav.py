"""WAV files."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

import media
from media.resample import level_dbfs
from media.wav import WavError, read_wav, write_wav
from tests.media.rtp_endpoint import dominant_hz, tone, tone_level

pytestmark = pytest.mark.unit
SOUNDS = Path(media.__file__).parent / "sounds"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """8 kHz mono comes back bit for bit."""
    samples = tone(440, 0.5)
    write_wav(tmp_path / "a.wav", samples)
    assert np.array_equal(read_wav(tmp_path / "a.wav"), samples)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_other_rates_widths_and_stereo_are_converted(tmp_path: Path, rate: int, width: int) -> None:
    """The tone keeps its pitch and its length."""
    at = np.arange(rate) / rate
    wave_form = np.sin(2 * np.pi * 500 * at) * 0.5
    full = {1: 127, 2: 2**15 - 1, 3: 2**23 - 1, 4: 2**31 - 1}[width]
    whole = np.rint(wave_form * full).astype("<i4") + (128 if width == 1 else 0)
    octets = np.repeat(whole, 2).view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(octets)
    samples = read_wav(tmp_path / "a.wav")
    assert len(samples) == pytest.approx(8_000, abs=2)
    assert abs(dominant_hz(samples) - 500) < 2
    assert level_dbfs(samples) == pytest.approx(-9.03, abs=0.2)


def test_mulaw_file_is_read(tmp_path: Path) -> None:
    """Telephone recordings are often G.711 in a WAV."""
    body = b"\x10" * 800
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        836,
        b"WAVE",
        b"fmt ",
        16,
        7,
        1,
        8_000,
        8_000,
        1,
        8,
        b"data",
        800,
    )
    (tmp_path / "u.wav").write_bytes(head + body)
    assert len(read_wav(tmp_path / "u.wav")) == 800


@pytest.mark.parametrize("octets", [b"", b"RIFF", b"not a wave file at all, but text"])
def test_what_is_no_wav_is_an_error(tmp_path: Path, octets: bytes) -> None:
    """A readable error, whatever the file holds."""
    (tmp_path / "x.wav").write_bytes(octets)
    with pytest.raises(WavError):
        read_wav(tmp_path / "x.wav")
    with pytest.raises(WavError):
        read_wav(tmp_path / "missing.wav")


@pytest.mark.parametrize("width", [2, 3, 4])
def test_half_a_sample_at_the_end_is_left_out(tmp_path: Path, width: int) -> None:
    """A file that was cut short in a sample is read up to the last whole one."""
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(8_000)
        file.writeframes(b"\0" * 100 * width)
    octets = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(octets[:-1])
    assert len(read_wav(tmp_path / "a.wav")) == 99


@pytest.mark.parametrize("at", [16, 24, 27, 34], ids=["chunk", "rate", "rate-high", "bits"])
@pytest.mark.parametrize("value", [0, 255])
def test_a_broken_header_gives_samples_or_a_readable_error(
    tmp_path: Path, at: int, value: int
) -> None:
    """Nothing else comes out of it: media answers a request for it."""
    write_wav(tmp_path / "a.wav", tone(440, 0.1))
    octets = bytearray((tmp_path / "a.wav").read_bytes())
    octets[at] = value
    octets[25:27] = b"\0\0"
    (tmp_path / "a.wav").write_bytes(octets)
    try:
        read_wav(tmp_path / "a.wav")
    except WavError as error:
        assert str(error).partition(": ")[2]


def test_sounds_that_ship_are_fit_for_the_telephone() -> None:
    """The apology is some seconds of speech; the hold music loops without a click."""
    apology = read_wav(SOUNDS / "apology_en.wav")
    assert 4 < len(apology) / 8_000 < 9
    assert -26 < level_dbfs(apology) < -16
    music = read_wav(SOUNDS / "hold_music.wav")
    assert len(music) == 160_000
    assert level_dbfs(music) == pytest.approx(-24, abs=1)
    steps = np.abs(np.diff(music.astype(int)))
    assert abs(int(music[0]) - int(music[-1])) <= steps.max()
    assert tone_level(music, 50) < 0.01
