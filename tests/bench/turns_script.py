"""What callers say to test the judgement of turns: enough of each kind to bound its error rate."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle

import numpy as np

from tests.bench.script import Kind, Step
from tests.bench.voices import VOICES, cough, door, person, spoken

BACKCHANNELS = (
    "Mm-hm.", "Okay.", "Uh-huh.", "Right.", "Yeah.", "I see.", "Mm-hm.", "Yes.", "Sure.",
    "Alright.", "Mm.", "Got it.", "Yeah, okay.", "Aha.", "Okay, good.", "Oh, okay.", "Great.",
    "Uh-huh.", "Good.", "Yep.",
)  # fmt: skip
INTERRUPTIONS = (
    "Stop.", "Wait.", "Sorry, what are your opening hours?", "Hold on.", "No, I mean the camera.",
    "Wait, how long is the warranty?", "Excuse me.", "No, no.", "Can I talk to a person?",
    "What about the battery?", "Hello?", "Wait a second.", "I have another question.", "Refund.",
    "Operator.", "That is not what I asked.", "Okay, but how much is it?", "Sorry?",
)  # fmt: skip
LONG_ANSWERS = (
    "What are your opening hours?",
    "Can I speak to a human?",
    "What do I get with the subscription?",
    "How much is a doorbell?",
    "Is it waterproof?",
    "How do I install the doorbell?",
    "How do I recharge the battery?",
    "I want to send it back.",
)
"""Reviewed answers of at least five seconds, mostly."""
INTO_MS = (400, 900, 1_500, 2_200, 3_000)
"""How long the agent has talked when it is spoken into."""
ASKS_YES_NO = ("Thank you.", "Thanks a lot.", "Thank you very much.")
"""The agent says: is there anything else?"""
ASKS_WHAT = ("Hello.", "I have a question.", "Can you hear me?")
"""The agent says: what is your question?"""
YES_NO = ("Yes.", "No.", "Yeah.", "Nope.", "Sure.", "Okay.", "Yep.", "Nah.", "Correct.", "Right.")
TOPICS = (
    "Battery.", "Refund.", "Warranty.", "Tuesday.", "Subscription.", "Installation.", "Delivery.",
    "Saturday.", "Camera.", "Doorbell.", "Reset.", "Password.", "Returns.", "Sunday.", "Alexa.",
)  # fmt: skip
PAUSES = (
    ("I would like to know", "how long the battery lasts."),
    ("My camera is offline, and", "I do not know what to do."),
    ("Can you tell me", "when you are open on Saturday?"),
    ("I bought a doorbell last week, but", "it does not connect to my wifi."),
    ("What do I have to do if", "I want to send the camera back?"),
    ("The warranty, how long", "is it valid for the doorbell?"),
    ("Does the subscription", "cost anything per month?"),
    ("When I press the button", "the chime in the house does not ring."),
    ("My daughter would like to", "see the pictures of the camera, too."),
    ("I changed the router and now", "the doorbell does not find it."),
    ("How do I", "reset the doorbell?"),
    ("The battery is empty, and", "I cannot find the cable."),
    ("I have a question about", "the refund."),
    ("Is it possible to", "install the doorbell without tools?"),
    ("Yes, hello, I am calling because", "my doorbell is broken."),
    ("Do you know if", "the camera works with Alexa?"),
    ("My problem is that", "I get too many alerts from cars."),
    ("I forgot", "my password."),
    ("We moved to a new house, so", "how do I change the wifi network?"),
    ("Who pays for", "the return shipping?"),
    ("The picture at night", "is very blurry."),
    ("I ordered a camera on Monday and", "it has not arrived yet."),
)
PAUSE_MS = (300, 400, 500, 600, 700)
STEPS_A_CALL = 26
"""Longer calls have a longer history, which is not what is tested here."""


def turns_script() -> list[list[Step]]:
    """Return the calls: what each caller says, one after the other; the same every time."""
    scenes = [
        *_spoken_into(Kind.BACKCHANNEL, BACKCHANNELS, 66),
        *_noises(20),
        *_spoken_into(Kind.INTERRUPTION, INTERRUPTIONS, 24),
        *_one_word(108),
        *_with_pauses(62),
    ]
    random.Random(7).shuffle(scenes)
    calls: list[list[Step]] = []
    for voice in VOICES:
        mine = [scene for scene in scenes if scene[-1].voice == voice]
        while mine:
            call: list[Step] = []
            while mine and len(call) + len(mine[0]) <= STEPS_A_CALL:
                call += mine.pop(0)
            calls.append(call)
    return calls


def _say(kind: Kind, text: str, number: int, into_ms: int = 0) -> Step:
    voice = VOICES[number % len(VOICES)]
    tempo, peak = person(number)
    return Step(kind, text, spoken(text, voice, tempo, peak), voice, into_ms)


def _spoken_into(kind: Kind, texts: tuple[str, ...], count: int) -> Iterator[list[Step]]:
    for number in range(count):
        # one further for each round of the words, so that every voice says every word
        speaker = number + number // len(texts)
        question = LONG_ANSWERS[number % len(LONG_ANSWERS)]
        into_ms = INTO_MS[number % len(INTO_MS)]
        into = _say(kind, texts[number % len(texts)], speaker, into_ms)
        yield [_say(Kind.QUESTION, question, speaker), into]


def _noises(count: int) -> Iterator[list[Step]]:
    for number in range(count):
        question = _say(Kind.QUESTION, LONG_ANSWERS[number % len(LONG_ANSWERS)], number)
        name, samples = ("(a cough)", cough(number)) if number % 2 else ("(a door)", door(number))
        into_ms = INTO_MS[number % len(INTO_MS)]
        yield [question, Step(Kind.NOISE, name, samples, question.voice, into_ms)]


def _one_word(count: int) -> Iterator[list[Step]]:
    """Yield words that the agent asked for, and the same ones unasked, after an answer."""
    yes_no, topics = cycle(YES_NO), cycle(TOPICS)
    asks, opens = cycle(ASKS_YES_NO), cycle(ASKS_WHAT)
    for number in range(count // 4):
        speaker = number + number // len(YES_NO)
        word, topic = next(yes_no), next(topics)
        yield [
            _say(Kind.QUESTION, next(asks), speaker),
            _say(Kind.SHORT, word, speaker),
            _say(Kind.SHORT, next(topics), speaker),
        ]
        yield [
            _say(Kind.QUESTION, next(opens), speaker + 1),
            _say(Kind.SHORT, topic, speaker + 1),
            _say(Kind.SHORT, next(yes_no), speaker + 1),
        ]


def _with_pauses(count: int) -> Iterator[list[Step]]:
    for number in range(count):
        parts = PAUSES[number % len(PAUSES)]
        speaker = number + number // len(PAUSES)
        pause_ms = PAUSE_MS[(number + number // len(PAUSES)) % len(PAUSE_MS)]
        said = [_say(Kind.PAUSE, each, speaker) for each in parts]
        gap = np.zeros(pause_ms * 8, dtype=np.int16)
        samples = np.concatenate([said[0].samples, gap, said[1].samples])
        yield [Step(Kind.PAUSE, f" …{pause_ms}… ".join(parts), samples, said[0].voice)]
