from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from agent.ladder import Step
from media.config.model import AgentConfig, FastLaneConfig, TurnConfig
from media.messages import Speaker, Turn
from tests.agent.fakes import Phone, run_virtual

pytestmark = pytest.mark.unit

FACT = "The battery lasts about six months and charges in five hours with the cable in the box."
MODEL_SAYS = (
    "The battery lasts about six months, and it charges in five hours, with the cable, "
    "in the box, six months."
)
PERSONA = AgentConfig(
    greeting="Hello, how can I help?",
    instructions="Answer about doorbells.",
    knowledge=(FACT,),
    fast_lane=(FastLaneConfig(("opening hours",), "We are open from nine to five."),),
)
QUESTION = "Tell me something about what the battery does"


def hold_call(script: Callable[[Phone], Awaitable[None]], step: Step) -> Phone:
    """Run one call in virtual time on one step of the ladder."""

    async def call() -> Phone:
        phone = Phone(PERSONA, {"battery": MODEL_SAYS})
        phone.allowance.follow(step, short_words=8)
        await phone.dial()
        await phone.until_quiet()
        await script(phone)
        await phone.hang_up()
        return phone

    return run_virtual(call())


async def ask(phone: Phone) -> None:
    await phone.say(QUESTION, 1_500)
    await phone.until_quiet()


def answer_of(phone: Phone) -> Turn:
    return phone.turns(Speaker.AGENT)[-1]


async def speak_with_a_pause(phone: Phone) -> None:
    """Say two halves of a sentence with a pause in which work could begin."""
    phone.turn_model.probability = 0.0
    await phone.say("Tell me something about the battery and", 1_000)
    await phone.wait(500)
    await phone.say("what it does", 800)
    await phone.until_quiet()


def test_normally_work_begins_in_pauses() -> None:
    """On the floor of the ladder a pause costs work that is thrown away."""
    phone = hold_call(speak_with_a_pause, Step.NORMAL)
    (caller,) = phone.turns(Speaker.CALLER)
    assert caller.detail["wasted_provisional_ms"] > 0


def test_the_first_step_wastes_nothing() -> None:
    """Without provisional work the same pause costs nothing, and the answer still comes."""
    phone = hold_call(speak_with_a_pause, Step.NO_PROVISIONAL)
    (caller,) = phone.turns(Speaker.CALLER)
    assert caller.detail["wasted_provisional_ms"] == 0
    assert answer_of(phone).response_ms is not None
    assert len(phone.model.asked) <= 1


def test_the_second_step_shortens_answers() -> None:
    """The model's answer ends after the short limit."""
    whole = answer_of(hold_call(ask, Step.NO_PROVISIONAL)).text
    short = answer_of(hold_call(ask, Step.SHORT_ANSWERS)).text
    assert len(short.split()) <= 8 < len(whole.split())
    assert short


@pytest.mark.parametrize("step", [Step.FAST_LANE_ONLY, Step.REFUSE_CALLS])
def test_the_third_step_asks_no_model_and_still_answers(step: Step) -> None:
    """A call in progress gets the reviewed fact as it stands; the model is left alone."""
    phone = hold_call(ask, step)
    assert phone.model.asked == [] and phone.model.prefills == 0
    assert answer_of(phone).text == FACT
    assert answer_of(phone).source in ("fact", "fast_lane")
    assert answer_of(phone).response_ms is not None


def test_a_call_lives_through_the_whole_ladder() -> None:
    """While the ladder climbs and descends every question of a call is answered."""

    async def script(phone: Phone) -> None:
        for step in [*Step, *reversed(Step)]:
            phone.allowance.follow(step, short_words=8)
            await ask(phone)

    phone = hold_call(script, Step.NORMAL)
    answers = [each for each in phone.turns(Speaker.AGENT) if each.response_ms is not None]
    assert len(answers) == len(phone.turns(Speaker.CALLER)) == 2 * len(Step)
    assert phone.hangups() == []


def test_turn_settings_change_in_the_middle_of_a_call() -> None:
    """After a change to patient the same words are given more time."""

    async def script(phone: Phone) -> None:
        phone.turn_model.probability = 0.5
        await ask(phone)
        phone.conversation.retune(TurnConfig(preset="patient"))
        await ask(phone)

    phone = hold_call(script, Step.NORMAL)
    before, after = (
        each.endpointing_ms
        for each in phone.turns(Speaker.AGENT)
        if each.endpointing_ms is not None
    )
    assert after > before + 100


def test_barge_in_can_be_switched_off_in_the_middle_of_a_call() -> None:
    """With ``barge_in: false`` the agent finishes what it says."""

    async def script(phone: Phone) -> None:
        phone.conversation.retune(TurnConfig(barge_in=False))
        await phone.say(QUESTION, 1_500)
        await phone.until(lambda: len(phone.media.packets) > 100)
        await phone.say("Stop, stop, please stop talking now", 1_500)
        await phone.until_quiet()

    phone = hold_call(script, Step.FAST_LANE_ONLY)
    said = [each for each in phone.turns(Speaker.AGENT) if each.text == FACT]
    assert [each.interrupted for each in said] == [False]
