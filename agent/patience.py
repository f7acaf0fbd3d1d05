"""Know when the agent must speak unasked, and when the call must end (sans-IO).

Silence after the agent's last word is asked about, once and again, then taken as an end. An answer
that is late gets a filler, never two in a row, and a little later where its words are coming: the
filler would only delay it. One that does not come at all is given up before the caller has heard
nothing for 4 s. After a goodbye the caller's own goodbye may finish.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from media.config.model import AgentLimits

MS = 1_000_000
GIVE_UP_MS = 3_300
"""Dead air before an answer is given up; the sentence said instead is ready, so it starts < 4 s."""
FORMING_MS = 500
"""A filler is put off by so much while the answer's words come: audio is seldom further away."""
FAREWELL_MS = 900
"""After the goodbye was played, room for the caller's own to begin."""
FAREWELL_LIMIT_MS = 4_000
"""The caller's own goodbye is not waited for longer."""


class Action(StrEnum):
    """What to do now."""

    ASK = "ask"
    """Ask the silent caller."""
    END_SILENT = "end_silent"
    """Say goodbye: the caller does not answer."""
    FILL = "fill"
    GIVE_UP = "give_up"
    END_LONG = "end_long"
    """Say goodbye: the call is too long."""
    HANG_UP = "hang_up"


@dataclass(slots=True)
class Patience:
    """Timers of one call.

    Args:
        limits: the persona's.
        fillers: whether there is one to say.
        filler_ms: dead air, from the caller's last audible packet, before a filler.
    """

    limits: AgentLimits
    fillers: bool = True
    filler_ms: int = 1_700
    answered_ns: int = 0
    held: bool = False
    forming: bool = False
    """Words of the answer that is waited for are coming, none of them is audible yet."""
    asked: int = 0
    _quiet_since_ns: int | None = None
    _waiting_since_ns: int | None = None
    _filled: bool = False
    _filled_last_turn: bool = False
    _begun: bool = False
    _hearing: bool = False
    _farewell_ns: int | None = None
    _farewell_limit_ns: int = 0
    _long: bool = False

    def call_answered(self, now_ns: int) -> None:
        """Start the call's own clock."""
        self.answered_ns = now_ns

    def quiet(self, now_ns: int) -> None:
        """Both are silent and the caller has the floor; said again, it began the first time."""
        if self._quiet_since_ns is None:
            self._quiet_since_ns = now_ns
        self._waiting_since_ns = None

    def busy(self) -> None:
        """Somebody speaks."""
        self._quiet_since_ns = None

    def caller_spoke(self) -> None:
        """The caller said something that was understood."""
        self.asked = 0
        self._quiet_since_ns = None

    def answer_due(self, since_ns: int) -> None:
        """The caller waits for an answer since this moment."""
        self._quiet_since_ns = None
        self._waiting_since_ns = since_ns
        self._filled_last_turn = self._filled
        self._filled = self._begun = self._hearing = False

    def answer_runs_dry(self, at_ns: int) -> None:
        """What was said of an answer ends (or ended) at this moment, and more of it is to come."""
        self._waiting_since_ns = at_ns
        self._begun = True

    def hears(self, speaking: bool, now_ns: int) -> None:
        """Note whether the caller is being heard out: nothing falls due meanwhile."""
        if self._hearing and not speaking and self._waiting_since_ns is not None:
            self._waiting_since_ns = max(self._waiting_since_ns, now_ns)
        self._hearing = speaking

    def filler_played(self, now_ns: int) -> None:
        """The filler is over; an answer that is still not there is waited for from now on."""
        if self._waiting_since_ns is not None:
            self._waiting_since_ns = now_ns

    def answer_came(self) -> None:
        """Audio of the answer is on its way, or nobody waits for one any more."""
        self._waiting_since_ns = None

    def said_goodbye(self, now_ns: int) -> None:
        """The goodbye's last sample left."""
        self._farewell_ns = now_ns + FAREWELL_MS * MS
        self._farewell_limit_ns = now_ns + FAREWELL_LIMIT_MS * MS

    def caller_says_goodbye(self, speaking: bool, now_ns: int) -> None:
        """Let the caller's own goodbye finish."""
        if self._farewell_ns is not None:
            wanted = self._farewell_limit_ns if speaking else now_ns + 700 * MS
            self._farewell_ns = min(wanted, self._farewell_limit_ns)

    def stay(self) -> None:
        """Do not hang up after all: the caller has something else."""
        self._farewell_ns = None

    @property
    def leaving(self) -> bool:
        """Whether the goodbye was said and the call is about to end."""
        return self._farewell_ns is not None

    def ask(self) -> Action:
        """Return what is said to a caller who is silent, or never understood."""
        self._quiet_since_ns = None
        self.asked += 1
        return Action.ASK if self.asked <= self.limits.no_input_prompts else Action.END_SILENT

    def receive_tick(self, now_ns: int) -> list[Action]:
        """Return what time demands."""
        if self._farewell_ns is not None:
            if now_ns < self._farewell_ns:
                return []
            self._farewell_ns = None
            return [Action.HANG_UP]
        if self._too_long(now_ns):
            self._long = True
            return [Action.END_LONG]
        if self.held:
            return []
        return self._judge_waiting(now_ns) or self._judge_silence(now_ns)

    def next_deadline_ns(self) -> int | None:
        """Return when a tick changes something."""
        if self._farewell_ns is not None:
            return self._farewell_ns
        deadlines = []
        if self.answered_ns and not self._long:
            deadlines.append(self.answered_ns + self.limits.max_call_s * 1_000 * MS)
        if not self.held:
            if self._waiting_since_ns is not None and not self._hearing:
                deadlines.append(self._waiting_since_ns + self._next_wait_ms() * MS)
            if self._quiet_since_ns is not None:
                deadlines.append(self._quiet_since_ns + self.limits.no_input_ms * MS)
        return min(deadlines, default=None)

    def _too_long(self, now_ns: int) -> bool:
        limit_ns = self.limits.max_call_s * 1_000 * MS
        return bool(self.answered_ns) and not self._long and now_ns >= self.answered_ns + limit_ns

    @property
    def _may_fill(self) -> bool:
        return self.fillers and not (self._filled or self._filled_last_turn or self._begun)

    def _next_wait_ms(self) -> int:
        if not self._may_fill:
            return GIVE_UP_MS
        return min(self.filler_ms + FORMING_MS, GIVE_UP_MS) if self.forming else self.filler_ms

    def _judge_waiting(self, now_ns: int) -> list[Action]:
        if self._waiting_since_ns is None or self._hearing:
            return []
        if now_ns < self._waiting_since_ns + self._next_wait_ms() * MS:
            return []
        if self._may_fill:
            self._filled = True
            # while the filler plays nothing is given up; its end counts anew
            self._waiting_since_ns = now_ns
            return [Action.FILL]
        self._waiting_since_ns = None
        return [Action.GIVE_UP]

    def _judge_silence(self, now_ns: int) -> list[Action]:
        if self._quiet_since_ns is None:
            return []
        if now_ns < self._quiet_since_ns + self.limits.no_input_ms * MS:
            return []
        return [self.ask()]
