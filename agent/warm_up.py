"""Do once what would be slow the first time, and say ahead of calls what will be said in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from agent.engines.base import ChatMessage
from agent.loading import Engines
from agent.persona import Persona
from agent.streams import closing
from media import CordboardError

WARM_UP_TEXT = "Hello."
_LOOK_S = 0.5
"""How often is looked whether the engines are free."""

log = structlog.get_logger()


async def warm_up(personas: Sequence[Persona], engines: Engines, idle: Callable[[], bool]) -> None:
    """Do all of it, now that calls can be taken.

    Args:
        personas: who may be called.
        engines: loaded.
        idle: whether nobody is on the line.
    """
    try:
        for persona in personas:
            await rehearse(persona, engines)
        for persona in personas:
            await learn_reviewed(persona, idle)
        log.info("warm_up_finished")
    except CordboardError as error:  # what fails here is tried again by the first call
        log.warning("warm_up_failed", reason=str(error))


async def rehearse(persona: Persona, engines: Engines) -> None:
    """Run every engine once: the first time is slow, and no caller should have it."""
    audio = await persona.speech.learn(persona.config.greeting)
    session = engines.recognizer_of(persona.config).open()
    try:
        session.start()
        session.receive(audio[:16_000])
        await session.finish()
    finally:
        session.close()
    if engines.turn_model is not None:
        await engines.turn_model.complete_probability(audio[:16_000])
    dialogue = await engines.language_model.open(persona.prefix)
    messages = [*persona.prefix, ChatMessage("user", WARM_UP_TEXT)]
    try:
        async with closing(dialogue.generate(messages, max_tokens=2)) as pieces:
            async for _ in pieces:
                pass
    finally:
        dialogue.close()
    async for _ in persona.speech.say(WARM_UP_TEXT):
        pass


async def learn_reviewed(persona: Persona, idle: Callable[[], bool]) -> None:
    """Say every reviewed answer once, so that it is spoken from the cache from then on.

    Args:
        persona: whose.
        idle: nobody is on the line; synthesis would take a core from a call.
    """
    missing = [each for each in persona.reviewed() if not await persona.speech.recall(each)]
    while missing:
        if idle():
            await persona.speech.learn(missing.pop())
        else:
            await asyncio.sleep(_LOOK_S)
