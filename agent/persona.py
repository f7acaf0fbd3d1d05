"""Make a persona of the configuration ready to talk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from agent.endpointing import Expectation, TurnTiming, expected_answer, is_question, resolve_timing
from agent.engines.base import ChatMessage, LanguageModel
from agent.fast_lane import FastLane
from agent.guard import shorten
from agent.handover import choose_queue, handover_sentences
from agent.knowledge import Knowledge
from agent.prompting import write_prefix
from agent.speech import Speech
from media.config.model import AgentConfig, TurnConfig

LIKELY_WORDS = 10
"""More of them are each expected less: with 16 "warranty" was missed twice as often."""


class Persona:
    """What all conversations of one persona share.

    Args:
        name: key under ``agents``.
        config: the persona.
        speech: its voice.
        queues: names of the configured queues of people.
    """

    def __init__(
        self, name: str, config: AgentConfig, speech: Speech, queues: Collection[str] = ()
    ) -> None:
        self.name = name
        self.config = config
        self.speech = speech
        self.knowledge = Knowledge(
            config.knowledge, [(each.caller, each.agent) for each in config.examples]
        )
        self.likely = self.knowledge.topics(LIKELY_WORDS)
        """What a caller may well say as a single word."""
        self.fast_lane = FastLane(config.fast_lane)
        self.timing: TurnTiming = resolve_timing(config.turn)
        self.human_queue = choose_queue(name, config, queues)
        """For callers who ask for a person; None where there is none."""
        self._queues = queues
        self._asks = {each.say: each.asks for each in config.fast_lane if each.asks is not None}
        self.prefix: list[ChatMessage] = write_prefix(config, self.knowledge)

    def sentences(self) -> list[str]:
        """Return every sentence that is known before a call, the greeting first."""
        config = self.config
        return list(
            dict.fromkeys(
                [
                    config.greeting,
                    config.goodbye,
                    *config.no_input,
                    *config.filler,
                    config.unknown,
                    config.not_heard,
                    *(each.say for each in config.fast_lane),
                    *(handover_sentences(config.handover) if self._queues else ()),
                ]
            )
        )

    @property
    def idle_sentences(self) -> list[str]:
        """Return the sentences that tell a caller nothing about their matter."""
        return [*self.sentences(), *handover_sentences(self.config.handover)]

    def expected_answer(self, said: str) -> Expectation:
        """Return what a sentence of this persona asks the caller for."""
        asks = self._asks.get(said)
        return expected_answer(said) if asks is None else Expectation(asks)

    def asks(self, said: str) -> bool:
        """Say whether a sentence of this persona asks the caller for anything."""
        return said in self._asks or is_question(said)

    def spoken(self, fact: str) -> str:
        """Return a reviewed text as it is said: no longer than an answer may be."""
        return shorten(fact, self.config.limits.max_words)

    def reviewed(self) -> list[str]:
        """Return every text that may be said as an answer without the model."""
        texts = [*self.config.knowledge, *(each.agent for each in self.config.examples)]
        return list(dict.fromkeys(self.spoken(each) for each in texts))

    def retune(self, turn: TurnConfig) -> None:
        """Give calls to come other turn settings."""
        self.config = replace(self.config, turn=turn)
        self.timing = resolve_timing(turn)

    async def warm_up(self, language_model: LanguageModel) -> None:
        """Learn the known sentences and put the prompt's prefix into the model's cache."""
        for text in self.sentences():
            await self.speech.learn(text)
        dialogue = await language_model.open(self.prefix)
        dialogue.close()
