"""Decide when a caller is handed over to a person, and who has the caller meanwhile (sans-IO).

=========  ===============================  =================================================
stage      the conversation                 becomes
=========  ===============================  =================================================
talking    listens and speaks               asked: the last word of "I am connecting you" left;
                                            away: edge suspends
asked      is silent                        away: edge suspends; talking: edge did not, or
                                            gives the caller back
away       is silent                        talking: edge gives the caller back
=========  ===============================  =================================================

Beside the stages it is remembered whether a colleague was offered, how many questions in a row
had no answer, and since when the caller waits for one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum

from agent.human_wish import agrees, declines, wants_human
from media.config.agent_checks import TRANSFER
from media.config.handover import HandoverConfig, ReturnTexts
from media.config.model import AgentConfig

MS = 1_000_000
OFFER = "offer"
"""What follows a sentence that asks whether a colleague is wanted."""
UNKNOWN = "unknown"
"""Source of an answer that says that there is none."""
SUSPEND_LIMIT_MS = 3_000
"""Edge starts the music within milliseconds; after this it is taken to have refused."""
STALLS = 2
"""So many answers in a row that the model did not give, and a person is asked."""
FAILED = "failed"
ASKED_FOR = "asked for a person"
ACCEPTED = "two questions without an answer"
STALLED = "no answer from the language model"


class Stage(StrEnum):
    """See the table above."""

    TALKING = "talking"
    ASKED = "asked"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Plan:
    """A sentence to say instead of an answer, and what follows it."""

    text: str
    source: str
    then: str = "listen"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AskEdge:
    """Ask edge for a person."""

    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class FallSilent:
    """Stop listening, prompting and speaking."""


@dataclass(frozen=True, slots=True)
class SpeakAgain:
    """Go on with the caller, with a sentence about the reason."""

    reason: str


Action = AskEdge | FallSilent | SpeakAgain


def choose_queue(name: str, config: AgentConfig, queues: Collection[str]) -> str | None:
    """Return the queue of a persona's callers who ask for a person, None where there is none.

    Args:
        name: the persona's.
        config: the persona.
        queues: all that are configured.
    """
    wanted = config.handover.queue or next(iter(config.transfers), name)
    return wanted if wanted in queues else None


def return_text(texts: ReturnTexts, reason: str) -> str:
    """Return the first sentence to a caller who is back."""
    return str(asdict(texts).get(reason, texts.failed))


def handover_sentences(texts: HandoverConfig) -> list[str]:
    """Return every sentence that has to do with people, to be learnt before calls."""
    first = [texts.connecting, texts.stalled, texts.offer, texts.declined]
    return [*first, *asdict(texts.returned).values()]


def transfer_queue(then: str) -> str | None:
    """Return the queue that a sentence leads to, None where it leads to none."""
    return then.removeprefix(TRANSFER) if then.startswith(TRANSFER) else None


class Handover:
    """One call's way to people.

    Args:
        queue: for callers who ask for a person; None hands nobody over unasked.
        config: the persona.
    """

    def __init__(self, queue: str | None, config: AgentConfig) -> None:
        self.queue = queue
        self.stage = Stage.TALKING
        self.offered = False
        """A colleague was offered and the caller has not answered yet."""
        self._texts = config.handover
        self._unknown = config.unknown
        self._stall_s = config.limits.stall_s if queue is not None else None
        self._unknowns = 0
        self._stalls = 0
        self._waiting_since_ns: int | None = None
        self._asked_ns = 0

    # ------------------------------------------------------------ what is said

    def plan(self, words: str) -> Plan | None:
        """Return what is said to a wish for a person, None where the words are none."""
        if self.queue is None:
            return None
        if self.offered and agrees(words):
            return self.connect(ACCEPTED)
        if wants_human(words):
            return self.connect(ASKED_FOR)
        if self.offered and declines(words):
            return Plan(self._texts.declined, "handover")
        return None

    def plan_unknown(self) -> Plan:
        """Return what is said where nothing is known: after too many of them, an offer."""
        after = self._texts.offer_after
        if self.queue is None or not after or self._unknowns + 1 < after:
            return Plan(self._unknown, UNKNOWN)
        return Plan(self._texts.offer, UNKNOWN, OFFER)

    def connect(self, reason: str, queue: str | None = None) -> Plan:
        """Return the sentence before the music."""
        text = self._texts.stalled if reason == STALLED else self._texts.connecting
        return Plan(text, "handover", f"{TRANSFER}{queue or self.queue}", reason)

    def note_said(self, source: str, then: str, *, failed: bool = False) -> None:
        """Note what the caller heard last.

        Args:
            source: who worded it.
            then: where it leads.
            failed: the model failed half-way.
        """
        if source in ("filler", "prompt"):
            return
        self._unknowns = self._unknowns + 1 if source == UNKNOWN else 0
        self.offered = then == OFFER
        if source == "model" and not failed:
            self._stalls = 0

    # ------------------------------------------------------------ a model that does not answer

    def wait(self, waiting: bool, now_ns: int) -> None:
        """Note whether the caller waits for an answer of which nothing was heard."""
        if not waiting:
            self._waiting_since_ns = None
        elif self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns

    def stalled(self, now_ns: int) -> bool:
        """Say whether the caller has waited too long."""
        deadline_ns = self._stall_deadline_ns()
        return deadline_ns is not None and now_ns >= deadline_ns

    def gave_up(self, *, fact_known: bool) -> bool:
        """Note an answer that was given up; say whether a person is to be asked.

        Args:
            fact_known: a reviewed fact can be said instead.
        """
        self._stalls += 1
        return self._stall_s is not None and (not fact_known or self._stalls >= STALLS)

    def next_deadline_ns(self) -> int | None:
        """Return when a tick changes something."""
        if self.stage is Stage.ASKED:
            return self._asked_ns + SUSPEND_LIMIT_MS * MS
        return self._stall_deadline_ns()

    def _stall_deadline_ns(self) -> int | None:
        if self._stall_s is None or self._waiting_since_ns is None:
            return None
        return self._waiting_since_ns + round(self._stall_s * 1_000) * MS

    # ------------------------------------------------------------ stages

    def ask(self, queue: str, reason: str, now_ns: int) -> list[Action]:
        """Take that the last word before the music left."""
        if self.stage is not Stage.TALKING:
            return []
        self.stage, self._asked_ns = Stage.ASKED, now_ns
        return [AskEdge(queue, reason), FallSilent()]

    def suspend(self) -> list[Action]:
        """Take that edge has the caller."""
        before, self.stage = self.stage, Stage.AWAY
        return [FallSilent()] if before is Stage.TALKING else []

    def resume(self, reason: str) -> list[Action]:
        """Take that the caller is back."""
        self.stage = Stage.TALKING
        self.offered = False
        self._unknowns = self._stalls = 0
        self._waiting_since_ns = None
        return [SpeakAgain(reason)]

    def receive_tick(self, now_ns: int) -> list[Action]:
        """Return what time demands."""
        if self.stage is Stage.ASKED and now_ns >= self._asked_ns + SUSPEND_LIMIT_MS * MS:
            return self.resume(FAILED)
        return []
