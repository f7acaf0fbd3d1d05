"""Where a conversation could fall silent or never end: each case in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.endpointing import PRESETS
from media.config.model import AgentLimits, FastLaneConfig, TurnConfig
from media.messages import Speaker
from tests.agent.fakes import MS, Phone
from tests.agent.test_conversation import PERSONA, hold_call

pytestmark = pytest.mark.unit

ASKING = replace(
    PERSONA,
    fast_lane=(
        *PERSONA.fast_lane,
        FastLaneConfig(("stays dark",), "I see, that is a pity. Is the light red?"),
        FastLaneConfig(("yeah", "yes", "okay"), "Then please charge it."),
    ),
)


def test_who_speaks_over_the_last_goodbye_is_let_go_all_the_same() -> None:
    """At the maximum length neither a voice nor a new question keeps the call."""
    persona = replace(PERSONA, limits=AgentLimits(max_call_s=10, no_input_ms=60_000))

    async def script(phone: Phone) -> None:
        await phone.until(lambda: len(phone.packets_since(phone.answered_ns + 9_000 * MS)) > 20)
        while not phone.hangups():
            await phone.say("How long does the battery last?", 1_500)
            await phone.wait(500)
            assert phone.speech_ended_ns - phone.answered_ns < 25_000 * MS

    phone = hold_call(script, persona)
    assert phone.hangups() == ["max_duration"]
    goodbye = phone.turns(Speaker.AGENT)[-1]
    assert (goodbye.text, goodbye.interrupted) == (PERSONA.goodbye, False)


def test_words_that_never_come_are_asked_for_again_in_time() -> None:
    """A recogniser that hangs costs the caller less than four seconds of silence."""

    async def script(phone: Phone) -> None:
        phone.recognizer.delay_s = 60.0
        await phone.say("How long does the battery last?", 1_500)
        ended_ns = phone.speech_ended_ns
        await phone.until(lambda: bool(phone.packets_since(ended_ns)))
        assert phone.packets_since(ended_ns)[0] - ended_ns < 4_000 * MS

    hold_call(script)


def test_a_short_word_that_was_not_recognised_in_time_is_asked_for_again() -> None:
    """While the recogniser is overloaded a word is not taken for a noise."""

    async def script(phone: Phone) -> None:
        phone.recognizer.delay_s = 60.0
        await phone.say("Battery.", 300)
        await phone.wait(6_000)

    assert hold_call(script).turns(Speaker.AGENT)[-1].text == PERSONA.not_heard


def test_an_answer_that_came_while_the_caller_was_heard_out_is_not_given_up() -> None:
    """An "okay" into the wait holds the answer back; let go, it is the answer."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 1.2
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(900)
        phone.recognizer.delay_s = 0.7
        await phone.say("Okay.", 500)
        await phone.wait(12_000)

    turns = hold_call(script).turns(Speaker.AGENT)[1:]
    assert [each.source for each in turns if each.source != "prompt"] == ["model"]


def test_who_is_never_understood_is_asked_differently_and_let_go() -> None:
    """No turn is met with silence, and a noise that never ends does not keep the call for ever."""

    async def script(phone: Phone) -> None:
        for _ in range(12):
            await phone.say("", 900)
            ended_ns = phone.speech_ended_ns
            if phone.hangups():
                return
            await phone.until(lambda: bool(phone.packets_since(ended_ns)), 3_900)  # noqa: B023
            await phone.wait(4_500)

    phone = hold_call(script)
    said = [each.text for each in phone.turns(Speaker.AGENT)][1:]
    assert said == [PERSONA.not_heard] * 2 + [*PERSONA.no_input, PERSONA.goodbye]
    assert phone.hangups() == ["no_input"]


