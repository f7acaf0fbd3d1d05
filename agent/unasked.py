"""Say the sentences that answer nothing: greeting, prompts, fillers, goodbyes (thin shell).

All of them were learnt before the call, so their first packet is the next one.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.delivery import Delivery
from agent.exchange import Exchange, Telling
from agent.patience import Action, Patience
from agent.persona import Persona
from agent.speaking import Speaking
from media import LocalError


class Unasked:
    """The known sentences of one call.

    Args:
        persona: whose.
        speaking: plays them.
        tellings: why each clip is played; filled here.
        patience: counts how often was asked.
        delivery: the answer that these sentences may stand in for.
        on_give_up: called before a sentence takes an answer's place.
        on_hang_up: called when the call is to end.
    """

    def __init__(
        self,
        persona: Persona,
        speaking: Speaking,
        tellings: dict[int, Telling],
        patience: Patience,
        delivery: Delivery,
        on_give_up: Callable[[], None],
        on_hang_up: Callable[[], None],
    ) -> None:
        self._persona = persona
        self._config = persona.config
        self._speaking = speaking
        self._tellings = tellings
        self._patience = patience
        self._delivery = delivery
        self._on_give_up = on_give_up
        self._on_hang_up = on_hang_up
        self._fillers = 0
        self._not_heard = 0

    def say(
        self,
        source: str,
        text: str,
        then: str = "listen",
        reason: str = "agent_goodbye",
        exchange: Exchange | None = None,
    ) -> None:
        """Say a sentence that was learnt before the call.

        Args:
            source: what kind of sentence.
            text: the sentence.
            then: what follows it.
            reason: why the call ends, if it does.
            exchange: the caller's turn whose first answer this is.

        Raises:
            LocalError: it was not learnt.
        """
        samples = self._persona.speech.known(text)
        if samples is None:
            raise LocalError(f"sentence was not learnt: {text!r}")
        clip = self._speaking.open(source)
        self._tellings[clip.number] = Telling(exchange, then, reason)
        self._speaking.push(clip, text, samples)
        self._speaking.end(clip)

    def greet(self) -> None:
        """Say who answers."""
        self.say("greeting", self._config.greeting)

    def say_goodbye(self, reason: str) -> None:
        """Take leave; the call ends when it was played."""
        self.say("goodbye", self._config.goodbye, "goodbye", reason)

    def understood(self) -> None:
        """Note that the caller was understood."""
        self._not_heard = 0

    def say_not_heard(self) -> None:
        """Ask for words again; from the third time in a row as a silent caller is asked."""
        self._not_heard += 1
        if self._not_heard <= 2:
            self.say("prompt", self._config.not_heard)
        else:
            self.receive(self._patience.ask())

    def receive(self, action: Action) -> None:
        """Carry out what time demands."""
        match action:
            case Action.ASK:
                if prompts := self._config.no_input:
                    self.say("prompt", prompts[min(self._patience.asked, len(prompts)) - 1])
            case Action.END_SILENT:
                self.say_goodbye("no_input")
            case Action.FILL:
                text = self._config.filler[self._fillers % len(self._config.filler)]
                self.say("filler", text, exchange=self._delivery.exchange)
                self._fillers += 1
            case Action.GIVE_UP:
                self._give_up()
            case Action.END_LONG:
                self._on_give_up()
            case Action.HANG_UP:
                self._on_hang_up()

    def _give_up(self) -> None:
        """Say what is known instead of an answer that does not come."""
        fact, exchange = self._delivery.fallback, self._delivery.exchange
        self._on_give_up()
        if fact and self._persona.speech.known(fact) is not None:
            self.say("fact", fact, exchange=exchange)
        else:
            self.say("fallback", self._config.unknown, exchange=exchange)
