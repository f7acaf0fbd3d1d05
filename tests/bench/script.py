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
    "How do I reset the camera?",
    "How long is the warranty?",
    "Can I get my money back?",
    "Are you open on Saturday?",
    "My doorbell is offline. What can I do?",
    "How do I connect it to the wifi?",
    "How do I charge the battery?",
    "Does it work in the rain?",
)
PAUSES = (
    (["I would like to know", "how long the battery lasts."], 300),
    (["My camera is offline, and", "I do not know what to do."], 500),
    (["Can you tell me", "when you are open on Saturday?"], 700),
    (["I bought a doorbell last week, but", "it does not connect to my wifi."], 600),
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
        quick: five steps instead of all.
    """
    voice = VOICES[number % 3]  # kal is the one that the recognizers understand least
    questions = [*QUESTIONS[number % len(QUESTIONS) :], *QUESTIONS[: number % len(QUESTIONS)]]
    said = [Step(Kind.QUESTION, each, speech(each, voice), voice) for each in questions]
    cut = [
        Step(Kind.INTERRUPTION, each, speech(each, voice), voice)
        for each in INTERRUPTIONS[: 1 if quick else None]
    ]
    if quick:
        return [said[0], said[1], cut[0], _paused(PAUSES[0], voice), said[2]]
    paused = [_paused(each, voice) for each in PAUSES]
    digits = [
        Step(Kind.DIGITS, " ".join(parts), with_pause(parts, gap, voice), voice)
        for parts, gap in DIGITS
    ]
    short = [Step(Kind.SHORT, each, speech(each, voice), voice) for each in SHORT]
    nods = [Step(Kind.BACKCHANNEL, each, speech(each, voice), voice) for each in BACKCHANNELS]
    door = [Step(Kind.NOISE, "(a door)", noise(0.3, number), voice)]
    steps: list[Step] = []
    # each step that is spoken into an answer needs a question before it
    for into in (*cut, *nods, *door):
        steps += [said.pop(0), into]
    for rest in (said, paused, digits, short):
        steps += rest
    return steps


def _paused(parts: tuple[list[str], int], voice: str) -> Step:
    return Step(Kind.PAUSE, " … ".join(parts[0]), with_pause(*parts, voice), voice)
