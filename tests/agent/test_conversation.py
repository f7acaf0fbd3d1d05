from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from media.config.model import (
    AgentConfig,
    AgentLimits,
    ExampleConfig,
    FastLaneConfig,
    TurnConfig,
)
from media.messages import ConversationFailed, Speaker
from tests.agent.fakes import MS, Phone, run_virtual

pytestmark = pytest.mark.unit

PERSONA = AgentConfig(
    greeting="Hello, how can I help?",
    instructions="Answer about doorbells.",
    knowledge=(
        "The battery lasts about six months and charges in five hours.",
        "The doorbell joins 2.4 gigahertz Wi-Fi only, not 5 gigahertz.",
        "The warranty lasts two years from the day of purchase.",
    ),
    examples=(
        ExampleConfig(
            "Do you sell spare chargers in Vienna?", "No, they are sold in electronics shops."
        ),
    ),
    unknown="I am not sure about that.",
    fast_lane=(
        FastLaneConfig(("opening hours", "when are you open"), "We are open from nine to five."),
        FastLaneConfig(("thats all",), "Thank you and goodbye.", "goodbye"),
    ),
    goodbye="Thank you for calling. Goodbye.",
)
ANSWERS = {
    "battery": "The battery lasts about six months, and it charges in five hours.",
    "warranty": "The warranty lasts two years from the day of purchase.",
    "wi-fi": "Yes, it works with 5 gigahertz.",
}


def hold_call(
    script: Callable[[Phone], Awaitable[None]],
    persona: AgentConfig = PERSONA,
    *,
    after_greeting: bool = True,
) -> Phone:
    """Run one call in virtual time."""

    async def call() -> Phone:
        phone = Phone(persona, ANSWERS)
        await phone.dial()
        if after_greeting:
            await phone.until_quiet()
        await script(phone)
        await phone.hang_up()
        return phone

    return run_virtual(call())


def test_greets_within_one_packet_of_the_answer() -> None:
    """The greeting is cached, so its first packet is the next one of the clock."""

    async def script(phone: Phone) -> None:
        await phone.wait(100)

    phone = hold_call(script, after_greeting=False)
    assert phone.media.packets[0][0] - phone.answered_ns <= 20 * MS


def test_answers_a_question() -> None:
    """A question is heard, answered from the facts and written down with its times."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until_quiet()

    phone = hold_call(script)
    (caller,) = phone.turns(Speaker.CALLER)
    answer = phone.turns(Speaker.AGENT)[-1]
    assert caller.text == "How long does the battery last?"
    assert answer.text == ANSWERS["battery"]
    assert answer.source == "model"
    assert answer.response_ms is not None and 440 <= answer.response_ms <= 620
    assert abs(answer.started_ns - phone.speech_ended_ns - answer.response_ms * MS) < 25 * MS
    assert answer.first_token_ms is not None and answer.first_audio_ms is not None
    assert answer.first_token_ms < answer.first_audio_ms <= answer.response_ms


def test_an_answer_is_urgent_once_somebody_waits_for_it() -> None:
    """What is prepared in the pause gives way to other calls; the end of the turn changes that."""
    seen: list[int] = []

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 2.0
        await phone.say("How long does the battery last?", 300)
        seen.append(phone.model.hurried)
        await phone.until_quiet()
        seen.append(phone.model.hurried)

    phone = hold_call(script)
    assert phone.model.urgent == [False]
    assert seen == [0, 1]


def test_nothing_is_prefilled_into_an_answer() -> None:
    """A clip that ends, or a last partial word, cuts no answer: both use the call's sequence."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 0.5
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.model.generating == 1)
        delivery = phone.conversation._exchanges.delivery
        await delivery.remember()
        await delivery.foresee("What about the warranty?")
        await phone.until_quiet()

    phone = hold_call(script)
    assert phone.model.prefills and not phone.model.prefilled_into
    assert phone.turns(Speaker.AGENT)[-1].text == ANSWERS["battery"]


def test_the_answer_is_prepared_while_the_silence_lasts() -> None:
    """The first audio is in hand before the end of the turn is decided."""

    async def script(phone: Phone) -> None:
        phone.turn_model.probability = 0.2
        phone.model.first_token_s, phone.model.token_s = 0.05, 0.005
        await phone.say("How long does the battery last", 1_500)
        await phone.until_quiet()

    answer = hold_call(script).turns(Speaker.AGENT)[-1]
    assert answer.first_audio_ms is not None and answer.endpointing_ms is not None
    assert answer.first_audio_ms < answer.endpointing_ms
    assert answer.response_ms is not None and answer.response_ms - answer.endpointing_ms <= 40


