from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from agent.engines.base import ChatMessage, Samples
from agent.streams import closing
from agent.waits import Waits, WatchedDialogue, WatchedRecognizer, WatchedTurnModel, WatchedVoice
from tests.agent.fakes import FakeModel, FakeRecognizer, FakeTurnModel

pytestmark = pytest.mark.unit

MS = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def test_finished_waits_are_averaged_and_forgotten_after_a_while() -> None:
    """The mean is of the waits that ended in the last five seconds."""
    clock = Clock()
    waits = Waits(clock)
    for length_ms in (100, 300):
        wait = waits.begin("recognizer")
        clock.now_ns += length_ms * MS
        waits.end(wait)
    assert waits.by_job() == {"recognizer": 200.0}
    clock.now_ns += 5_001 * MS
    assert waits.by_job() == {}


def test_a_wait_that_lasts_counts_with_its_age() -> None:
    """An engine that answers nobody is seen while it does not."""
    clock = Clock()
    waits = Waits(clock)
    short = waits.begin("voice")
    waits.end(short)
    waits.begin("voice")
    clock.now_ns += 4_000 * MS
    assert waits.by_job() == {"voice": 4_000.0}


def test_a_wait_given_up_is_no_measurement() -> None:
    """Work thrown away says nothing about the engine."""
    clock = Clock()
    waits = Waits(clock)
    wait = waits.begin("language_model")
    clock.now_ns += 900 * MS
    waits.forget(wait)
    waits.end(wait)
    assert waits.by_job() == {}


async def test_every_engine_is_watched() -> None:
    """Words, verdicts, tokens and audio come through unchanged and each leaves a measurement."""

    class Voice:
        name = "fake"

        async def synthesize(self, text: str) -> AsyncIterator[Samples]:
            yield np.full(len(text), 7, dtype=np.int16)

    clock = Clock()
    waits = Waits(clock)
    recognizer = FakeRecognizer(["hello there"], 0.0).open()
    words = WatchedRecognizer(recognizer, waits)
    words.start()
    words.receive(np.full(1_600, 900, dtype=np.int16))
    await words.finish()
    verdict = await WatchedTurnModel(FakeTurnModel(), waits).complete_probability(
        np.zeros(800, dtype=np.int16)
    )
    assert 0 <= verdict <= 1
    model = FakeModel({"why": "Because."}, first_token_s=0.0, token_s=0.0)
    dialogue = WatchedDialogue(await model.open([]), waits)
    said = [each async for each in dialogue.generate([ChatMessage("user", "why")], max_tokens=9)]
    assert "".join(said).strip() == "Because."
    audio = [each async for each in WatchedVoice(Voice(), waits).synthesize("abc")]
    assert [len(each) for each in audio] == [3]
    assert sorted(waits.by_job()) == ["language_model", "recognizer", "turn_model", "voice"]


async def test_an_answer_that_is_left_early_stops_the_model() -> None:
    """Closing the watched stream closes the engine's stream under it."""
    closed = asyncio.Event()

    class Endless:
        async def prefill(self, messages: object) -> None:
            raise AssertionError("nobody asked for it")

        async def generate(self, *_: object, **__: object) -> AsyncIterator[str]:
            try:
                while True:
                    yield "word "
            finally:
                closed.set()

        def hurry(self) -> None:
            raise AssertionError("nobody asked for it")

        def close(self) -> None:
            raise AssertionError("nobody asked for it")

    dialogue = WatchedDialogue(Endless(), Waits(Clock()))
    async with closing(dialogue.generate([], max_tokens=5)) as pieces:
        async for _ in pieces:
            break
    assert closed.is_set()


async def test_an_answer_that_nobody_waits_for_yet_is_no_load() -> None:
    """The wait begins when the answer is wanted, and an answer that came before had none."""
    hurried: list[int] = []

    class Dialogue:
        async def prefill(self, messages: object) -> None:
            raise AssertionError("nobody asked for it")

        async def generate(self, *_: object, **__: object) -> AsyncIterator[str]:
            await asyncio.sleep(0)
            yield "word "
            yield "word "

        def hurry(self) -> None:
            hurried.append(clock.now_ns)

        def close(self) -> None:
            raise AssertionError("nobody asked for it")

    clock = Clock()
    for wanted_after in (None, 0, 1):
        waits = Waits(clock)
        dialogue = WatchedDialogue(Dialogue(), waits)
        stream = dialogue.generate([], max_tokens=5, urgent=False)
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        clock.now_ns += 100 * MS
        if wanted_after == 0:
            dialogue.hurry()
            assert waits.by_job() == {"language_model": 0.0}
            clock.now_ns += 30 * MS
        await first
        if wanted_after == 1:
            dialogue.hurry()
        await stream.aclose()
        expected = {"language_model": 30.0} if wanted_after == 0 else {}
        assert waits.by_job() == expected
    assert len(hurried) == 2
