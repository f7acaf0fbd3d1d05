"""Say what a caller's turn is worth: an answer, another try, a note, or nothing (sans-IO)."""

from __future__ import annotations

from enum import StrEnum

from agent.endpointing import Expectation, is_hum
from agent.fast_lane import is_goodbye
from agent.knowledge import content_stems
from agent.turn_taking import TurnEnded

NOT_HEARD_MS = 400
"""Shorter sounds without words are noises, and nobody says "sorry?" to a noise."""
NOT_HEARD_ASKED_MS = 200
"""The same where something was asked, a "yes" is as short, or where nobody knows what it was."""
MAX_DURATION = "max_duration"
"""Why a call ends that has lasted as long as it may; nothing the caller says changes that."""


class Worth(StrEnum):
    """What is done about a turn."""

    NOTHING = "nothing"
    ASK_AGAIN = "ask_again"
    """It was speech, and no word of it was understood."""
    NOTE = "note"
    """It is written down and asks for nothing."""
    ANSWER = "answer"


def weigh_turn(
    ended: TurnEnded,
    expectation: Expectation,
    *,
    leaving: str,
    over_agent: bool,
    listening: bool,
    doubtful: bool = False,
) -> Worth:
    """Return what a turn is worth.

    Args:
        ended: the turn.
        expectation: what the agent had asked for.
        leaving: why the call is about to end, empty where it is not.
        over_agent: the agent speaks and must not be interrupted.
        listening: the words only show that somebody listens.
        doubtful: the words may be none; a goodbye that was hardly heard ends no call.
    """
    if not ended.text:
        noise = expectation is Expectation.OPEN and not ended.unrecognized
        least_ms = NOT_HEARD_MS if noise else NOT_HEARD_ASKED_MS
        loud = ended.speech_ms >= least_ms and not over_agent and not leaving
        return Worth.ASK_AGAIN if loud else Worth.NOTHING
    if doubtful and is_goodbye(ended.text) and not (leaving or over_agent):
        return Worth.ASK_AGAIN
    if (over_agent and listening) or is_hum(ended.text, expectation) or _goes(ended.text, leaving):
        return Worth.NOTE
    return Worth.ANSWER


def _goes(text: str, leaving: str) -> bool:
    """Say whether the call still ends when the caller says this after our goodbye."""
    if leaving == MAX_DURATION:
        return True
    return bool(leaving) and (is_goodbye(text) or len(content_stems(text)) < 2)
