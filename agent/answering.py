"""Work out an answer, possibly before it is known that it is wanted.

An :class:`Answer` fills up with pieces of speech while nobody hears them; the conversation plays
them once the caller's turn is over, or throws them away when the caller goes on.

The way to an answer: reviewed sentence (fast lane), goodbye, reviewed fact that surely answers the
question, nothing known about it, language model held to the facts that were found.

A language model that fails costs the answer and not the call: the caller is connected where a
stalled model would connect them, or told the fact that was found, or that nothing is known, and
asked again. Where not even a fact was to be had :data:`FAILURES` times in a row the fault is passed
on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import structlog

from agent.clausing import clauses
from agent.endpointing import Grasp
from agent.engines.base import ChatMessage, Dialogue, Samples
from agent.fast_lane import is_goodbye
from agent.guard import FINISHING_WORDS, Guard
from agent.handover import STALLED, Handover, Plan, transfer_queue
from agent.knowledge import Match, say_the_same
from agent.ladder import Allowance
from agent.persona import Persona
from agent.prompting import write_question
from agent.streams import closing
from agent.tool_call import MAX_TOKENS, MarkerFilter, ToolCall, TransferTool
from agent.words import rest_of

KNOWN_COVERAGE = 0.5
"""So much of a question's weight in a fact, and the fact is about it."""
STRONG_SCORE = 5.0
STRONG_COVERAGE = 0.2
"""Two or more telling words shared: then the rest may be words that no fact has."""
TOKENS_PER_WORD = 2
FAILURES = 3
"""So many answers in a row that failed although nobody and no fact could stand in for them."""

log = structlog.get_logger()


def is_about(match: Match) -> bool:
    """Say whether a fact that was found is about the question at all."""
    strong = match.score >= STRONG_SCORE and match.coverage >= STRONG_COVERAGE
    return strong or match.coverage >= KNOWN_COVERAGE


@dataclass(frozen=True, slots=True)
class Piece:
    """Words and (the first part of) their audio; later parts of it have no words."""

    text: str
    samples: Samples


@dataclass(slots=True)
class Answer:
    """An answer in the making."""

    words: str
    """What it answers."""
    begun_ns: int
    source: str = "model"
    then: str = "listen"
    pieces: list[Piece] = field(default_factory=list)
    finished: bool = False
    first_token_ns: int | None = None
    first_audio_ns: int | None = None
    tokens: int = 0
    refused: str = ""
    failed: bool = False
    """An engine failed; what is said stands in for the answer."""
    fallback: str = ""
    """The fact to say instead when the answer does not come; empty where there is none."""
    reason: str = ""
    """Why a person is wanted, where the answer leads to one."""
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the caller's turn is over and somebody waits for it."""
    task: asyncio.Task[None] | None = None

    def follow(self, plan: Plan) -> str:
        """Become the answer that is planned; return its words."""
        self.source, self.then, self.reason = plan.source, plan.then, plan.reason
        return plan.text

    def cancel(self) -> None:
        """Stop working on it."""
        if self.task is not None:
            self.task.cancel()


