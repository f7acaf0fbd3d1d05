from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.answering import Answer, Answering
from agent.handover import Handover, choose_queue
from agent.persona import Persona
from agent.speech import Speech
from media.config.handover import HandoverConfig
from media.config.load import load_config
from media.config.model import AgentConfig, AgentLimits, FastLaneConfig
from media.messages import (
    ClearPlayback,
    PlaybackCleared,
    Speaker,
    TransferRequested,
)
from tests.agent.fakes import MS, FakeModel, FakeVoice, Phone, now_ns, run_virtual

pytestmark = pytest.mark.unit

DEPLOYED = Path(__file__).parents[2] / "deploy" / "cordboard.yaml"

PERSONA = AgentConfig(
    greeting="Hello, how can I help?",
    instructions="Answer about doorbells.",
    knowledge=(
        "The battery lasts about six months and charges in five hours.",
        "The warranty lasts two years from the day of purchase.",
    ),
    unknown="I am not sure about that.",
    fast_lane=(
        FastLaneConfig(("agent please", "talk to a person"), "Nobody can be reached."),
        FastLaneConfig(("buy something",), "I put you through to sales.", "transfer:sales"),
    ),
    human_keys={"0": "sales"},
    limits=AgentLimits(stall_s=None),
)
TEXTS = PERSONA.handover
ANSWERS = {
    "battery": "The battery lasts about six months, and it charges in five hours.",
    "months": "The battery lasts about six months, and it charges in five hours.",
    "warranty": "The warranty lasts two years from the day of purchase.",
}
QUEUES = ("support", "sales")


def hold_call(
    script: Callable[[Phone], Awaitable[None]],
    persona: AgentConfig = PERSONA,
    queues: tuple[str, ...] = QUEUES,
) -> Phone:
    """Run one call in virtual time, from after the greeting."""

    async def call() -> Phone:
        phone = Phone(persona, ANSWERS, queues=queues)
        await phone.dial()
        await phone.until_quiet()
        await script(phone)
        await phone.hang_up()
        return phone

    return run_virtual(call())


def wishes(phone: Phone) -> list[TransferRequested]:
    """Return what edge was asked for."""
    return [each for each in phone.edge if isinstance(each, TransferRequested)]


def said(phone: Phone) -> list[str]:
    """Return what the agent said after the greeting."""
    return [each.text for each in phone.turns(Speaker.AGENT)[1:]]


async def ask_for_person(phone: Phone) -> None:
    """Ask, and be handed to edge."""
    await phone.say("Can I talk to a person?", 1_000)
    await phone.until(lambda: bool(wishes(phone)))
    phone.conversation.suspend()


def test_a_caller_who_asks_is_handed_over_at_the_last_word() -> None:
    """The agent says what it does, and edge is asked in the moment that the last sample left."""
    asked_ns: list[int] = []

    async def script(phone: Phone) -> None:
        await phone.say("Can I talk to a person, please?", 1_200)
        await phone.until(lambda: bool(wishes(phone)))
        asked_ns.append(now_ns())

    phone = hold_call(script)
    assert said(phone) == [TEXTS.connecting]
    (wish,) = wishes(phone)
    assert (wish.queue, wish.reason) == ("support", "asked for a person")
    turn = phone.turns(Speaker.AGENT)[-1]
    assert turn.source == "handover" and not turn.interrupted
    assert 0 <= asked_ns[0] - turn.ended_ns <= 20 * MS
    assert turn.response_ms is not None and turn.response_ms < 700
    assert phone.edge.index(turn) < phone.edge.index(wish)


def test_without_a_queue_the_reviewed_sentence_is_said() -> None:
    """Where nobody can be reached nobody is promised."""

    async def script(phone: Phone) -> None:
        await phone.say("Agent please.", 800)
        await phone.until_quiet()

    phone = hold_call(script, queues=())
    assert said(phone) == ["Nobody can be reached."]
    assert wishes(phone) == []


def test_a_reviewed_sentence_may_lead_to_a_queue() -> None:
    """``then: transfer:QUEUE`` hands over when its sentence was said."""

    async def script(phone: Phone) -> None:
        await phone.say("I want to buy something.", 1_000)
        await phone.until(lambda: bool(wishes(phone)))

    phone = hold_call(script)
    assert said(phone) == ["I put you through to sales."]
    assert [(each.queue, each.reason) for each in wishes(phone)] == [("sales", "buy something")]


async def press_zero_in_answer(phone: Phone) -> None:
    """Ask, and press the key for a person while the answer is heard."""
    await phone.say("How long does the battery last?", 1_500)
    await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
    phone.conversation.press("0")
    await phone.until(lambda: bool(wishes(phone)))


