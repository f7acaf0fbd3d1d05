import numpy as np
import pytest

from media.comfort import ComfortNoise
from media.g711 import Codec, Samples, decode, encode
from media.machine import MachineEar
from media.messages import MachineSign
from tests.harness.speakers import speech
from tests.media.rtp_endpoint import tone

pytestmark = pytest.mark.unit

VOICES = ("slt", "rms", "awb", "kal")
GREETINGS = (
    "You have reached the mailbox of Ann Miller. I am not at my desk right now. Please leave a "
    "message after the tone.",
    "The person you have called is not available at the moment, please leave your name and your "
    "number and we will call you back as soon as possible.",
)
ANSWERS = (
    "Hello?",
    "Support, this is Ann speaking.",
    "Good morning, Larkwood doorbells, my name is Bob, how can I help you?",
)


def quiet(seconds: float) -> Samples:
    noise = ComfortNoise(-60.0)
    return np.concatenate([noise.pop(160) for _ in range(int(seconds * 50))])


def heard(*parts: Samples) -> list[MachineSign]:
    """Return the signs in what comes over a G.711 line in pieces of odd sizes."""
    told: list[MachineSign] = []
    ear = MachineEar(told.append)
    whole = decode(Codec.PCMA, encode(Codec.PCMA, np.concatenate(parts)))
    for start in range(0, len(whole), 137):
        ear.receive(whole[start : start + 137])
    return told


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("text", GREETINGS)
def test_a_mailbox(text: str, voice: str) -> None:
    """A greeting is suspicious, the beep after it decides."""
    signs = heard(quiet(0.6), speech(text, voice), quiet(0.3), tone(1_000, 0.5), quiet(1.0))
    assert signs == [MachineSign.SPEECH, MachineSign.BEEP]


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("text", ANSWERS)
def test_a_person(text: str, voice: str) -> None:
    """Who answers the phone, waits, and asks again is no machine."""
    assert heard(quiet(0.4), speech(text, voice), quiet(2), speech("Hello?", voice), quiet(2)) == []


def test_a_person_who_talks_to_somebody_else_later() -> None:
    """Talk that begins long after the pick-up proves nothing."""
    assert heard(speech("Hello?"), quiet(4), speech(GREETINGS[1]), quiet(1)) == []


@pytest.mark.parametrize("hz", [440, 950, 1_400, 1_950])
@pytest.mark.parametrize("seconds", [0.25, 1.0])
def test_a_short_greeting_and_a_beep(hz: int, seconds: float) -> None:
    """The beep alone is enough, whatever was said before."""
    signs = heard(speech("Ann Miller."), quiet(0.5), tone(hz, seconds), quiet(0.5))
    assert signs == [MachineSign.BEEP]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((tone(1_000, 5.0), quiet(1)), id="too long"),
        pytest.param((tone(1_000, 0.1), quiet(1)), id="too short"),
        pytest.param((tone(250, 0.5), quiet(1)), id="too low"),
        pytest.param((tone(2_400, 0.5), quiet(1)), id="too high"),
        pytest.param((tone(1_000, 0.4), tone(1_300, 0.4), tone(1_600, 4)), id="a melody"),
        pytest.param((tone(1_000, 0.4), speech("Hello?"), quiet(2)), id="followed by speech"),
        pytest.param((tone(425, 1.0) + tone(697, 1.0), quiet(1)), id="two tones at once"),
        pytest.param((quiet(8),), id="nothing at all"),
    ],
)
def test_what_is_no_beep(parts: tuple[Samples, ...]) -> None:
    """Other tones say nothing."""
    assert heard(*parts) == []


@pytest.mark.parametrize("at", [0, 1, 80, 158, 159])
def test_a_click_at_the_edge_of_a_block(at: int) -> None:
    """One loud sample is no sign of anything, wherever it falls."""
    click = np.zeros(160, dtype=np.int16)
    click[at] = 20_000
    told: list[MachineSign] = []
    ear = MachineEar(told.append)
    for block in (click, np.zeros(16_000, dtype=np.int16)):
        ear.receive(block)
    assert told == []