class Answering:
    """Answers of one call.

    Args:
        persona: whose.
        dialogue: the call's sequence in the language model.
        clock: monotonic nanoseconds.
        allowance: what the machine's load leaves.
        handover: the call's way to people.
    """

    def __init__(
        self,
        persona: Persona,
        dialogue: Dialogue,
        clock: Callable[[], int],
        allowance: Allowance | None = None,
        handover: Handover | None = None,
    ) -> None:
        self._handover = handover or Handover(None, persona.config)
        self._tool = TransferTool(persona.config.transfers)
        self._allowance = allowance or Allowance()
        self._persona = persona
        self._dialogue = dialogue
        self._clock = clock
        self._foreseen: list[Match] = []
        self._failures = 0

    async def fill(
        self,
        answer: Answer,
        history: list[ChatMessage],
        context: str,
        changed: Callable[[Answer], None],
    ) -> None:
        """Work on an answer until it is finished.

        Args:
            answer: an empty one.
            history: what was said so far, without the words to be answered.
            context: what the caller said before, for questions that say "it".
            changed: called after each change, on the event loop.

        Raises:
            Exception: of an engine, when nothing else could be said either.
        """
        error = await self._take(answer, self._write(answer, history, context), changed)
        if error is not None:
            answer.failed = True
            # a caller who goes on talking has not been failed: nothing is counted or said
            await answer.wanted.wait()
            await self._stand_in(answer, error, changed)
        answer.finished = True
        self._forgive(answer)
        changed(answer)

    def release(self, answer: Answer) -> None:
        """Take that the caller waits for an answer from now on."""
        answer.wanted.set()
        self._forgive(answer)
        self._dialogue.hurry()

    def _forgive(self, answer: Answer) -> None:
        if answer.wanted.is_set() and answer.finished and not answer.failed:
            self._failures = 0

    async def _take(
        self, answer: Answer, texts: AsyncIterator[str], changed: Callable[[Answer], None]
    ) -> Exception | None:
        """Add pieces to an answer as they come; return the engine's fault that ended them."""
        async with closing(self._spoken(texts)) as pieces:
            while True:
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return None
                except Exception as error:  # the engines' edge: it ends an answer, not the call
                    reason = f"{type(error).__name__}: {error}"
                    log.warning("answer_failed", reason=reason, exc_info=error)
                    return error
                if answer.first_audio_ns is None:
                    answer.first_audio_ns = self._clock()
                answer.pieces.append(piece)
                changed(answer)

    async def _spoken(self, texts: AsyncIterator[str]) -> AsyncIterator[Piece]:
        async with closing(texts) as sentences:
            async for text in sentences:
                first = True
                async for samples in self._persona.speech.say(_intoned(text)):
                    yield Piece(text if first else "", samples)
                    first = False

    async def _stand_in(
        self, answer: Answer, error: Exception, changed: Callable[[Answer], None]
    ) -> None:
        """Say something else instead of (the rest of) an answer whose engine failed."""
        said = " ".join(each.text for each in answer.pieces if each.text)
        rest = rest_of(answer.fallback, said)
        if self._handover.gave_up(fact_known=bool(answer.fallback)):
            if said and rest:
                await self._take(answer, _only(rest), changed)
            await self._say(answer, self._handover.connect(STALLED), changed)
            return
        if answer.fallback:
            answer.source = answer.source if said else "fact"
            # where the voice is gone, too, sentences known by heart are not
            if not rest or await self._take(answer, _only(rest), changed) is None:
                return
        self._failures += 1
        if self._failures >= FAILURES:
            raise error
        await self._say(answer, self._handover.plan_unknown(), changed)

    async def _say(self, answer: Answer, plan: Plan, changed: Callable[[Answer], None]) -> None:
        error = await self._take(answer, _only(answer.follow(plan)), changed)
        if error is not None:
            raise error

    def grasp(self, words: str, context: str) -> Grasp:
        """Say whether words that may not be all can be answered."""
        persona = self._persona
        if (
            persona.fast_lane.match(words) is not None
            or is_goodbye(words)
            or persona.knowledge.sure(words) is not None
        ):
            return Grasp.SURE
        return Grasp.ABOUT if self._facts(words, context) else Grasp.NOTHING

    async def foresee(self, words: str, history: list[ChatMessage], context: str) -> None:
        """Put what an answer to these unfinished words will need into the model's cache."""
        persona = self._persona
        if self._handover.plan(words) is not None:
            return
        if persona.fast_lane.match(words) is not None or persona.knowledge.sure(words) is not None:
            return
        facts = self._steady(self._facts(words, context))
        if facts:
            question = write_question(words, [each.text for each in facts])
            await self._prefill([*history, ChatMessage("user", question)])

    async def remember(self, history: list[ChatMessage]) -> None:
        """Put what was said into the model's cache."""
        await self._prefill(history)

    async def _prefill(self, messages: list[ChatMessage]) -> None:
        try:
            await self._dialogue.prefill([*self._persona.prefix, *messages])
        except Exception as error:  # work ahead: the answer itself will show what is broken
            log.warning("prefill_failed", reason=f"{type(error).__name__}: {error}")

    def _steady(self, facts: list[Match]) -> list[Match]:
        """Return the facts that the model's cache holds already, if these are among them.

        The last words of a question seldom change what it is about, but often the order of facts;
        each change would cost the prompt's last hundred tokens anew.
        """
        before = {each.text for each in self._foreseen}
        if not facts or not {each.text for each in facts} <= before:
            self._foreseen = facts
        return self._foreseen

    def _facts(self, words: str, context: str) -> list[Match]:
        found = self._persona.knowledge.find(words, context)
        facts: list[Match] = []
        for each in found:
            # a fact and the reviewed answer made from it: the second costs time and adds nothing
            if is_about(each) and not any(say_the_same(each.text, had.text) for had in facts):
                facts.append(each)
        return facts

    async def _write(
        self, answer: Answer, history: list[ChatMessage], context: str
    ) -> AsyncIterator[str]:
        persona = self._persona
        plan = self._handover.plan(answer.words)
        if plan is not None:
            yield answer.follow(plan)
            return
        entry = persona.fast_lane.match(answer.words)
        if entry is not None:
            answer.reason = entry.when[0] if transfer_queue(entry.then) else ""
            answer.source, answer.then = "fast_lane", entry.then
            yield entry.say
            return
        if is_goodbye(answer.words):
            answer.source, answer.then = "goodbye", "goodbye"
            yield persona.config.goodbye
            return
        sure = persona.knowledge.sure(answer.words)
        if sure is not None:
            answer.source = "fast_lane"
            yield persona.spoken(sure.text)
            return
        call = await self._decide(answer, history)
        if call is not None:
            yield answer.follow(self._handover.connect(call.reason, call.queue))
            return
        facts = self._facts(answer.words, context)
        if not facts:
            yield answer.follow(self._handover.plan_unknown())
            return
        answer.fallback = persona.spoken(facts[0].text)
        if not self._allowance.model:
            answer.source = "fact"
            yield answer.fallback
            return
        async for clause in self._ask_model(answer, history, facts):
            yield clause

    async def _ask_model(
        self, answer: Answer, history: list[ChatMessage], facts: list[Match]
    ) -> AsyncIterator[str]:
        most = self._persona.config.limits.max_words
        limit = self._allowance.words(most)
        question = write_question(answer.words, [each.text for each in facts])
        messages = [*self._persona.prefix, *history, ChatMessage("user", question)]
        guard = Guard([each.text for each in facts], limit, most)
        tokens = self._dialogue.generate(
            messages,
            max_tokens=TOKENS_PER_WORD * min(limit + FINISHING_WORDS, most),
            urgent=answer.wanted.is_set(),
            likely=[each.text for each in facts],
        )
        spoken = self._without_markers(answer, self._count(answer, tokens))
        begun, held, ending = False, "", ""
        async with closing(clauses(spoken)) as written:
            async for clause in written:
                admitted = guard.admit(clause)
                if admitted is None:
                    break
                held = f"{held} {admitted or ''}".strip()
                rest = guard.ending()
                # what neither the model nor a fact may finish would be said as half a sentence
                if held and not (guard.halved and rest is None):
                    ending = (rest or "") if guard.halved else ""
                    yield held
                    begun, held = True, ""
        answer.refused = guard.refused or answer.refused
        if held and not guard.refused:
            yield held
        elif not begun:
            answer.source = "fact"
            yield answer.fallback
        elif guard.refused and ending:
            yield ending

    async def _decide(self, answer: Answer, history: list[ChatMessage]) -> ToolCall | None:
        """Let the model say whether the caller needs one of the queues that it may use."""
        persona, words = self._persona, answer.words
        queues = self._tool.candidates(words, persona.knowledge) if self._allowance.model else []
        if not queues:
            return None
        messages = [*persona.prefix, *history, *self._tool.dialogue(words, queues)]
        tokens = self._dialogue.generate(
            messages,
            max_tokens=MAX_TOKENS,
            urgent=answer.wanted.is_set(),
            grammar=self._tool.grammar(queues),
        )
        try:
            async with closing(tokens) as pieces:
                text = "".join([piece async for piece in pieces])
        except Exception as error:  # the answer itself is tried all the same
            log.warning("tool_call_failed", reason=f"{type(error).__name__}: {error}")
            return None
        call = self._tool.parse(text, words)
        return call if call is not None and call.queue in queues else None

    async def _without_markers(
        self, answer: Answer, tokens: AsyncIterator[str]
    ) -> AsyncIterator[str]:
        markers = MarkerFilter()
        async with closing(tokens) as pieces:
            async for piece in pieces:
                if spoken := markers.receive(piece):
                    yield spoken
        if rest := markers.flush():
            yield rest
        if markers.removed:
            # whether a person is wanted was decided before, by the caller's own words
            answer.refused = "a transfer that was not asked for"

    async def _count(self, answer: Answer, tokens: AsyncIterator[str]) -> AsyncIterator[str]:
        # generators that are left early are closed at once: that is what stops the model
        async with closing(tokens) as pieces:
            async for piece in pieces:
                if answer.first_token_ns is None:
                    answer.first_token_ns = self._clock()
                answer.tokens += 1
                yield piece


async def _only(text: str) -> AsyncIterator[str]:
    yield text


def _intoned(clause: str) -> str:
    """Return a clause as the voice must read it: the voice lets fall what has no mark."""
    return clause if clause[-1:] in ".,;:!?…" else f"{clause},"
