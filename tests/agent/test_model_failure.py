"""A language model that fails: the caller hears something sensible and the call goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.answering import FAILURES, Answer, Answering
from agent.engines.base import ChatMessage, Samples
from agent.persona import Persona
from agent.speech import Speech
from media import RemoteError
from media.config.model import AgentConfig, AgentLimits
from media.messages import ConversationFailed, Speaker, TransferRequested, Turn
from tests.agent.fakes import FakeModel, FakeVoice, Phone, now_ns, run_virtual
from tests.agent.test_conversation import ANSWERS, PERSONA

pytestmark = pytest.mark.unit

QUESTION = "How long does the battery last?"
FACT = PERSONA.knowledge[0]


@dataclass
class FailingModel(FakeModel):
    """Fail after some tokens, as a server that is gone does."""

    fails_after: int | None = 0
    """Tokens before the fault; None works."""

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        if self.fails_after is not None:
            raise RemoteError("the model's server is gone", 503)

    async def generate(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, **more: Any
    ) -> AsyncIterator[str]:
        count = 0
        async for piece in super().generate(messages, max_tokens=max_tokens, **more):
            if count == self.fails_after:
                raise RemoteError("the model's server is gone", 503)
            count += 1
            yield piece


def call(
    words: Sequence[str],
    fails_after: int | None = 0,
    persona: AgentConfig = PERSONA,
    queues: tuple[str, ...] = (),
) -> Phone:
    """Hold a call with a failing model and ask these questions one after the other."""

    async def hold() -> Phone:
        phone = Phone(persona, ANSWERS, queues=queues)
        phone.model = FailingModel(ANSWERS, fails_after=None)
        await phone.dial()
        await phone.until_quiet()
        phone.model.fails_after = fails_after
        for each in words:
            await phone.say(each, 1_500)
            await phone.until_quiet()
        await phone.hang_up()
        return phone

    return run_virtual(hold())


def answers(phone: Phone) -> list[Turn]:
    """Return what the agent said after the greeting."""
    return phone.turns(Speaker.AGENT)[1:]


def failures(phone: Phone) -> list[ConversationFailed]:
    """Return whether edge was told that the conversation failed."""
    return [each for each in phone.edge if isinstance(each, ConversationFailed)]


def test_the_fact_is_said_and_the_record_says_why() -> None:
    """A model that fails at once costs the wording; the call goes on to its next answer."""
    phone = call([QUESTION, "What about the warranty?", "When are you open?"])
    assert [(each.source, each.text) for each in answers(phone)] == [
        ("fact", FACT),
        ("fact", PERSONA.knowledge[2]),
        ("fast_lane", "We are open from nine to five."),
    ]
    assert [each.detail["failed"] for each in answers(phone)] == [1.0, 1.0, 0.0]
    assert not failures(phone)


def test_a_fault_in_mid_answer_is_followed_by_the_rest_of_the_fact() -> None:
    """What was begun is neither left hanging nor said again."""
    (turn,) = answers(call([QUESTION], fails_after=9))
    assert turn.text == "The battery lasts about six months, and charges in five hours."
    assert turn.detail["failed"] == 1.0


@pytest.mark.parametrize("second", [0, 9])
def test_a_fault_in_mid_answer_counts(second: int) -> None:
    """It is the first of two in a row, whether the second one comes at once or in mid-answer."""

    async def hold() -> Phone:
        persona = replace(PERSONA, limits=AgentLimits())
        phone = Phone(persona, ANSWERS, queues=("support",))
        phone.model = model = FailingModel(ANSWERS, fails_after=None)
        await phone.dial()
        await phone.until_quiet()
        for fails_after in (9, second):
            model.fails_after = fails_after
            await phone.say(QUESTION, 1_500)
            await phone.until_quiet()
        await phone.hang_up()
        return phone

    phone = run_virtual(hold())
    first, last = answers(phone)
    assert first.text.endswith("charges in five hours.")
    assert last.text.endswith(PERSONA.handover.stalled)
    assert last.text.startswith("The battery lasts") is bool(second)
    (wish,) = [each for each in phone.edge if isinstance(each, TransferRequested)]
    assert wish.queue == "support"


def test_a_question_with_pauses_fails_once() -> None:
    """Answers that were prepared in pauses and failed failed nobody: the caller was talking."""

    async def hold() -> Phone:
        persona = replace(PERSONA, limits=AgentLimits())
        phone = Phone(persona, ANSWERS, queues=("support",))
        phone.model = model = FailingModel(ANSWERS, fails_after=None)
        phone.turn_model.probability = 0.0
        await phone.dial()
        await phone.until_quiet()
        model.fails_after = 0
        for each in ("Tell me something about the battery and", "the battery and"):
            await phone.say(each, 1_200)
            await phone.wait(600)
        await phone.say("how long the battery lasts", 1_200)
        await phone.until_quiet()
        await phone.hang_up()
        return phone

    phone = run_virtual(hold())
    assert len(phone.model.asked) >= 2
    assert len(phone.turns(Speaker.CALLER)) == 1
    assert [each.text for each in answers(phone)] == [FACT]
    assert not [each for each in phone.edge if isinstance(each, TransferRequested)]


def test_a_fault_of_our_own_is_none_of_the_engines() -> None:
    """What goes wrong in whoever plays an answer is not hidden behind a stand-in."""

    async def hold() -> Answer:
        persona = Persona("support", PERSONA, Speech(FakeVoice()))
        answer = Answer("When are you open?", 0)
        answer.wanted.set()

        def broken(_: Answer) -> None:
            raise LookupError("no such clip")

        with pytest.raises(LookupError):
            await Answering(persona, FakeModel({}), now_ns).fill(answer, [], "", broken)
        return answer

    answer = run_virtual(hold())
    assert not answer.failed and len(answer.pieces) == 1


def test_the_log_has_where_an_engine_failed() -> None:
    """The reason in a word, and the trace."""
    with capture_logs() as logs:
        call([QUESTION])
    (line,) = [each for each in logs if each["event"] == "answer_failed"]
    assert line["reason"] == "RemoteError: the model's server is gone"
    assert isinstance(line["exc_info"], RemoteError)


def test_a_second_fault_in_a_row_asks_a_person() -> None:
    """Where the persona has people, a model that is ill is not tried on the caller again."""
    persona = replace(PERSONA, limits=AgentLimits())
    phone = call([QUESTION, "What about the warranty?"], persona=persona, queues=("support",))
    assert [each.text for each in answers(phone)] == [FACT, PERSONA.handover.stalled]
    (wish,) = [each for each in phone.edge if isinstance(each, TransferRequested)]
    assert wish.queue == "support"
    assert not failures(phone)


def test_an_answer_in_between_forgives() -> None:
    """Faults that are not in a row do not add up."""

    async def hold() -> Phone:
        persona = replace(PERSONA, limits=AgentLimits())
        phone = Phone(persona, ANSWERS, queues=("support",))
        phone.model = model = FailingModel(ANSWERS, fails_after=None)
        await phone.dial()
        await phone.until_quiet()
        for fails_after in (0, None, 0):
            model.fails_after = fails_after
            await phone.say(QUESTION, 1_500)
            await phone.until_quiet()
        await phone.hang_up()
        return phone

    phone = run_virtual(hold())
    assert [each.source for each in answers(phone)] == ["fact", "model", "fact"]


@dataclass
class LostVoice(FakeVoice):
    """Fail for every sentence but those that are known by heart."""

    lost: bool = False

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        if self.lost:
            raise RemoteError("the voice is gone", 503)
        async for part in super().synthesize(text):
            yield part


def test_without_any_stand_in_the_failure_is_passed_on() -> None:
    """Known sentences stand in for a lost voice; the third time in a row edge has the caller."""

    async def hold() -> Phone:
        phone = Phone(PERSONA, ANSWERS)
        phone.voice = voice = LostVoice()
        await phone.dial()
        await phone.until_quiet()
        voice.lost = True
        for _ in range(FAILURES):
            await phone.say("Where can I buy spare chargers in Vienna?", 1_500)
            await phone.wait(6_000)
        await phone.hang_up()
        return phone

    phone = run_virtual(hold())
    assert [each.text for each in answers(phone)] == [PERSONA.unknown] * (FAILURES - 1)
    assert [each.reason for each in failures(phone)] == ["RemoteError: the voice is gone"]
