"""Decide whether a call that came now would be answered, and by which persona (sans-IO)."""

from __future__ import annotations

from edge.call_events import EndReason, Party, Termination
from media.config.model import Config
from media.config.routing import ActionConfig

RETRY_SHORT_S = 5
"""Retry-After while models load or a process restarts: new calls work again within 10 s."""

OVERLOADED = "too much load: calls in progress are kept, no more are taken"


class Admission:
    """What the control process knows about everything that a call needs.

    Args:
        needs_agent: whether no dial rule serves a call without the agent process.
        reaches_agent: whether some dial rule leads to a persona.
    """

    def __init__(self, *, needs_agent: bool = True, reaches_agent: bool = True) -> None:
        self.needs_agent = needs_agent
        self.reaches_agent = reaches_agent
        self.media_up = False
        self.agent_up = False
        self.agent_ready = False
        self.agent_detail = ""
        self.agent_refusing = False
        """The agent process has more to do than it can: calls in progress are kept."""
        self.ladder = "normal"
        self.front_up = True
        """False while there should be a front and is none."""
        self.stopping = False

    def why_closed(self) -> str | None:
        """Return why no call is taken at all, None where calls are taken."""
        if self.stopping:
            return "shutting down"
        if not self.media_up:
            return "the media process is not up"
        return self._why_no_agent() if self.needs_agent else None

    def _why_no_agent(self) -> str | None:
        if not self.agent_up:
            return "the agent process is not up"
        if not self.agent_ready:
            return self.agent_detail or "the agent process is loading"
        return OVERLOADED if self.agent_refusing else None

    @property
    def overloaded(self) -> bool:
        """Whether load alone keeps calls out."""
        return self.why_closed() == OVERLOADED

    def why_not(self, *, workers_ready: bool, calls: int, limit: int) -> str | None:
        """Return why a call that came now would not be answered, None where it would.

        Where only some rules lead to a persona calls are taken before the agent process is ready,
        but not every call would be answered.
        """
        if (closed := self.why_closed()) is not None:
            return closed
        if self.reaches_agent and (away := self._why_no_agent()) is not None:
            return away
        if not self.front_up:
            return "Kamailio is not up"
        if not workers_ready:
            return "no UA worker listens for SIP"
        if calls >= limit:
            return f"all {limit} lines are taken"
        return None

    def refusal(self) -> Termination | None:
        """Return the verdict for an INVITE that crossed the news that we are closed."""
        closed = self.why_closed()
        if closed is None:
            return None
        reason = EndReason.FULL if self.overloaded else EndReason.NOT_READY
        return Termination(Party.SYSTEM, 503, reason, closed)


def reaches_agent(config: Config) -> bool:
    """Say whether some dial rule, or what follows the failure of a rule or queue, is a persona."""
    failures = [each.on_failure for each in config.queues.values()]
    return any(map(_is_persona, [*config.dialplan, *failures]))


def _is_persona(action: ActionConfig | None) -> bool:
    return action is not None and (action.agent is not None or _is_persona(action.on_failure))