@pytest.mark.parametrize("pause_ms", [200, 400, 600, 700])
def test_an_inner_pause_is_waited_out(pause_ms: int) -> None:
    """What was prepared in a pause is never heard and never remembered when the caller goes on."""

    async def script(phone: Phone) -> None:
        phone.turn_model.probability = 0.3
        await phone.say("I wanted to ask how long the", 1_400)
        began = len(phone.media.packets)
        await phone.wait(pause_ms)
        await phone.say("battery lasts.", 700)
        assert len(phone.media.packets) == began
        await phone.until_quiet()

    phone = hold_call(script)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == [
        "I wanted to ask how long the battery lasts."
    ]
    assert [each.text for each in phone.turns(Speaker.AGENT)][1:] == [ANSWERS["battery"]]
    assert [each.text for each in phone.conversation.history.said][1:] == [
        "I wanted to ask how long the battery lasts.",
        ANSWERS["battery"],
    ]


def test_a_barge_in_silences_the_agent() -> None:
    """The agent is silent within 250 ms of the caller's first packet and answers the new words."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
        await phone.say("No, what about the warranty?", 1_600)
        began_ns = phone.speech_began_ns
        assert phone.packets_since(began_ns + 250 * MS) == []
        await phone.until_quiet()

    phone = hold_call(script)
    cut, answer = phone.turns(Speaker.AGENT)[-2:]
    assert cut.interrupted
    assert ANSWERS["battery"].startswith(cut.text) and cut.text != ANSWERS["battery"]
    assert cut.barge_in_ms is not None and 60 <= cut.barge_in_ms <= 250
    assert answer.text == ANSWERS["warranty"]
    remembered = [each for each in phone.conversation.history.said if each.interrupted]
    assert [each.text for each in remembered] == [cut.text]


def test_a_backchannel_lets_the_agent_go_on() -> None:
    """An "mm-hm" holds the agent for a moment; it goes on from where it was, not from the start."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
        await phone.say("Mm-hmm.", 350)
        await phone.until_quiet()

    phone = hold_call(script)
    answer = phone.turns(Speaker.AGENT)[-1]
    assert answer.text == ANSWERS["battery"] and not answer.interrupted
    spoken = [clip for _, clip in phone.media.packets if clip == phone.media.packets[-1][1]]
    assert len(spoken) * 160 == pytest.approx(480 * (len(ANSWERS["battery"]) - 1), abs=160)
    assert len(phone.turns(Speaker.CALLER)) == 1


def test_a_cough_lets_the_agent_go_on() -> None:
    """A noise without words is no interruption and no turn."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
        await phone.say("", 250)
        await phone.until_quiet()

    phone = hold_call(script)
    assert not phone.turns(Speaker.AGENT)[-1].interrupted
    assert len(phone.turns(Speaker.CALLER)) == 1


def test_a_silent_caller_is_asked_twice_and_let_go() -> None:
    """Silence is asked about once and again; then the agent says goodbye and hangs up."""

    async def script(phone: Phone) -> None:
        await phone.until(lambda: bool(phone.hangups()), 60_000)

    phone = hold_call(script)
    said = phone.turns(Speaker.AGENT)
    assert [each.text for each in said[1:]] == [*PERSONA.no_input, PERSONA.goodbye]
    assert [each.source for each in said[1:]] == ["prompt", "prompt", "goodbye"]
    assert phone.hangups() == ["no_input"]


def test_a_goodbye_ends_the_call_after_it_was_played() -> None:
    """The hang-up is asked for only when the goodbye's last sample left, and a moment later."""

    async def script(phone: Phone) -> None:
        await phone.say("Okay, goodbye.", 900)
        await phone.until(lambda: bool(phone.hangups()))
        assert phone.packets_since(0)[-1] <= phone.turns(Speaker.AGENT)[-1].ended_ns

    phone = hold_call(script)
    assert phone.turns(Speaker.AGENT)[-1].text == PERSONA.goodbye
    assert phone.hangups() == ["agent_goodbye"]