@pytest.mark.parametrize("answer", ["Yeah.", "Okay."])
def test_an_answer_into_the_end_of_a_question_is_an_answer(answer: str) -> None:
    """What is a backchannel elsewhere answers a question that has all but been asked."""

    async def script(phone: Phone) -> None:
        await phone.say("It stays dark.", 700)
        started = len(phone.media.packets)
        # the sentence is 2.4 s long; the answer comes 0.5 s before its end
        await phone.until(lambda: len(phone.media.packets) >= started + 95)
        await phone.say(answer, 300)
        await phone.until(lambda: len(phone.turns(Speaker.AGENT)) == 3)

    phone = hold_call(script, ASKING)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == ["It stays dark.", answer]
    assert phone.turns(Speaker.AGENT)[-1].text == "Then please charge it."


@pytest.mark.parametrize("answer", ["Forty two.", "Peter.", "Monday."])
def test_an_answer_into_the_end_of_an_open_question_is_one(answer: str) -> None:
    """Also a short one that no fact is about: it is what was asked for."""

    async def script(phone: Phone) -> None:
        # the greeting is 2.2 s long; the answer comes 0.5 s before its end
        await phone.until(lambda: len(phone.media.packets) >= 3 * len(greeting) - 25)
        await phone.say(answer, 400)
        await phone.wait(4_000)

    greeting = "Hello. What is your order and name?"
    persona = replace(PERSONA, greeting=greeting)
    phone = hold_call(script, persona, after_greeting=False)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == [answer]
    assert phone.turns(Speaker.AGENT)[0].interrupted


def test_an_okay_at_the_beginning_of_that_sentence_is_none() -> None:
    """Before the question was heard nothing is answered: the agent goes on."""

    async def script(phone: Phone) -> None:
        await phone.say("It stays dark.", 700)
        started = len(phone.media.packets)
        await phone.until(lambda: len(phone.media.packets) >= started + 20)
        await phone.say("Okay.", 300)
        await phone.until_quiet()

    phone = hold_call(script, ASKING)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == ["It stays dark."]
    assert not phone.turns(Speaker.AGENT)[-1].interrupted