def test_a_key_leads_to_its_queue() -> None:
    """A key that stands alone hands over; what was being said is not said on."""
    phone = hold_call(press_zero_in_answer)
    cut, connecting = phone.turns(Speaker.AGENT)[-2:]
    assert cut.interrupted and connecting.text == TEXTS.connecting
    assert [(each.queue, each.reason) for each in wishes(phone)] == [("sales", "key 0")]


def test_a_key_within_an_entry_is_a_digit() -> None:
    """A 0 in a number that is being typed hands nobody over."""

    async def script(phone: Phone) -> None:
        for key in "407#":
            phone.conversation.press(key)
            await phone.wait(200)
        await phone.until_quiet()

    phone = hold_call(script)
    assert wishes(phone) == []
    assert phone.turns(Speaker.CALLER)[-1].text == "4 0 7"


async def _ask_twice_in_vain(phone: Phone) -> None:
    for question in ("Who won the football game?", "What is the weather in Paris?"):
        await phone.say(question, 1_300)
        await phone.until_quiet()


@pytest.mark.parametrize(
    ("answer", "reply", "handed_over"),
    [
        ("Yes, please.", TEXTS.connecting, True),
        ("No, thanks.", TEXTS.declined, False),
        ("How long is the warranty?", ANSWERS["warranty"], False),
    ],
)
def test_a_colleague_is_offered_after_two_questions_without_answer(
    answer: str, reply: str, handed_over: bool
) -> None:
    """The second "I do not know" offers a colleague; yes, no and other questions are understood."""

    async def script(phone: Phone) -> None:
        await _ask_twice_in_vain(phone)
        await phone.say(answer, 900)
        await phone.until_quiet()

    phone = hold_call(script)
    assert said(phone) == [PERSONA.unknown, TEXTS.offer, reply]
    assert bool(wishes(phone)) is handed_over
    if handed_over:
        assert wishes(phone)[0].reason == "two questions without an answer"


def test_a_yes_to_nothing_hands_nobody_over() -> None:
    """A yes long after the offer lapsed is no wish."""

    async def script(phone: Phone) -> None:
        await _ask_twice_in_vain(phone)
        await phone.say("How long is the warranty?", 1_000)
        await phone.until_quiet()
        await phone.say("Yes, please.", 800)
        await phone.until_quiet()

    assert wishes(hold_call(script)) == []


def test_a_known_answer_between_begins_the_count_anew() -> None:
    """Only questions in a row count."""

    async def script(phone: Phone) -> None:
        await phone.say("Who won the football game?", 1_300)
        await phone.until_quiet()
        await phone.say("How long is the warranty?", 1_000)
        await phone.until_quiet()
        await phone.say("What is the weather in Paris?", 1_300)
        await phone.until_quiet()

    assert said(hold_call(script))[-1] == PERSONA.unknown


def test_a_model_that_does_not_answer_is_replaced_by_a_person() -> None:
    """After ``stall_s`` without an answer the caller is put through."""

    async def script(phone: Phone) -> None:
        phone.model.first_token_s = 60.0
        await phone.say("How many months does one last?", 1_500)
        await phone.until(lambda: bool(wishes(phone)))

    persona = replace(PERSONA, limits=AgentLimits(stall_s=2.5))
    phone = hold_call(script, persona)
    assert said(phone)[-1] == TEXTS.stalled
    assert wishes(phone)[0].reason == "no answer from the language model"
    turn = phone.turns(Speaker.AGENT)[-1]
    assert 2_500 <= (turn.started_ns - phone.speech_ended_ns) / MS <= 4_000
    assert phone.model.cancelled == 1


def test_a_caller_who_is_away_is_not_listened_to() -> None:
    """While somebody else has the caller nothing is heard, prompted, said or written down."""

    async def script(phone: Phone) -> None:
        await ask_for_person(phone)
        before = len(phone.edge), len(phone.media.packets)
        await phone.say("How long does the battery last?", 1_500)
        phone.conversation.press("5")
        await phone.wait(60_000)
        assert (len(phone.edge), len(phone.media.packets)) == before
        assert phone.model.asked == []

    phone = hold_call(script)
    assert phone.hangups() == []


