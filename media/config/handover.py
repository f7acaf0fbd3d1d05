"""Say what a persona may hold about handing callers over to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from media.config.checks import Between


@dataclass(frozen=True, slots=True)
class ReturnTexts:
    """What a caller hears first who comes back from a queue, by what happened there."""

    nobody_here: str = (
        "I am sorry, none of my colleagues is here at the moment. What else can I do for you?"
    )
    no_answer: str = (
        "I am sorry, none of my colleagues could take your call. What else can I do for you?"
    )
    max_wait: str = (
        "I am sorry that it took so long. All my colleagues are still busy. "
        "Is there something that I can do for you meanwhile?"
    )
    full: str = (
        "I am sorry, too many callers are waiting for my colleagues. "
        "Is there something that I can do for you?"
    )
    closed: str = "I am sorry, my colleagues have gone home. What else can I do for you?"
    human_finished: str = "Here I am again. Is there anything else that I can do for you?"
    human_lost: str = (
        "I am sorry, we have lost the connection to my colleague. What else can I do for you?"
    )
    cancelled: str = "All right, here I am again. What can I do for you?"
    failed: str = "I am sorry, I could not connect you. What else can I do for you?"
    """Said for every other reason."""


@dataclass(frozen=True, slots=True)
class HandoverConfig:
    """How a persona hands callers over to people."""

    queue: str | None = None
    """Name of the queue for callers who ask for a person; none takes the first under
    ``transfers``, else the queue that is named like the persona. Without any of them nobody is
    put through, and the fast lane says what is said to such a wish."""
    connecting: str = "I am connecting you with a colleague, one moment please."
    """Said before the hold music."""
    stalled: str = "I am sorry for the delay. I am connecting you with a colleague."
    """Said instead where the language model gave no answer."""
    offer_after: Annotated[int, Between(0, 10)] = 2
    """After so many questions in a row without an answer a colleague is offered; 0 never."""
    offer: str = "I am sorry, I do not know that. Shall I connect you with a colleague?"
    declined: str = "All right. What else can I do for you?"
    """Said to a caller who did not want the colleague that was offered."""
    returned: ReturnTexts = field(default_factory=ReturnTexts)
