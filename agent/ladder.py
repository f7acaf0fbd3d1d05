"""Decide what is given up as load grows (sans-IO).

Each step of the ladder has limits for what is measured: how long calls wait for the engines, how
late the event loop is, how much of the time something waits for a processor. Load that is at or
above any limit of the next step for ``climb_ms`` takes one step up; load below ``release`` percent
of every limit of the present step for ``descend_ms`` takes one step down. So a burst changes
nothing, and a load that stays around a limit does not make the ladder swing.

======  ================  =================================================================
step    name              what is given up, all before it included
======  ================  =================================================================
0       normal            nothing
1       no_provisional    answers prepared in pauses that may not be the end of the turn, and
                          short answers heard a second time
2       short_answers     answers longer than ``short_words``
3       fast_lane_only    the language model: reviewed sentences and facts as they stand
4       refuse_calls      new calls (503, Retry-After)
======  ================  =================================================================

A call in progress is kept at every step: it hears a reviewed sentence where it heard the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from media.config.watch import LadderConfig, RungConfig

MS = 1_000_000


class Step(IntEnum):
    """How much is given up."""

    NORMAL = 0
    NO_PROVISIONAL = 1
    SHORT_ANSWERS = 2
    FAST_LANE_ONLY = 3
    REFUSE_CALLS = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step needs; 0 never."""

    engine_wait_ms: int
    loop_lag_ms: int
    cpu_pressure: int


DEFAULTS = {
    Step.NO_PROVISIONAL: Limits(1_500, 60, 90),
    Step.SHORT_ANSWERS: Limits(2_200, 120, 97),
    # others on the machine can cause pressure: alone it neither silences the model nor refuses
    Step.FAST_LANE_ONLY: Limits(3_500, 250, 0),
    Step.REFUSE_CALLS: Limits(5_000, 500, 0),
}


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement."""

    engine_wait_ms: float = 0.0
    loop_lag_ms: float = 0.0
    cpu_pressure: float = 0.0
    """0 to 100."""


@dataclass(frozen=True, slots=True)
class LadderChanged:
    """A step was taken."""

    before: Step
    after: Step
    load: Load
    why: str
    """The measure that decided, with its limit."""


@dataclass(slots=True)
class Allowance:
    """What conversations may do now; one object is shared by all of them."""

    provisional: bool = True
    most_words: int | None = None
    """In one answer; None leaves it to the persona."""
    model: bool = True
    step: Step = Step.NORMAL

    def words(self, wanted: int) -> int:
        """Return how many words an answer may have that may have ``wanted`` when all is well."""
        return wanted if self.most_words is None else min(wanted, self.most_words)

    def follow(self, step: Step, short_words: int) -> None:
        """Allow what a step leaves."""
        self.step = step
        self.provisional = step < Step.NO_PROVISIONAL
        self.most_words = short_words if step >= Step.SHORT_ANSWERS else None
        self.model = step < Step.FAST_LANE_ONLY


class Ladder:
    """Where on the ladder the process stands.

    Args:
        config: ``ladder`` of the configuration.
    """

    def __init__(self, config: LadderConfig) -> None:
        self.step = Step.NORMAL
        self.changes = 0
        self._config = config
        self._limits = {step: _limits(config, step) for step in DEFAULTS}
        self._over_since_ns: int | None = None
        self._under_since_ns: int | None = None

    def receive(self, load: Load, now_ns: int) -> list[LadderChanged]:
        """Take a measurement; return the step taken, at most one."""
        if not self._config.enabled:
            return []
        over = self._reason_to_climb(load)
        self._over_since_ns = _since(self._over_since_ns, bool(over), now_ns)
        under = self.step > Step.NORMAL and self._is_released(load)
        self._under_since_ns = _since(self._under_since_ns, under, now_ns)
        if _lasted(self._over_since_ns, self._config.climb_ms, now_ns):
            return [self._go(Step(self.step + 1), load, over)]
        if _lasted(self._under_since_ns, self._config.descend_ms, now_ns):
            return [self._go(Step(self.step - 1), load, "load is gone")]
        return []

    def _go(self, step: Step, load: Load, why: str) -> LadderChanged:
        changed = LadderChanged(self.step, step, load, why)
        self.step = step
        self.changes += 1
        self._over_since_ns = self._under_since_ns = None
        return changed

    def _reason_to_climb(self, load: Load) -> str:
        if self.step is Step.REFUSE_CALLS:
            return ""
        for name, value, limit in _pairs(load, self._limits[Step(self.step + 1)]):
            if value >= limit:
                return f"{name} {value:.0f} >= {limit}"
        return ""

    def _is_released(self, load: Load) -> bool:
        share = self._config.release / 100
        pairs = _pairs(load, self._limits[self.step])
        return all(value < limit * share for _, value, limit in pairs)


def _pairs(load: Load, limits: Limits) -> list[tuple[str, float, int]]:
    pairs = [
        ("engine_wait_ms", load.engine_wait_ms, limits.engine_wait_ms),
        ("loop_lag_ms", load.loop_lag_ms, limits.loop_lag_ms),
        ("cpu_pressure", load.cpu_pressure, limits.cpu_pressure),
    ]
    return [each for each in pairs if each[2] > 0]


def _limits(config: LadderConfig, step: Step) -> Limits:
    own: RungConfig = getattr(config, step.name.lower())
    default = DEFAULTS[step]

    def choose(value: int | None, otherwise: int) -> int:
        return otherwise if value is None else value

    return Limits(
        choose(own.engine_wait_ms, default.engine_wait_ms),
        choose(own.loop_lag_ms, default.loop_lag_ms),
        choose(own.cpu_pressure, default.cpu_pressure),
    )


def _since(since_ns: int | None, holds: bool, now_ns: int) -> int | None:
    if not holds:
        return None
    return now_ns if since_ns is None else since_ns


def _lasted(since_ns: int | None, length_ms: int, now_ns: int) -> bool:
    return since_ns is not None and now_ns - since_ns >= length_ms * MS
