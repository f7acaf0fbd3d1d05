"""Write down what a caller was saying when nobody waits for the end of it."""

from __future__ import annotations

from collections.abc import Callable

from agent.exchange import Exchange
from agent.listening import Listening
from agent.turn_taking import Phase, TurnEnded


async def last_words(
    listening: Listening, clock: Callable[[], int], wasted_ms: float
) -> Exchange | None:
    """Return the turn that the call's end cut off, None where nobody spoke."""
    turns = listening.turns
    if turns.phase is Phase.QUIET:
        return None
    text = await listening.recognize()
    if not text:
        return None
    now_ns = clock()
    return Exchange(turn_so_far(listening, text, now_ns), now_ns, wasted_ms=wasted_ms)


def turn_so_far(listening: Listening, text: str, now_ns: int) -> TurnEnded:
    """Return the caller's turn as it ends when it is not waited for any longer."""
    turns = listening.turns
    last = listening.audible.last_audible_ns(now_ns) or now_ns
    return TurnEnded(text, turns.onset_ns, last, now_ns, 0, turns.speech_ms, 0)