def test_the_callers_own_goodbye_may_finish() -> None:
    """A caller who says goodbye too is not cut off by the hang-up."""

    async def script(phone: Phone) -> None:
        await phone.say("That's all.", 700)
        await phone.until_quiet()
        await phone.say("Goodbye then.", 1_500)
        assert phone.hangups() == []
        await phone.until(lambda: bool(phone.hangups()))

    phone = hold_call(script)
    assert phone.turns(Speaker.CALLER)[-1].text == "Goodbye then."


def test_a_reviewed_answer_needs_no_model() -> None:
    """Opening hours are spoken from the cache without asking the model."""

    async def script(phone: Phone) -> None:
        await phone.say("When are you open?", 1_000)
        await phone.until_quiet()

    phone = hold_call(script)
    answer = phone.turns(Speaker.AGENT)[-1]
    assert answer.text == "We are open from nine to five."
    assert answer.source == "fast_lane"
    assert answer.response_ms is not None and answer.response_ms <= 520
    assert phone.model.asked == []


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    """A question about nothing in the knowledge never reaches the model."""

    async def script(phone: Phone) -> None:
        await phone.say("Who won the football game yesterday?", 1_500)
        await phone.until_quiet()

    phone = hold_call(script)
    assert phone.turns(Speaker.AGENT)[-1].text == PERSONA.unknown
    assert phone.model.asked == []


def test_an_invented_fact_is_replaced() -> None:
    """An answer against the facts is not said; the fact is."""

    async def script(phone: Phone) -> None:
        await phone.say("Does my old doorbell join 5 gigahertz Wi-Fi?", 1_800)
        await phone.until_quiet()

    answer = hold_call(script).turns(Speaker.AGENT)[-1]
    assert answer.text == PERSONA.knowledge[1]
    assert answer.source == "fact"


def test_a_late_answer_gets_one_filler() -> None:
    """A model that is slow is bridged by a filler; dead air stays under four seconds."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 3.5
        await phone.say("How long does the battery last?", 1_500)
        ended_ns = phone.speech_ended_ns
        await phone.until_quiet()
        await phone.until_quiet()
        times = [ended_ns, *phone.packets_since(ended_ns)]
        gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
        assert max(gaps) < 4_000 * MS

    said = hold_call(script).turns(Speaker.AGENT)
    assert [each.source for each in said] == ["greeting", "filler", "model"]


def test_an_answer_whose_words_are_coming_is_not_put_behind_a_filler() -> None:
    """Its first words are there at 1.5 s, its audio after 1.7 s: nothing is said in between."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s, phone.voice.delay_s = 1.2, 0.35
        await phone.say("How long does the battery last?", 1_500)
        await phone.until_quiet()

    phone = hold_call(script)
    said = phone.turns(Speaker.AGENT)
    assert [each.source for each in said] == ["greeting", "model"]
    assert said[-1].response_ms is not None and 1_700 < said[-1].response_ms < 2_200


def test_an_answer_behind_a_filler_is_heard_whole() -> None:
    """An answer that comes while the filler plays follows it, and nothing follows the answer."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 1.4
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(7_000)

    said = hold_call(script).turns(Speaker.AGENT)
    assert [each.source for each in said] == ["greeting", "filler", "model"]
    assert said[-1].text == ANSWERS["battery"]


def test_the_response_time_belongs_to_what_is_heard_first() -> None:
    """A filler that is heard first carries the response time, the answer behind it does not."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 2.0
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(7_000)

    phone = hold_call(script)
    filler, answer = phone.turns(Speaker.AGENT)[1:]
    assert (filler.source, answer.source) == ("filler", "model")
    assert filler.response_ms is not None
    assert abs(filler.started_ns - phone.speech_ended_ns - filler.response_ms * MS) < 25 * MS
    assert answer.response_ms is None
    assert answer.detail["since_question_ms"] > filler.response_ms


def test_an_answer_that_stalls_is_ended_by_the_fact() -> None:
    """A model that hangs in mid-answer leaves no dead air of four seconds: the fact is said."""

    async def script(phone: Phone) -> None:
        await phone.conversation.persona.speech.learn(PERSONA.knowledge[0])
        phone.model.stall_after = 8
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(12_000)

    phone = hold_call(script)
    first, fact = phone.turns(Speaker.AGENT)[1:]
    assert first.source == "model" and fact.source == "fact"
    assert fact.text == PERSONA.knowledge[0]
    sent = phone.packets_since(first.started_ns)
    longest_ns = max(after - before for before, after in zip(sent, sent[1:], strict=False))
    assert 2_500 * MS < longest_ns < 4_000 * MS


