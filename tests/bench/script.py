"""What the benchmark's callers say: questions, pauses inside sentences, digits, short answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from tests.harness.outside_phone import Samples
from tests.harness.speakers import VOICES, speech, with_pause

T = TypeVar("T")


class Kind(StrEnum):
    """What an utterance tests."""

    QUESTION = "question"
    PAUSE = "inner pause"
    DIGITS = "digits"
    SHORT = "one word"
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOISE = "noise"


VOICED = 3
"""Voices in use; kal is left out, the recognizers understand it least."""
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
    into_ms: int = 0
    """How long the agent has talked when it is spoken into; 0: as long as no filler does."""


FOR_THE_MODEL = (
    "I bought the doorbell used and want to reset everything.",
    "Is it hard to mount the doorbell myself?",
    "My battery only lasts three weeks, is that normal?",
    "Do I charge the battery with a normal phone cable?",
    "My doorbell is broken, can I get a new one?",
    "Can I use five gigahertz with the camera?",
    "I get alerts from every passing car.",
    "Does the camera see anything in the dark?",
    "How long are recordings kept in the cloud?",
    "Can I send it back after two weeks?",
    "Will the battery survive a very cold winter?",
    "Can a thief delete the recordings from my cloud?",
    "Does it matter which Wi-Fi band my router uses?",
    "Is there a way to get fewer alerts from the street?",
    "What happens to the recordings if I cancel the subscription?",
    "Must I keep the box to return the camera?",
    "How wide is the picture of the camera?",
    "Can I use the camera without the cloud?",
    "What do I need to do after I change my router?",
    "Is the doorbell ready for minus ten degrees?",
)
"""No reviewed text surely answers these, as they are written; the record says what answered."""
FOR_THE_FAST_LANE = (
    "How long does the battery last?",
    "What are your opening hours?",
    "How do I connect it to the wifi?",
    "Are you open on Saturday?",
    "How do I reset my doorbell?",
    "Who pays for return shipping?",
    "Does it work with Alexa?",
    "Can I speak to a human?",
    "How long is the warranty?",
    "What about rain and snow?",
    "How do I cancel my subscription?",
    "When do you close on Saturday?",
)
PAUSES = (
    (["I would like to know", "how long the battery lasts."], 300),
    (["My camera is offline, and", "I do not know what to do."], 500),
    (["Can you tell me", "when you are open on Saturday?"], 700),
    (["I bought a doorbell last week, but", "it does not connect to my wifi."], 600),
    (["What do I have to do if", "I want to send the camera back?"], 400),
    (["The warranty, how long", "is it valid for the doorbell?"], 700),
    (["Does the subscription", "cost anything per month?"], 400),
    (["When I press the button", "the chime in the house does not ring."], 500),
    (["My daughter would like to", "see the pictures of the camera, too."], 600),
    (["I changed the router and now", "the doorbell does not find it."], 300),
)
SWEPT = 8
"""So many of them are said to every preset."""
DIGITS = (
    (["My order number is four one seven", "two two nine."], 600),
    (["It is zero one five one", "two three four", "five six seven."], 500),
)
SHORT = (
    "Yes.", "No.", "Battery.", "Warranty.", "Okay.", "Refund.", "Nope.", "Subscription.", "Sure.",
    "Installation.", "Correct.", "Delivery.",
)  # fmt: skip
INTERRUPTIONS = (
    "Sorry, what are your opening hours?",
    "Wait, how long is the warranty?",
    "No, I mean the doorbell, not the camera.",
)
BACKCHANNELS = ("Mm-hm.", "Okay.", "Right.", "Yeah.", "Uh-huh.")


def noise(seconds: float, seed: int) -> Samples:
    """Return a door that falls shut: noise that dies away, ``int16[n]`` at 8 kHz."""
    count = int(seconds * 8_000)
    rng = np.random.default_rng(seed)
    fall = np.exp(-np.arange(count) / (0.05 * 8_000))
    return (rng.standard_normal(count) * 6_000 * fall).clip(-32_768, 32_767).astype(np.int16)


@dataclass(frozen=True)
class Size:
    """How many steps of each kind a caller goes through."""

    model: int
    fast_lane: int
    paused: int
    digits: int
    short: int
    interruptions: int
    backchannels: int
    noises: int


QUICK = Size(
    model=3, fast_lane=3, paused=2, digits=1, short=2, interruptions=1, backchannels=1, noises=0
)
ALONE = Size(
    model=10, fast_lane=6, paused=2, digits=0, short=1, interruptions=1, backchannels=3, noises=0
)
"""One call at a time: it is there for the response times."""
PAIR = Size(
    model=4, fast_lane=5, paused=4, digits=1, short=4, interruptions=1, backchannels=4, noises=0
)
TOGETHER = Size(
    model=6, fast_lane=6, paused=6, digits=1, short=7, interruptions=1, backchannels=4, noises=1
)
"""Several calls at once: as many events as the time allows."""


def caller_script(number: int, size: Size = TOGETHER) -> list[Step]:
    """Return what one caller does in one call.

    Args:
        number: of the caller; chooses voice, words and order, so that calls differ but repeat
            exactly.
        size: how much of everything.
    """
    voice = voice_of(number)

    def some(kind: Kind, texts: tuple[str, ...], count: int) -> list[Step]:
        return [_step(kind, each, voice) for each in _portion(texts, number, count)]

    into = [
        *some(Kind.INTERRUPTION, INTERRUPTIONS, size.interruptions),
        *some(Kind.BACKCHANNEL, BACKCHANNELS, size.backchannels),
        *[Step(Kind.NOISE, "(a door)", noise(0.3, number), voice)] * size.noises,
    ]
    said = some(Kind.QUESTION, FOR_THE_FAST_LANE, size.fast_lane)
    asked = some(Kind.QUESTION, FOR_THE_MODEL, size.model)
    steps: list[Step] = []
    # each step that is spoken into an answer needs a question before it, with a long answer
    for each in into:
        steps += [(said or asked).pop(0), each]
    paused = [_paused(Kind.PAUSE, each, voice) for each in _portion(PAUSES, number, size.paused)]
    digits = [_paused(Kind.DIGITS, each, voice) for each in _portion(DIGITS, number, size.digits)]
    short = some(Kind.SHORT, SHORT, size.short)
    return [*steps, *said, *asked, *paused, *digits, *short]


def _portion(items: tuple[T, ...], number: int, count: int) -> list[T]:
    """Return so many items, other ones for the next caller, from the start again at the end."""
    return [items[(number * count + index) % len(items)] for index in range(count)]


def sweep_script(voice: str) -> list[Step]:
    """Return what is said to every preset: sentences with pauses."""
    return [_paused(Kind.PAUSE, each, voice) for each in PAUSES[:SWEPT]]


def voice_of(number: int) -> str:
    """Return a caller's voice."""
    return VOICES[number % VOICED]


def _step(kind: Kind, text: str, voice: str) -> Step:
    return Step(kind, text, speech(text, voice), voice)


def _paused(kind: Kind, parts: tuple[list[str], int], voice: str) -> Step:
    return Step(kind, f" …{parts[1]}… ".join(parts[0]), with_pause(*parts, voice), voice)
