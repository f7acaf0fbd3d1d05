"""What the benchmark's callers say: questions, pauses inside sentences, digits, short answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tests.harness.outside_phone import Samples
from tests.harness.speakers import VOICES, speech, with_pause


class Kind(StrEnum):
    """What an utterance tests."""

    QUESTION = "question"
    PAUSE = "inner pause"
    DIGITS = "digits"
    SHORT = "one word"
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOISE = "noise"


SPOKEN_INTO = (Kind.INTERRUPTION, Kind.BACKCHANNEL, Kind.NOISE)
"""Said while the agent speaks."""
ASKED = tuple(each for each in Kind if each not in SPOKEN_INTO)


@dataclass(frozen=True)
class Step:
    """One thing a caller does."""

    kind: Kind
    text: str
    samples: Samples
    voice: str


QUESTIONS = (
    "How long does the battery last?",
    "What are your opening hours?",
    "I bought the doorbell used and want to reset everything.",
    "How long is the warranty?",
    "Is it hard to mount the doorbell myself?",
    "Are you open on Saturday?",
    "My battery only lasts three weeks, is that normal?",
    "How do I connect it to the wifi?",
    "Do I charge the battery with a normal phone cable?",
    "What about rain and snow?",
)
"""Some have reviewed answers, some need the model; the record says which it was."""
PAUSES = (
    (["I would like to know", "how long the battery lasts."], 300),
    (["My camera is offline, and", "I do not know what to do."], 500),
    (["Can you tell me", "when you are open on Saturday?"], 700),
    (["I bought a doorbell last week, but", "it does not connect to my wifi."], 600),
    (["What do I have to do if", "I want to send the camera back?"], 400),
    (["The warranty, how long", "is it valid for the doorbell?"], 700),
)
MORE_PAUSES = (
    (["Does the subscription", "cost anything per month?"], 400),
    (["When I press the button", "the chime in the house does not ring."], 500),
    (["My daughter would like to", "see the pictures of the camera, too."], 600),
    (["I changed the router and now", "the doorbell does not find it."], 300),
)
DIGITS = (
    (["My order number is four one seven", "two two nine."], 600),
    (["It is zero one five one", "two three four", "five six seven."], 500),
)
SHORT = ("Yes.", "No.", "Battery.", "Warranty.")
INTERRUPTIONS = (
    "Sorry, what are your opening hours?",
    "Wait, how long is the warranty?",
    "No, I mean the doorbell, not the camera.",
)
BACKCHANNELS = ("Mm-hm.", "Okay.", "Right.")


def noise(seconds: float, seed: int) -> Samples:
    """Return a door that falls shut: noise that dies away, ``int16[n]`` at 8 kHz."""
    count = int(seconds * 8_000)
    rng = np.random.default_rng(seed)
    fall = np.exp(-np.arange(count) / (0.05 * 8_000))
    return (rng.standard_normal(count) * 6_000 * fall).clip(-32_768, 32_767).astype(np.int16)


def caller_script(number: int, quick: bool = False) -> list[Step]:
    """Return what one caller does in one call.

    Args:
        number: of the caller; chooses voice and order, so that calls differ but repeat exactly.
        quick: about a third of it, something of everything.
    """
    voice = voice_of(number)
    turn = number % len(QUESTIONS)
    said = [_step(Kind.QUESTION, each, voice) for each in (*QUESTIONS[turn:], *QUESTIONS[:turn])]
    into = [_step(Kind.INTERRUPTION, each, voice) for each in INTERRUPTIONS]
    into += [_step(Kind.BACKCHANNEL, each, voice) for each in BACKCHANNELS]
    into += [Step(Kind.NOISE, "(a door)", noise(0.3, number), voice)]
    paused = [_paused(Kind.PAUSE, each, voice) for each in PAUSES]
    digits = [_paused(Kind.DIGITS, each, voice) for each in DIGITS]
    short = [_step(Kind.SHORT, each, voice) for each in SHORT]
    if quick:
        into, said = [into[0], into[4]], said[:5]
        paused, digits, short = paused[1:3], digits[:1], short[2:3]
    steps: list[Step] = []
    # each step that is spoken into an answer needs a question before it
    for each in into:
        steps += [said.pop(0), each]
    return [*steps, *said, *paused, *digits, *short]


def sweep_script(voice: str) -> list[Step]:
    """Return what is said to every preset: sentences with pauses, and questions without."""
    paused = [_paused(Kind.PAUSE, each, voice) for each in (*PAUSES, *MORE_PAUSES)]
    asked = [_step(Kind.QUESTION, each, voice) for each in QUESTIONS[:2]]
    return [*paused, *asked]


def voice_of(number: int) -> str:
    """Return a caller's voice; kal is left out, the recognizers understand it least."""
    return VOICES[number % 3]


def _step(kind: Kind, text: str, voice: str) -> Step:
    return Step(kind, text, speech(text, voice), voice)


def _paused(kind: Kind, parts: tuple[list[str], int], voice: str) -> Step:
    return Step(kind, f" …{parts[1]}… ".join(parts[0]), with_pause(*parts, voice), voice)