def test_a_fact_that_was_found_is_said_when_the_model_gives_nothing() -> None:
    """A model that never answers costs the caller the wording, not the answer."""

    async def script(phone: Phone) -> None:
        await phone.conversation.persona.speech.learn(PERSONA.knowledge[0])
        phone.model.first_token_s = 60.0
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(12_000)

    fact = hold_call(script).turns(Speaker.AGENT)[-1]
    assert (fact.source, fact.text) == ("fact", PERSONA.knowledge[0])


def test_no_filler_while_the_caller_is_heard_out() -> None:
    """A caller who speaks again while the answer is late is not told to wait."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 3.0
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(1_500)
        began = len(phone.media.packets)
        await phone.say("Because mine is dead after a week and I paid a lot.", 3_000)
        assert len(phone.media.packets) == began
        await phone.until_quiet()

    hold_call(script)


def test_a_question_that_one_text_surely_answers_needs_no_model() -> None:
    """A question that one reviewed text surely answers is answered by it at once."""

    async def script(phone: Phone) -> None:
        await phone.say("Do you sell spare chargers in Vienna?", 1_500)
        await phone.until_quiet()

    phone = hold_call(script)
    answer = phone.turns(Speaker.AGENT)[-1]
    assert (answer.source, answer.text) == ("fast_lane", "No, they are sold in electronics shops.")
    assert phone.model.asked == []


def test_an_answer_that_never_comes_is_given_up() -> None:
    """A model that hangs is given up: the caller hears a sentence, not silence."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 60.0
        await phone.say("How long does the battery last?", 1_500)
        ended_ns = phone.speech_ended_ns
        await phone.until(lambda: len(phone.turns(Speaker.AGENT)) == 3)
        times = [ended_ns, *phone.packets_since(ended_ns)]
        assert max(b - a for a, b in zip(times, times[1:], strict=False)) < 4_000 * MS

    said = hold_call(script).turns(Speaker.AGENT)
    assert [each.source for each in said] == ["greeting", "filler", "fallback"]


def test_yes_alone_is_heard() -> None:
    """A one-word answer is a turn."""

    async def script(phone: Phone) -> None:
        await phone.say("Yes.", 300)
        await phone.until_quiet()

    assert [each.text for each in hold_call(script).turns(Speaker.CALLER)] == ["Yes."]


def test_keys_are_a_turn() -> None:
    """Digits end by the hash key and are answered like words."""

    async def script(phone: Phone) -> None:
        for digit in "123#":
            phone.conversation.press(digit)
        await phone.until_quiet()

    assert [each.text for each in hold_call(script).turns(Speaker.CALLER)] == ["1 2 3"]


def test_a_protected_greeting_is_not_interrupted() -> None:
    """With protection the greeting is heard to its end."""
    persona = replace(PERSONA, turn=TurnConfig(protect_greeting=True))

    async def script(phone: Phone) -> None:
        await phone.wait(300)
        await phone.say("Hello hello can you hear me", 600)
        await phone.until_quiet()

    greeting = hold_call(script, persona, after_greeting=False).turns(Speaker.AGENT)[0]
    assert greeting.text == PERSONA.greeting and not greeting.interrupted


def test_a_call_that_is_too_long_is_ended() -> None:
    """At the maximum length the agent says goodbye and hangs up."""
    persona = replace(PERSONA, limits=AgentLimits(max_call_s=10, no_input_ms=60_000))

    async def script(phone: Phone) -> None:
        await phone.until(lambda: bool(phone.hangups()), 30_000)

    assert hold_call(script, persona).hangups() == ["max_duration"]


def test_no_prompts_while_on_hold() -> None:
    """A caller who put us on hold is not asked whether they are there."""

    async def script(phone: Phone) -> None:
        phone.conversation.hold(True)
        await phone.wait(60_000)

    assert len(hold_call(script).turns(Speaker.AGENT)) == 1


