"""Measure the load of this process and the machine, and follow the ladder (thin asyncio shell)."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from agent.ladder import Allowance, Ladder, LadderChanged, Load, Step
from agent.waits import Waits
from media.config.watch import LadderConfig
from media.load_messages import AgentFigures

BEAT_S = 0.05
"""How often the event loop is asked to be on time."""
LAG_BEATS = 40
"""2 s: how many beats the mean lag is of."""
BEATS_PER_LOOK = 10
PRESSURE_FILE = Path("/proc/pressure/cpu")

log = structlog.get_logger()


class LadderWatch:
    """The ladder of one process and everything it looks at.

    Args:
        config: ``ladder`` of the configuration.
        on_change: called after each step.
        clock: monotonic nanoseconds.
        pressure: returns the CPU pressure, 0 to 100.
    """

    def __init__(
        self,
        config: LadderConfig,
        on_change: Callable[[], None],
        clock: Callable[[], int] = time.monotonic_ns,
        pressure: Callable[[], float] | None = None,
    ) -> None:
        self.allowance = Allowance()
        self.waits = Waits(clock)
        self.load = Load()
        self._config = config
        self._ladder = Ladder(config)
        self._on_change = on_change
        self._clock = clock
        self._pressure = pressure or cpu_pressure
        self._second_hearings = 0
        self._hearings = threading.Lock()
        self._lags_ms: deque[float] = deque(maxlen=LAG_BEATS)

    def allow_second_hearing(self) -> bool:
        """Say whether a short answer may be heard once more, and count it; asked in any thread."""
        if not self.allowance.provisional:
            return False
        with self._hearings:
            self._second_hearings += 1
        return True

    @property
    def step(self) -> Step:
        """Where on the ladder the process stands."""
        return self._ladder.step

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(BEATS_PER_LOOK):
                due = loop.time() + BEAT_S
                await asyncio.sleep(BEAT_S)
                self._lags_ms.append(max(0.0, loop.time() - due) * 1_000)
            self.look()

    def look(self) -> None:
        """Measure now and take the step that follows."""
        self.load = Load(
            engine_wait_ms=max(self.waits.by_job().values(), default=0.0),
            loop_lag_ms=sum(self._lags_ms) / max(1, len(self._lags_ms)),
            cpu_pressure=self._pressure(),
        )
        for change in self._ladder.receive(self.load, self._clock()):
            self.allowance.follow(change.after, self._config.short_words)
            _tell(change)
            self._on_change()

    def figures(self, conversations: int) -> AgentFigures:
        """Return what was measured last."""
        return AgentFigures(
            conversations=conversations,
            ladder_step=int(self.step),
            ladder_changes=self._ladder.changes,
            loop_lag_ms=round(self.load.loop_lag_ms, 2),
            cpu_pressure=self.load.cpu_pressure,
            engine_wait_ms={job: round(ms, 1) for job, ms in self.waits.by_job().items()},
            second_hearings=self._second_hearings,
        )


def _tell(change: LadderChanged) -> None:
    up = change.after > change.before
    say = log.warning if up else log.info
    say(
        "ladder_changed",
        step=change.after.name.lower(),
        before=change.before.name.lower(),
        why=change.why,
        engine_wait_ms=round(change.load.engine_wait_ms),
        loop_lag_ms=round(change.load.loop_lag_ms),
        cpu_pressure=round(change.load.cpu_pressure),
    )


def cpu_pressure(path: Path = PRESSURE_FILE) -> float:
    """Return the share of the last 10 s, 0 to 100, in which something waited for a processor.

    Where the kernel does not tell, runnable threads beyond the processors are taken for it.
    """
    try:
        return parse_pressure(path.read_text("ascii"))
    except (OSError, ValueError):
        beyond = os.getloadavg()[0] / (os.cpu_count() or 1) - 1
        return min(100.0, max(0.0, beyond * 100))


def parse_pressure(text: str) -> float:
    """Parse ``some avg10=1.23 ...`` (Linux Documentation/accounting/psi.rst).

    Raises:
        ValueError: it does not say.
    """
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            values = dict(field.split("=", 1) for field in fields)
            return float(values.get("avg10", "missing"))
    raise ValueError("no 'some' line")
