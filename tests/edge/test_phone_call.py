from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness.answering_machine import AnsweringMachine
from tests.harness.outside_phone import tone
from tests.harness.wav import save_wav

pytestmark = pytest.mark.integration


def _phone(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from media.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, "call", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def machine() -> Iterator[AnsweringMachine]:
    """Provide a far end that answers after 600 ms and stops 160 ms into an interruption."""
    machine = AnsweringMachine(answer_delay_ms=600, stop_ms=160)
    yield machine
    machine.close()


@pytest.fixture
def spoken(tmp_path: Path) -> str:
    """Provide a WAV of one second of tone, at 16 kHz as speech synthesis makes it."""
    path = tmp_path / "tone.wav"
    save_wav(path, np.repeat(tone(300, 1.0), 2), 16_000)
    return str(path)


def test_the_phone_measures_what_the_far_end_did(
    machine: AnsweringMachine, spoken: str, tmp_path: Path
) -> None:
    """Response and barge-in agree with the far end's own times within two packets."""
    recording = tmp_path / "call.wav"
    done = _phone(
        f"sip:100@127.0.0.1:{machine.port}", "--say", spoken, "--interrupt", f"{spoken}@0.4",
        "--silence", "700", "--save", str(recording), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    first, second = document["utterances"]
    assert first["response_ms"] == pytest.approx(610, abs=45)
    assert second["response_ms"] == pytest.approx(610, abs=45)
    assert second["barge_in_ms"] == pytest.approx(150, abs=45)
    assert document["ack_to_greeting_ms"] == pytest.approx(210, abs=60)
    assert document["packets_lost"] == 0
    assert machine.byes == 1
    with wave.open(str(recording), "rb") as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8_000)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    for channel, hz in ((0, 300), (1, 450)):
        spectrum = np.abs(np.fft.rfft(both[:, channel]))
        found_hz = int(np.argmax(spectrum)) * 8_000 / len(both)
        assert found_hz == pytest.approx(hz, abs=3)


def test_a_silent_far_end_is_exit_code_one(spoken: str) -> None:
    """An utterance without an answer fails the call, and says which."""
    machine = AnsweringMachine(deaf_after=0)
    try:
        done = _phone(
            f"sip:100@127.0.0.1:{machine.port}", "--say", spoken, "--answer-timeout", "1",
            "--silence", "500",
        )  # fmt: skip
    finally:
        machine.close()
    assert done.returncode == 1
    assert "no answer to utterance 1" in done.stdout


def test_a_refused_call_is_one_readable_line(spoken: str) -> None:
    """503 and its Retry-After are told on standard error."""
    machine = AnsweringMachine(status=503)
    try:
        done = _phone(f"sip:100@127.0.0.1:{machine.port}", "--say", spoken)
    finally:
        machine.close()
    assert done.returncode == 1
    assert "503" in done.stderr
    assert "Retry-After: 7 s" in done.stderr
    assert "Traceback" not in done.stderr


def test_digits_leave_as_rfc_4733_events(machine: AnsweringMachine) -> None:
    """Every key arrives once, by its marker."""
    done = _phone(f"sip:100@127.0.0.1:{machine.port}", "--dtmf", "15#", "--silence", "500")
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.digits == [1, 5, 11]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tel:123"], "not a SIP URI"),
        (["sip:1@127.0.0.1:x"], "port that is no number"),
        (["sip:1@127.0.0.1", "--say", "/nowhere/a.wav"], "cannot read"),
        (["sip:1@127.0.0.1", "--say", "Hello.", "/nowhere/b.wav"], "cannot read /nowhere/b.wav"),
        (["sip:1@127.0.0.1:99999"], "there is no port 99999"),
        (["sip:1@127.0.0.1", "--from", "a b<>"], "user part of a SIP URI"),
    ],
)
def test_wrong_arguments_are_one_readable_line(arguments: list[str], said: str) -> None:
    """No traceback, exit code 1."""
    done = _phone(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--loss", "200"],
        ["--jitter", "-1"],
        ["--timeout", "nan"],
        ["--silence", "-5"],
        ["--port", "99999"],
        ["--interrupt", "Stop.@-3"],
        ["--interrupt", "Stop.@inf"],
    ],
)
def test_numbers_out_of_range_are_wrong_usage(arguments: list[str]) -> None:
    """The option is named, exit code 2, nothing is called."""
    done = _phone("sip:1@127.0.0.1:9", *arguments)
    assert done.returncode == 2
    assert f"{arguments[0]} " in done.stderr.splitlines()[-1].replace(":", " ")
    assert "Traceback" not in done.stderr


def test_a_recording_that_cannot_be_written_is_one_readable_line(
    machine: AnsweringMachine, spoken: str, tmp_path: Path
) -> None:
    """The call was made; what is told is why its recording is missing."""
    target = f"sip:100@127.0.0.1:{machine.port}"
    done = _phone(target, "--say", spoken, "--silence", "700", "--save", str(tmp_path))
    assert done.returncode == 1
    assert f"cannot write {tmp_path}: Is a directory" in done.stderr
    assert "Traceback" not in done.stderr
