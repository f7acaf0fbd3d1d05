"""Does the shipped persona answer from its facts, with the packaged language model: a sample."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agent.answering import Answer, Answering
from agent.engines.base import Samples
from agent.engines.llama import LlamaLanguageModel, LlamaOptions
from agent.models.store import ModelStore
from agent.persona import Persona
from agent.speech import Speech
from agent.words import split_words
from media.config.load import load_config
from media.paths import models_dir

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

DEPLOYED = Path(__file__).parents[2] / "deploy" / "cordboard.yaml"

PREFIXES = Path(tempfile.gettempdir()) / "cordboard-test-prefixes"

KNOWN = [
    ("How long does the battery last?", "six months"),
    ("how long will a battery charge hold", "six months"),
    ("How do I charge the battery?", "usb|five hours"),
    ("How long does it take to charge the doorbell?", "five hours"),
    ("What does a spare battery cost?", "29"),
    ("My doorbell keeps losing the Wi-Fi.", "router"),
    ("My why fi connection drops all the time", "router"),
    ("Does it work with 5 GHz Wi-Fi?", "2.4|not"),
    ("Can I use five gigahertz with the camera?", "2.4|not"),
    ("I have a new router, what do I do?", "app"),
    ("How do I reset my doorbell?", "15 seconds|fifteen seconds"),
    ("how can I re set the door bell to factory settings", "15 seconds|fifteen seconds"),
    ("Are my recordings deleted by a factory reset?", "stay|settings"),
    ("How long is the warranty?", "two years|2 years"),
    ("What does the waranty cover?", "defects|two years|not"),
    ("Is water damage covered by the warranty?", "not"),
    ("My doorbell is broken, can I get a new one?", "replace"),
    ("I want a refund.", "30 days|five working days"),
    ("How can I return my camera?", "30 days|label"),
    ("When do I get my refund?", "five working days"),
    ("What are your opening hours?", "nine to six"),
    ("Are you open on Sundays?", "closed on sunday"),
    ("When do you close on Saturday?", "two"),
    ("How much is the subscription?", "four dollars"),
    ("Do I need a subscription?", "without|free"),
    ("How far does the night vision reach?", "eight meters"),
    ("My chime does not ring.", "plug|pair"),
    ("How do I install the doorbell?", "15 minutes|screws"),
    ("Does it work with Alexa?", "alexa"),
    ("Who pays for return shipping?", "free"),
]
HELD_OUT = [
    ("what's the life of the battery", "six months"),
    ("is the battery rechargeable and how do I fill it up", "usb|five hours"),
    ("the ring on the door bell is red", "battery"),
    ("do you sell extra batteries", "29"),
    ("my camera went offline again", "router"),
    ("the wifi signal is weak at my front door", "router"),
    ("I changed my Wi-Fi password", "app"),
    ("how do I do a factory reset", "15 seconds|fifteen seconds"),
    ("I need to restart the camera", "five seconds"),
    ("how many years of warranty do I have", "two years|2 years"),
    ("someone stole my doorbell, does the warranty pay", "theft|not cover"),
    ("I would like to send it back", "30 days|label|return"),
    ("can I get a refund after two weeks", "30 days"),
    ("how late are you open tonight", "nine to six"),
    ("are you there on the weekend", "saturday"),
    ("which transformer do I need for wired installation", "16 to 24"),
    ("how do I cancel my subscription", "account"),
    ("the picture is blurry at night", "lens"),
    ("does it work with apple home kit", "not"),
    ("I forgot my password for the app", "forgot password"),
]
UNSEEN = [
    ("my battery only lasts three weeks, is that normal", "cold|six months|five hours"),
    ("do I charge the battery with a normal phone cable", "usb"),
    ("what is the price for a second battery", "29"),
    ("the video keeps cutting out because of the Wi-Fi", "router"),
    ("which Wi-Fi frequency do you support", "2.4"),
    ("I bought the doorbell used and want to reset everything", "15 seconds|fifteen seconds"),
    ("it does not react any more, how can I restart it", "five seconds"),
    ("how long am I covered by the warranty", "two years"),
    ("my doorbell fell on the floor, will you replace it", "not cover"),
    ("I am not happy with it and would like my money back please", "30 days"),
    ("how many days does the refund take", "five working"),
    ("do I have to pay for sending it back", "free"),
    ("are you open on Saturday afternoon", "ten to two"),
    ("when can I reach you on Friday", "nine to six"),
    ("what do I get with the subscription", "30 days"),
    ("can I stop paying the subscription", "account"),
    ("is it hard to mount the doorbell myself", "15 minutes|screw"),
    ("what about rain and snow", "weatherproof"),
    ("can my daughter also see the camera", "family"),
    ("I get alerts from every passing car", "sensitive"),
]
"""Written after the persona: half were answered then; what was missing has been added since."""
UNKNOWN = [
    "Who won the football game yesterday?",
    "What is the weather like in Paris?",
    "Do you sell washing machines?",
    "What is the phone number of your director?",
    "Can you book a flight for me?",
    "How many employees does your company have?",
    "Does the doorbell have a radar sensor?",
    "Can the camera recognise my dog's face?",
    "Is there a discount for students?",
    "Which processor is inside the camera?",
]
SMALL_TALK = [
    ("Hello, can you hear me?", "fast_lane", "listen"),
    ("Hi, how are you?", "fast_lane", "listen"),
    ("Thank you very much.", "fast_lane", "listen"),
    ("Can I speak to a human please?", "fast_lane", "listen"),
    ("Are you a robot?", "fast_lane", "listen"),
    ("Goodbye.", "goodbye", "goodbye"),
    ("Okay, bye bye.", "goodbye", "goodbye"),
    ("No, that's all, thank you.", "fast_lane", "goodbye"),
]


class SilentVoice:
    """Takes no time; the words are what is measured."""

    name = "silent"

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        """Yield one sample."""
        yield np.zeros(1, dtype=np.int16)


@dataclass(frozen=True)
class Outcome:
    """What was said to one question."""

    text: str
    source: str
    then: str
    refused: str
    ms: float


async def ask(persona: Persona, model: LlamaLanguageModel, question: str) -> Outcome:
    """Ask one question in a call of its own."""
    dialogue = await model.open(persona.prefix)
    answer = Answer(question, 0)
    began = time.perf_counter()
    await Answering(persona, dialogue, time.monotonic_ns).fill(answer, [], "", lambda _: None)
    dialogue.close()
    text = " ".join(each.text for each in answer.pieces if each.text)
    ms = (time.perf_counter() - began) * 1e3
    return Outcome(text, answer.source, answer.then, answer.refused, ms)


def grade(outcome: Outcome, question: str, fact: str) -> bool:
    """Say whether one of the expected words was said."""
    said = " ".join(split_words(outcome.text))
    good = any(" ".join(split_words(each)) in said for each in fact.split("|"))
    print(f"{'ok ' if good else 'BAD'} {outcome.source:9} {outcome.ms:5.0f} ms {question!r}")
    print(f"      {outcome.text!r} {outcome.refused}")
    return good


def load_persona() -> tuple[Persona, Path]:
    """Return the shipped persona and the packaged model's file."""
    config = load_config(DEPLOYED)
    choice = ModelStore(models_dir(config)).choose_language_model()
    return Persona("support", config.agents["support"], Speech(SilentVoice())), choice.path


