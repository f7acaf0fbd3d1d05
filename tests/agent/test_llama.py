from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from agent.engines.base import ChatMessage
from agent.engines.llama import LlamaDialogue, LlamaLanguageModel, LlamaOptions
from agent.models.store import ModelStore
from media import LocalError, RemoteError
from media.config.model import AgentConfig, Config, RuleConfig
from media.paths import models_dir

pytestmark = pytest.mark.model

PREFIX = [
    ChatMessage(
        "system",
        "You answer the phone for Orion doorbells, in at most 20 words. Facts: The battery lasts "
        "six months. To reset, hold the button for ten seconds. The warranty is two years.",
    ),
    ChatMessage("user", "How long is the warranty?"),
    ChatMessage("assistant", "The warranty is two years."),
]
OPTIONS = LlamaOptions(dialogues=3, prefixes=2, dialogue_tokens=512, prefix_tokens=256)


@pytest_asyncio.fixture
async def model() -> AsyncIterator[LlamaLanguageModel]:
    """Return the packaged model."""
    config = Config(agents={"a": AgentConfig("", "")}, dialplan=(RuleConfig("a"),))
    choice = ModelStore(models_dir(config)).choose_language_model()
    made = await asyncio.to_thread(LlamaLanguageModel.load, choice.path, OPTIONS)
    yield made
    await asyncio.to_thread(made.close)


def said(words: str) -> list[ChatMessage]:
    """Return the dialogue in which the caller says this next."""
    return [*PREFIX, ChatMessage("user", words)]


async def ask(dialogue: LlamaDialogue, words: str, max_tokens: int = 40) -> str:
    """Return a whole answer."""
    pieces = [each async for each in dialogue.generate(said(words), max_tokens=max_tokens)]
    return "".join(pieces)


async def test_facts_are_answered_from_a_warm_prefix(model: LlamaLanguageModel) -> None:
    """Answers come from the prompt, and all of the prefix is reused by every call."""
    first = await model.open(PREFIX)
    assert "six months" in await ask(first, "How long does the battery last?")
    second = await model.open(PREFIX)
    assert "ten seconds" in await ask(second, "How do I reset it?")
    prefix = len(model.template.dialogue(PREFIX))
    assert second.stats.reused_tokens >= prefix
    assert second.stats.prefilled_tokens < 20


async def test_rollback_equals_a_fresh_call(model: LlamaLanguageModel) -> None:
    """Words that were prefilled, misheard and rolled back leave no trace in the answer."""
    fresh = await model.open(PREFIX)
    expected = await ask(fresh, "How do I reset the doorbell?")
    changed = await model.open(PREFIX)
    await changed.prefill(said("How do"))
    await changed.prefill(said("How do I recent the door"))
    await changed.prefill(said("How do I reset the doorbell"))
    assert await ask(changed, "How do I reset the doorbell?") == expected
    assert changed.stats.prefilled_tokens < fresh.stats.prefilled_tokens


async def test_three_calls_at_once(model: LlamaLanguageModel) -> None:
    """Three calls that speak at the same time get their own answers, a fourth none."""
    dialogues = [await model.open(PREFIX) for _ in range(3)]
    with pytest.raises(RemoteError) as refused:
        await model.open(PREFIX)
    assert refused.value.sip_status == 503
    answers = await asyncio.gather(
        ask(dialogues[0], "How long does the battery last?"),
        ask(dialogues[1], "How do I reset it?"),
        ask(dialogues[2], "How long is the warranty?"),
    )
    for answer, fact in zip(answers, ("six months", "ten seconds", "two years"), strict=True):
        assert fact in answer
    dialogues[0].close()
    again = await model.open(PREFIX)
    assert "two years" in await ask(again, "How long is the warranty?")


async def test_a_cancelled_answer_leaves_the_call_usable(model: LlamaLanguageModel) -> None:
    """Closing an answer stops it, and the same call answers the next question."""
    dialogue = await model.open(PREFIX)
    answer = dialogue.generate(said("Count slowly from one to one hundred."), max_tokens=200)
    await anext(answer)
    await answer.aclose()
    assert "six months" in await ask(dialogue, "How long does the battery last?")
    assert dialogue.stats.total_ms < 60_000


async def test_a_grammar_is_obeyed(model: LlamaLanguageModel) -> None:
    """An answer held to a grammar is a sentence of that grammar."""
    dialogue = await model.open(PREFIX)
    rule = 'root ::= "{\\"topic\\": \\"" ("battery" | "reset") "\\"}"'
    pieces = dialogue.generate(said("How do I reset it?"), max_tokens=30, grammar=rule)
    assert "".join([each async for each in pieces]) == '{"topic": "reset"}'
    with pytest.raises(LocalError):
        await anext(dialogue.generate(said("x"), max_tokens=3, grammar="root ::= ("))


async def test_a_long_call_keeps_its_rules(model: LlamaLanguageModel) -> None:
    """When history no longer fits, the prompt is shortened and answers still know the facts."""
    dialogue = await model.open(PREFIX)
    history = list(PREFIX)
    for index in range(40):
        history.append(ChatMessage("user", f"My doorbell number {index} looks rather nice, no?"))
        history.append(ChatMessage("assistant", "That is good to hear, thank you for telling me."))
    history.append(ChatMessage("user", "How long does the battery last?"))
    fitted = dialogue.fit(history)
    assert fitted[: len(PREFIX)] == PREFIX
    assert len(model.template.prompt(fitted)) <= OPTIONS.dialogue_tokens + 256
    text = "".join([each async for each in dialogue.generate(history, max_tokens=40)])
    assert "six months" in text


async def test_guessing_from_the_facts_changes_nothing_but_the_steps(
    model: LlamaLanguageModel,
) -> None:
    """The answer is the same token for token with right, wrong and no texts to guess from."""
    words = said("How do I reset it?")
    answers = []
    for likely in ([], ["To reset, hold the button for ten seconds."], ["The battery is empty."]):
        dialogue = await model.open(PREFIX)
        pieces = dialogue.generate(words, max_tokens=30, likely=likely)
        answers.append("".join([each async for each in pieces]))
        dialogue.close()
    assert answers[0] == answers[1] == answers[2]
    assert "ten seconds" in answers[0]


async def test_a_prefix_outlives_the_process(tmp_path: Path) -> None:
    """A second process reads the first one's prefix from disk and answers the same from it."""
    config = Config(agents={"a": AgentConfig("", "")}, dialplan=(RuleConfig("a"),))
    path = ModelStore(models_dir(config)).choose_language_model().path
    options = replace(OPTIONS, prefix_dir=tmp_path)
    answers = []
    for _ in range(2):
        made = await asyncio.to_thread(LlamaLanguageModel.load, path, options)
        dialogue = await made.open(PREFIX)
        answers.append(await ask(dialogue, "How do I reset it?"))
        dialogue.close()
        await asyncio.to_thread(made.close)
    assert answers[0] == answers[1]
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:1_000])
    made = await asyncio.to_thread(LlamaLanguageModel.load, path, options)
    dialogue = await made.open(PREFIX)
    assert await ask(dialogue, "How do I reset it?") == answers[0]
    await asyncio.to_thread(made.close)