@pytest.mark.parametrize("reason", ["nobody_here", "no_answer", "human_finished", "meteor"])
def test_a_caller_who_is_back_is_spoken_to_at_once(reason: str) -> None:
    """The first words fit the reason, come within one packet, and the conversation goes on."""

    async def script(phone: Phone) -> None:
        await phone.say("How long is the warranty?", 1_000)
        await phone.until_quiet()
        await ask_for_person(phone)
        await phone.wait(45_000)
        back_ns = now_ns()
        await phone.conversation.resume(reason)
        await phone.until_quiet()
        assert phone.packets_since(back_ns)[0] - back_ns <= 1_000 * MS
        await phone.say("How many months does one last?", 1_000)
        await phone.until_quiet()

    phone = hold_call(script)
    expected = getattr(TEXTS.returned, reason, TEXTS.returned.failed)
    assert said(phone)[-2:] == [expected, ANSWERS["battery"]]
    assert phone.turns(Speaker.AGENT)[-2].source == "return"
    asked = [each.text for each in phone.model.asked[-1]]
    assert "How long is the warranty?" in asked and any(expected in each for each in asked)
    numbers = [each.number for each in phone.edge if hasattr(each, "number")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_what_edge_takes_away_is_written_down_as_far_as_it_was_heard() -> None:
    """A suspension in the middle of an answer throws the rest away and keeps the words heard."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 1_200 * MS)
        phone.conversation.suspend()
        cleared = await phone.media.request(ClearPlayback(1))
        assert isinstance(cleared, PlaybackCleared)
        phone.conversation.receive(cleared)
        await phone.wait(5_000)

    phone = hold_call(script)
    turn = phone.turns(Speaker.AGENT)[-1]
    assert turn.interrupted and turn.text
    assert ANSWERS["battery"].startswith(turn.text) and turn.text != ANSWERS["battery"]


def test_clips_nobody_accounts_for_are_over_when_the_caller_is_back() -> None:
    """Without a word from media about its clips the agent does not wait for them for ever."""

    async def script(phone: Phone) -> None:
        await phone.say("How long does the battery last?", 1_500)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns + 900 * MS)
        phone.conversation.suspend()
        await phone.media.request(ClearPlayback(1))
        await phone.wait(2_000)
        await phone.conversation.resume("human_finished")
        await phone.until_quiet()
        await phone.say("How long is the warranty?", 1_000)
        await phone.until_quiet()

    assert said(hold_call(script))[-2:] == [TEXTS.returned.human_finished, ANSWERS["warranty"]]


def test_an_edge_that_does_not_answer_gives_the_caller_back() -> None:
    """A request that edge ignores ends in words, not in silence."""

    async def script(phone: Phone) -> None:
        await phone.say("Can I talk to a person?", 1_000)
        await phone.until(lambda: bool(wishes(phone)))
        await phone.until_quiet()

    phone = hold_call(script)
    assert said(phone)[-1] == TEXTS.returned.failed
    turns = phone.turns(Speaker.AGENT)
    assert turns[-1].started_ns - turns[-2].ended_ns < 3_500 * MS


def test_the_announcement_is_heard_to_its_end() -> None:
    """A caller who talks over "I am connecting you" is connected all the same."""

    async def script(phone: Phone) -> None:
        await phone.say("Can I talk to a person?", 1_000)
        await phone.until(lambda: phone.media.packets[-1][0] > phone.speech_ended_ns)
        await phone.say("Thank you very much.", 900)
        phone.conversation.press("7")
        await phone.until(lambda: bool(wishes(phone)))

    phone = hold_call(script)
    assert said(phone) == [TEXTS.connecting]


def test_the_call_may_end_while_somebody_else_has_the_caller() -> None:
    """Closing then neither waits nor says anything."""

    async def script(phone: Phone) -> None:
        await ask_for_person(phone)
        began_ns = now_ns()
        await phone.conversation.close()
        assert now_ns() - began_ns < 100 * MS
        await phone.conversation.resume("no_answer")

    assert said(hold_call(script)) == [TEXTS.connecting]


def test_a_conversation_begun_on_the_way_back_does_not_greet() -> None:
    """A caller who comes from a queue first hears what became of it."""

    async def call() -> Phone:
        phone = Phone(PERSONA, ANSWERS, queues=QUEUES)
        await phone.dial(answer=False)
        await phone.conversation.resume("no_answer")
        await phone.until_quiet()
        phone.conversation.answered()
        await phone.wait(1_000)
        await phone.hang_up()
        return phone

    phone = run_virtual(call())
    assert [each.text for each in phone.turns(Speaker.AGENT)] == [TEXTS.returned.no_answer]


def test_the_time_with_people_is_not_the_agents() -> None:
    """A long talk with a person does not use up the longest call with the agent."""

    async def script(phone: Phone) -> None:
        await ask_for_person(phone)
        await phone.wait(120_000)
        await phone.conversation.resume("human_finished")
        await phone.until_quiet()
        await phone.wait(3_000)

    limits = AgentLimits(max_call_s=60, stall_s=None)
    phone = hold_call(script, replace(PERSONA, limits=limits))
    assert said(phone)[-1] == TEXTS.returned.human_finished


@pytest.mark.parametrize(
    ("config", "queues", "chosen"),
    [
        (PERSONA, QUEUES, "support"),
        (PERSONA, ("sales",), None),
        (PERSONA, (), None),
        (replace(PERSONA, transfers={"sales": "buying"}), QUEUES, "sales"),
        (replace(PERSONA, handover=HandoverConfig(queue="night")), ("night", "support"), "night"),
    ],
)
def test_the_queue_for_a_persona(
    config: AgentConfig, queues: tuple[str, ...], chosen: str | None
) -> None:
    """The queue named, else the first under transfers, else the one named like the persona."""
    assert choose_queue("support", config, queues) == chosen


def test_a_second_stall_asks_a_person_although_a_fact_is_known() -> None:
    """One reviewed fact may stand in for the model, two in a row mean that it is ill."""
    core = Handover("support", replace(PERSONA, limits=AgentLimits()))
    assert not core.gave_up(fact_known=True)
    assert core.gave_up(fact_known=True)
    healthy = Handover("support", replace(PERSONA, limits=AgentLimits()))
    assert not healthy.gave_up(fact_known=True)
    healthy.note_said("model", "listen")
    assert not healthy.gave_up(fact_known=True)
    assert Handover("support", replace(PERSONA, limits=AgentLimits())).gave_up(fact_known=False)
    assert not Handover(None, PERSONA).gave_up(fact_known=False)


TOOL_PERSONA = replace(
    PERSONA, transfers={"sales": "an offer for many devices, a business, an apartment building"}
)


@pytest.mark.parametrize(
    ("written", "handed_over"),
    [
        ('<transfer queue="sales" reason="apartment building"/>', True),
        ('<transfer queue="director" reason="apartment building"/>', False),
        ("none", False),
    ],
)
def test_the_model_may_put_a_caller_through_to_its_queues(written: str, handed_over: bool) -> None:
    """The marker is obeyed for a queue that the persona allows, refused for others, not spoken."""

    async def script(phone: Phone) -> None:
        phone.model.answers["apartment"] = written
        await phone.say("We want an offer for our apartment building.", 1_800)
        await phone.until_quiet()

    phone = hold_call(script, TOOL_PERSONA)
    found = [(each.queue, each.reason) for each in wishes(phone)]
    assert found == ([("sales", "apartment building")] if handed_over else [])
    assert said(phone) == [TEXTS.connecting if handed_over else PERSONA.unknown]


def test_a_marker_that_nobody_asked_for_is_not_spoken() -> None:
    """A model that writes a marker into an ordinary answer puts nobody through."""

    async def script(phone: Phone) -> None:
        phone.model.answers["months"] = (
            'The battery lasts about six months. <transfer queue="sales" reason="battery"/>'
        )
        await phone.say("How many months does one last?", 1_500)
        await phone.until_quiet()

    phone = hold_call(script, TOOL_PERSONA)
    assert wishes(phone) == []
    assert said(phone) == ["The battery lasts about six months."]
    assert "<" not in " ".join(phone.voice.spoken)


@pytest.mark.parametrize(
    ("queues", "source", "then"),
    [((), "fast_lane", "listen"), (("support",), "handover", "transfer:support")],
)
def test_the_shipped_persona_promises_nobody_who_is_not_there(
    queues: tuple[str, ...], source: str, then: str
) -> None:
    """With a queue ``support`` "agent please" leads there, else the honest sentence is said."""

    async def ask() -> Answer:
        config = load_config(DEPLOYED).agents["support"]
        persona = Persona("support", config, Speech(FakeVoice()), queues)
        answer = Answer("Agent please.", 0)
        answering = Answering(
            persona, FakeModel({}), now_ns, handover=Handover(persona.human_queue, config)
        )
        await answering.fill(answer, [], "", lambda _: None)
        return answer

    answer = run_virtual(ask())
    assert (answer.source, answer.then) == (source, then)


def test_hold_music_is_never_cleared_by_the_conversation() -> None:
    """Edge may start its music in the moment in which the agent clears its own words."""
    phone = hold_call(press_zero_in_answer)
    assert phone.media.clears and all(each.keep_loop for each in phone.media.clears)
