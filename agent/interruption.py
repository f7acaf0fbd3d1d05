"""Decide what the caller's voice does to the agent's (sans-IO).

The agent falls silent as soon as there is evidence of speech, but only *holds* its playback: what
turns out to be a cough, a door or an "mm-hm" lets it go on from the same place; anything else
makes it yield for good.

========  =====================================  =========================================
state     event                                  next state, actions
========  =====================================  =========================================
IDLE      SpeechBegan while the agent speaks     WATCHING
WATCHING  speech for barge_in_ms                 HOLDING, Hold
WATCHING  words: none, or none to be heeded      IDLE, Dismiss
WATCHING  words: others                          IDLE, Yield
HOLDING   words: none, or none to be heeded      IDLE, Resume, Dismiss
HOLDING   words: others                          IDLE, Yield
HOLDING   speech for yield_ms                    IDLE, Yield
HOLDING   silence for resume_ms, no words yet    WATCHING, Resume; words may still decide
any       the agent stopped speaking             IDLE
========  =====================================  =========================================

Not to be heeded are backchannels ("okay") and what :mod:`agent.heed` says of brief words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.endpointing import TurnTiming
from agent.words import made_of, split_words

MS = 1_000_000


class Standing(StrEnum):
    """Where an interruption stands."""

    IDLE = "idle"
    WATCHING = "watching"
    HOLDING = "holding"


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """The caller speaks since ``onset_ns``."""

    onset_ns: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller fell silent."""


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """What was recognised of it; ``final`` when it covers all up to the silence."""

    text: str
    final: bool
    heeded: bool = True
    """They may be meant to stop the agent."""


@dataclass(frozen=True, slots=True)
class AgentSilent:
    """Nothing is being played nor waiting to be."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event = SpeechHeard | SpeechStopped | WordsHeard | AgentSilent | Tick


class Action(StrEnum):
    """What is done to the playback."""

    HOLD = "hold"
    RESUME = "resume"
    """Go on from where it was held."""
    DISMISS = "dismiss"
    """It was no interruption; the caller's turn is void."""
    YIELD = "yield"
    """It is one; the caller has the floor."""


class Interruption:
    """The caller's voice against the agent's.

    Args:
        timing: how much speech holds the agent, and how long it stays held.
        backchannels: words that let it go on.
    """

    def __init__(self, timing: TurnTiming, backchannels: tuple[str, ...]) -> None:
        self.timing = timing
        self.backchannels = backchannels
        self.asked = False
        """The agent has all but asked a question: then the same words are its answer."""
        self.standing = Standing.IDLE
        self.onset_ns = 0
        self._speaking = False
        self._stopped_ns = 0

    @property
    def undecided(self) -> bool:
        """Whether the caller's words may still turn out to be no turn."""
        return self.standing is not Standing.IDLE

    def receive(self, event: Event, now_ns: int) -> list[Action]:
        """Take one event; only called with speech while the agent speaks and may be interrupted."""
        match event:
            case SpeechHeard(onset_ns=onset_ns):
                self._speaking = True
                if self.standing is Standing.IDLE:
                    self.standing = Standing.WATCHING
                    self.onset_ns = onset_ns
            case SpeechStopped():
                self._speaking = False
                self._stopped_ns = now_ns
            case WordsHeard() if self.standing is not Standing.IDLE:
                return self._weigh(event)
            case AgentSilent():
                return self._settle()
            case _:
                pass
        return self._judge(now_ns)

    def next_deadline_ns(self) -> int | None:
        """Return when a Tick changes something."""
        if self.standing is Standing.WATCHING and self._speaking:
            return self.onset_ns + self.timing.barge_in_ms * MS
        if self.standing is Standing.HOLDING and self._speaking:
            return self.onset_ns + self.timing.yield_ms * MS
        if self.standing is Standing.HOLDING:
            return self._stopped_ns + self.timing.resume_ms * MS
        return None

    def _weigh(self, heard: WordsHeard) -> list[Action]:
        words = split_words(heard.text)
        listens = not heard.heeded or made_of(words, self.backchannels)
        if not words or (listens and not self.asked):
            if not heard.final or self._speaking:
                return []
            held = self.standing is Standing.HOLDING
            return self._settle(*([Action.RESUME] if held else []), Action.DISMISS)
        # one partial word may still grow into "okay" or be noise; two are a sentence
        return self._settle(Action.YIELD) if heard.final or len(words) >= 2 else []

    def _judge(self, now_ns: int) -> list[Action]:
        deadline_ns = self.next_deadline_ns()
        if deadline_ns is None or now_ns < deadline_ns:
            return []
        if self.standing is Standing.WATCHING:
            self.standing = Standing.HOLDING
            return [Action.HOLD]
        if self._speaking:
            return self._settle(Action.YIELD)
        self.standing = Standing.WATCHING
        return [Action.RESUME]

    def _settle(self, *actions: Action) -> list[Action]:
        self.standing = Standing.IDLE
        return list(actions)
