"""Open the engines' sessions of one call, all of them or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.engines.base import RecognizerSession
from agent.ladder_watch import LadderWatch
from agent.listening import Listening
from agent.loading import Engines
from agent.persona import Persona
from agent.sessions import Sessions
from agent.waits import WatchedDialogue, WatchedRecognizer, WatchedTurnModel


async def open_sessions(
    persona: Persona,
    engines: Engines,
    watch: LadderWatch,
    attach: Callable[[], Awaitable[object]],
    clock: Callable[[], int],
) -> Sessions:
    """Open what a persona listens and thinks with, and have the caller's audio.

    Args:
        persona: who answers.
        engines: loaded.
        watch: told how long is waited for them; says what the load allows.
        attach: asks media for the caller's audio; what it raises closes the sessions.
        clock: monotonic nanoseconds.
    """
    waits, turn_model = watch.waits, engines.turn_model
    dialogue = await engines.language_model.open(persona.prefix)
    recognizer: RecognizerSession | None = None
    try:
        recognizer = engines.recognizer_of(persona.config).open(
            persona.likely, watch.allow_second_hearing
        )
        listening = Listening(
            engines.voice_activity.open(),
            WatchedRecognizer(recognizer, waits),
            None if turn_model is None else WatchedTurnModel(turn_model, waits),
            persona.timing,
            persona.config.limits.max_turn_s * 1_000,
            clock,
        )
        await attach()
    except BaseException:
        dialogue.close()
        if recognizer is not None:
            recognizer.close()
        raise
    return Sessions(listening, WatchedDialogue(dialogue, waits), watch.allowance)
