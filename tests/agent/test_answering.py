"""What the model's words become before they are spoken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.answering import Answer, Answering
from agent.persona import Persona
from agent.speech import Speech
from media.config.model import AgentConfig, AgentLimits
from tests.agent.fakes import FakeModel, FakeVoice, now_ns, run_virtual

pytestmark = pytest.mark.unit

PERSONA = AgentConfig(
    greeting="Hello.",
    instructions="Answer about doorbells.",
    knowledge=(
        "The battery lasts about six months on one charge, less in cold weather.",
        "The live view and motion alerts of the camera are free of charge.",
        "You can return it within 30 days in the original box.",
    ),
)


def answer_with(said: str, question: str, persona: AgentConfig = PERSONA) -> tuple[Answer, str]:
    """Let a model that says this answer; return the answer and all that would be heard of it."""

    async def work() -> Answer:
        model = FakeModel({"": said})
        whose = Persona("support", persona, Speech(FakeVoice()))
        answer = Answer(question, now_ns())
        await Answering(whose, model, now_ns).fill(answer, [], "", lambda _: None)
        return answer

    answer = run_virtual(work())
    return answer, " ".join(each.text for each in answer.pieces if each.text)


LONG = replace(PERSONA, limits=AgentLimits(max_words=200))

BATTERY = "For how long will a battery of yours really last me?"
CAMERA = "Do I pay for motion alerts and the live view of your camera?"
RETURN = "May my husband return it in the original box?"


@pytest.mark.parametrize(
    ("question", "model", "heard"),
    [
        (BATTERY, "The battery lasts about six months with solar panels.", PERSONA.knowledge[0]),
        (CAMERA, "You can use the camera with a telescope and a rocket.", PERSONA.knowledge[1]),
        (RETURN, "You can return it within 90 days.", PERSONA.knowledge[2]),
    ],
)
def test_half_a_sentence_is_never_an_answer(question: str, model: str, heard: str) -> None:
    """What was begun ends as a fact ends it; what no fact ends is not begun, and a fact is said."""
    answer, text = answer_with(model, question)
    assert text == heard
    assert answer.refused


@pytest.mark.parametrize(
    ("model", "heard"),
    [
        ("To use the battery, buy a rocket.", PERSONA.knowledge[0]),
        ("The battery lasts six months, like a rocket engine.", "The battery lasts six months,"),
        ("In cold weather, for six months.", "In cold weather, for six months."),
    ],
)
def test_what_leads_up_to_a_sentence_is_none(model: str, heard: str) -> None:
    """A comma may end a sentence that is whole, and never its beginning."""
    assert answer_with(model, BATTERY)[1].startswith(heard)


def test_what_a_fact_can_end_is_heard_at_once() -> None:
    """Its first words need not wait for the model's next ones, which may be refused."""
    answer, _ = answer_with("The battery lasts about six months with solar panels.", BATTERY)
    assert [each.text for each in answer.pieces if each.text] == [
        "The battery lasts about six months",
        "on one charge, less in cold weather.",
    ]
    assert answer.source == "model"


def test_what_was_begun_is_ended_although_something_else_was_held_back() -> None:
    """The end is the one of what was heard, not of what was never said."""
    said = "The battery lasts about six months " + "and less and less in weather " * 6
    answer, text = answer_with(f"{said}and with a rocket engine of a moon.", BATTERY, LONG)
    assert answer.refused
    assert text == PERSONA.knowledge[0]


def test_what_was_held_back_is_said_with_what_follows() -> None:
    """A clause of the model's own words is heard as soon as the next one is admitted, too."""
    answer, text = answer_with("In less cold weather it lasts for six months.", BATTERY)
    assert text == "In less cold weather it lasts for six months."
    assert answer.source == "model" and not answer.refused
    assert len([each for each in answer.pieces if each.text]) == 1


def test_an_ending_keeps_to_the_personas_words() -> None:
    """With no room for the fact's own end, nothing is begun that might need it."""
    short = replace(PERSONA, limits=AgentLimits(max_words=9))
    _, text = answer_with("The battery lasts about six months with solar panels.", BATTERY, short)
    assert text == PERSONA.knowledge[0]


@pytest.mark.parametrize("copied", ["The --", "It is", "--", "The --."])
def test_an_answer_of_no_meaning_is_replaced_by_the_fact(copied: str) -> None:
    """A model that copies how an interrupted answer ends has not answered."""
    assert answer_with(copied, BATTERY)[1] == PERSONA.knowledge[0]