def test_a_broken_engine_ends_one_call_and_says_so() -> None:
    """An exception in an engine is reported as a failed conversation."""

    async def script(phone: Phone) -> None:
        phone.recognizer.fault = RuntimeError("broken")
        await phone.say("How long does the battery last?", 1_500)
        await phone.wait(1_000)

    failures = [each for each in hold_call(script).edge if isinstance(each, ConversationFailed)]
    assert [each.reason for each in failures] == ["RuntimeError: broken"]


def test_the_last_words_are_kept_at_hang_up() -> None:
    """Words spoken as the call ends are still written down."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)

    assert [each.text for each in hold_call(script).turns(Speaker.CALLER)] == [
        "How long does the battery last?"
    ]


def test_an_okay_after_a_pause_is_an_answer_when_the_agent_is_silent() -> None:
    """Backchannel words are a turn like any other while nobody else speaks."""

    async def script(phone: Phone) -> None:
        phone.turn_model.probability = 0.2
        await phone.say("", 200)
        await phone.wait(400)
        await phone.say("Okay.", 400)
        await phone.until_quiet()

    phone = hold_call(script)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == ["Okay."]
    assert not phone.media.paused


def test_the_answer_to_an_interruption_is_prepared_in_the_pause_too() -> None:
    """After a barge-in the answer is ready as early as after any other turn."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
        await phone.say("No, what about the warranty?", 1_600)
        await phone.until_quiet()

    answer = hold_call(script).turns(Speaker.AGENT)[-1]
    assert answer.text == ANSWERS["warranty"]
    assert answer.response_ms is not None and answer.response_ms <= 740


def test_a_caller_who_goes_on_after_the_decision_is_heard_out() -> None:
    """A wrong end of turn is made good: the answer stops, both parts are one question, counted."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: len(phone.turns(Speaker.CALLER)) == 1)
        await phone.wait(120)
        await phone.say("and the warranty, how long is that?", 1_600)
        await phone.until_quiet()

    phone = hold_call(script)
    first, second = phone.turns(Speaker.CALLER)
    assert second.detail["cut_offs"] == 1.0 and first.detail["cut_offs"] == 0.0
    asked = [each.text for each in phone.model.asked[-1] if each.role == "user"]
    assert any("How long does the battery last?" in each for each in asked)


def test_lost_media_still_leaves_what_was_heard() -> None:
    """When media is gone in the middle of an answer, time says which words were heard."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
        phone.media.gone = True

    answer = hold_call(script).turns(Speaker.AGENT)[-1]
    assert answer.interrupted and answer.text
    assert ANSWERS["battery"].startswith(answer.text)


def test_hold_in_the_middle_of_an_answer_leaves_no_open_clip() -> None:
    """What was ready is played out, the rest is dropped, and the call goes on after hold."""

    async def script(phone: Phone) -> None:
        phone.model.token_s = 0.3
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns)
        phone.conversation.hold(True)
        await phone.wait(6_000)
        phone.conversation.hold(False)
        phone.model.token_s = 0.02
        await phone.say("What is the warranty?", 1_200)
        await phone.until_quiet()

    assert hold_call(script).turns(Speaker.AGENT)[-1].text == ANSWERS["warranty"]


def test_music_and_voices_on_hold_are_not_the_callers() -> None:
    """What a held line plays is neither written down nor answered; afterwards questions are."""

    async def script(phone: Phone) -> None:
        assert phone.conversation is not None
        phone.conversation.hold(True)
        await phone.say("How long is the warranty?", 1_500)
        await phone.wait(3_000)
        phone.conversation.hold(False)
        await phone.wait(1_000)
        await phone.say("How long does the battery last?", 1_500)
        await phone.until_quiet()

    phone = hold_call(script)
    assert [each.text for each in phone.turns(Speaker.CALLER)] == [
        "How long does the battery last?"
    ]
    assert [each.text for each in phone.turns(Speaker.AGENT)][1:] == [ANSWERS["battery"]]


def test_a_question_asked_into_the_hold_is_dropped_with_it() -> None:
    """Half a sentence before the hold is not joined to the first one after it."""

    async def script(phone: Phone) -> None:
        assert phone.conversation is not None
        await phone.say("I wanted to", 600)
        phone.conversation.hold(True)
        await phone.wait(2_000)
        phone.conversation.hold(False)
        await phone.say("How long does the battery last?", 1_500)
        await phone.until_quiet()

    (caller,) = hold_call(script).turns(Speaker.CALLER)
    assert caller.text.endswith("How long does the battery last?")