@pytest.mark.parametrize(
    ("words", "noted"),
    [("A lemon.", ["A lemon."]), ("Oh, that's good.", ["Oh, that's good."]), ("Okay.", [])],
)
def test_what_is_heard_and_not_heeded_is_in_the_record(words: str, noted: list[str]) -> None:
    """The agent goes on, the model is told nothing, and the record has it; but no backchannel."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        started = len(phone.media.packets)
        await phone.until(lambda: len(phone.media.packets) >= started + 20)
        await phone.say(words, 400)
        await phone.until_quiet()

    phone = hold_call(script)
    question, *others = phone.turns(Speaker.CALLER)
    assert question.source == "speech"
    assert [(each.text, each.source) for each in others] == [(each, "unheeded") for each in noted]
    for each in others:
        assert 300 <= (each.ended_ns - each.started_ns) // MS <= 500
    assert not phone.turns(Speaker.AGENT)[-1].interrupted
    history = phone.conversation.history
    assert all(words not in each.text for each in history.said)
    assert all(words not in each.text for each in history.messages())


@pytest.mark.parametrize("hum", ["Um.", "Hmm, uh", "Mm-hm."])
def test_nobody_is_told_that_a_hum_is_not_known(hum: str) -> None:
    """A caller who thinks aloud keeps the floor."""

    async def script(phone: Phone) -> None:
        await phone.say(hum, 500)
        await phone.wait(3_000)

    assert len(hold_call(script).turns(Speaker.AGENT)) == 1


def test_a_short_sound_after_a_question_is_asked_about() -> None:
    """A "yes" that was not understood must not be lost: the question is open."""

    async def script(phone: Phone) -> None:
        await phone.say("It stays dark.", 700)
        await phone.until_quiet()
        await phone.say("", 260)
        await phone.until_quiet(5_000)

    phone = hold_call(script, ASKING)
    assert phone.turns(Speaker.AGENT)[-1].text == PERSONA.not_heard


def test_nobody_is_asked_whether_they_are_there_while_they_type() -> None:
    """Slow fingers are no silence."""

    async def script(phone: Phone) -> None:
        for digit in "12345678":
            phone.conversation.press(digit)
            await phone.wait(2_000)
        phone.conversation.press("#")
        await phone.until_quiet()

    phone = hold_call(script)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == ["1 2 3 4 5 6 7 8"]
    assert not any(each.source == "prompt" for each in phone.turns(Speaker.AGENT))


@pytest.mark.parametrize(
    "turn", [TurnConfig(protect_greeting=True), TurnConfig(barge_in=False)], ids=["greeting", "all"]
)
def test_a_question_into_what_is_protected_is_answered_behind_it(turn: TurnConfig) -> None:
    """It does not stop the greeting, and it is not lost either."""
    persona = replace(PERSONA, greeting=f"{PERSONA.greeting} {'We are here. ' * 6}", turn=turn)

    async def script(phone: Phone) -> None:
        await phone.wait(300)
        await phone.say("When are you open?", 900)
        await phone.until(lambda: len(phone.turns(Speaker.AGENT)) == 2)

    greeting, answer = hold_call(script, persona, after_greeting=False).turns(Speaker.AGENT)
    assert not greeting.interrupted
    assert answer.text == "We are open from nine to five."


def test_an_okay_into_what_is_protected_is_not_answered() -> None:
    """Who listens asks nothing."""
    persona = replace(PERSONA, turn=TurnConfig(barge_in=False))

    async def script(phone: Phone) -> None:
        await phone.say("What are your opening hours?", 900)
        await phone.until(lambda: bool(phone.packets_since(phone.speech_ended_ns)))
        await phone.say("Okay.", 300)
        await phone.wait(4_000)

    phone = hold_call(script, persona)
    assert [each.source for each in phone.turns(Speaker.AGENT)] == ["greeting", "fast_lane"]


def test_waiting_for_the_caller_is_no_wasted_work() -> None:
    """Work that was over before it was thrown away counts to its end."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last and", 1_500)
        await phone.wait(900)
        await phone.say("what does the warranty cover?", 1_500)
        await phone.until_quiet()

    (caller,) = hold_call(script).turns(Speaker.CALLER)
    assert 0 < caller.detail["wasted_provisional_ms"] < 1_200


def test_a_cut_off_is_counted_although_the_call_ends_in_it() -> None:
    """The turn that the caller could not finish says so."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: len(phone.packets_since(phone.speech_ended_ns)) > 5)
        await phone.say("in the winter when it snows", 1_200)

    caller = hold_call(script).turns(Speaker.CALLER)[-1]
    assert (caller.text, caller.detail["cut_offs"]) == ("in the winter when it snows", 1.0)


def test_a_persona_says_what_its_sentence_asks_for() -> None:
    """Digits get their patience also where the sentence's words do not say that they are asked."""
    persona = replace(
        PERSONA,
        fast_lane=(FastLaneConfig(("invoice",), "Wie lautet sie genau?", asks="digits"),),
    )

    async def script(phone: Phone) -> None:
        await phone.say("invoice", 600)
        await phone.until_quiet()
        await phone.say("it is AB", 600)
        await phone.until_quiet()

    caller = hold_call(script, persona).turns(Speaker.CALLER)[-1]
    assert caller.detail["required_ms"] == PRESETS["balanced"].digits_ms


def test_a_mumbled_goodbye_is_not_asked_about() -> None:
    """After our goodbye nothing new is begun that the end of the call would cut."""

    async def script(phone: Phone) -> None:
        await phone.say("That's all.", 700)
        await phone.until_quiet()
        await phone.say("", 600)
        await phone.until(lambda: bool(phone.hangups()))
        await phone.wait(3_000)

    assert hold_call(script).turns(Speaker.AGENT)[-1].text == "Thank you and goodbye."