async def ask_all(questions: Sequence[str]) -> list[Outcome]:
    """Ask each question in a call of its own."""
    persona, path = load_persona()
    options = LlamaOptions(dialogues=1, prefixes=1, prefix_dir=PREFIXES)
    model = LlamaLanguageModel.load(path, options)
    try:
        return [await ask(persona, model, each) for each in questions]
    finally:
        model.close()


def needs_model(persona: Persona, question: str) -> bool:
    """Say whether no reviewed text answers a question by itself."""
    known = persona.fast_lane.match(question) or persona.knowledge.sure(question)
    return known is None


def test_what_reviewed_texts_answer_surely_is_right() -> None:
    """No question of any list gets a wrong text at once, and none that no fact answers gets one."""
    persona, _ = load_persona()
    sure = 0
    for question, fact in [*KNOWN, *HELD_OUT, *UNSEEN]:
        found = persona.knowledge.sure(question)
        if found is not None:
            sure += 1
            said = " ".join(split_words(persona.spoken(found.text)))
            expected = [" ".join(split_words(each)) for each in fact.split("|")]
            assert any(each in said for each in expected), (question, said)
    assert sure >= 30
    assert all(persona.knowledge.sure(each) is None for each in UNKNOWN)


async def test_a_sample_of_questions_for_the_model_is_answered_from_the_facts() -> None:
    """Every third question that needs the model gets the right fact, in few enough words."""
    persona, _ = load_persona()
    lists = [*KNOWN, *HELD_OUT, *UNSEEN]
    sample = [each for each in lists if needs_model(persona, each[0])][::3]
    outcomes = await ask_all([question for question, _ in sample])
    right = [grade(outcome, *each) for outcome, each in zip(outcomes, sample, strict=True)]
    print(f"sample {sum(right)}/{len(right)}")
    assert sum(right) >= 0.8 * len(right)
    assert all(len(outcome.text.split()) <= 30 for outcome in outcomes)


async def test_what_is_not_known_is_said_honestly_and_small_talk_needs_no_model() -> None:
    """Unknown things get the honest sentence, greetings and goodbyes the reviewed ones."""
    outcomes = await ask_all([*UNKNOWN, *(each[0] for each in SMALL_TALK)])
    honest = [each.source == "unknown" for each in outcomes[: len(UNKNOWN)]]
    assert sum(honest) >= 0.8 * len(honest)
    small = zip(outcomes[len(UNKNOWN) :], SMALL_TALK, strict=True)
    assert all((o.source, o.then) == (source, then) for o, (_, source, then) in small)
