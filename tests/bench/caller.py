"""One caller of the benchmark: carries out a script and measures every step."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.script import Kind, Step
from tests.harness.outside_phone import MS, Damage, OutsidePhone, Said
from tests.harness.service import Service

INTO_ANSWER_MS = 900
ANSWER_LIMIT_S = 15.0
_SPOKEN_INTO = (Kind.INTERRUPTION, Kind.BACKCHANNEL, Kind.NOISE)


@dataclass
class Measured:
    """What came of one step."""

    calls: int
    caller: int
    kind: str
    text: str
    voice: str
    seconds: float
    answered: bool = False
    response_ms: float | None = None
    cut_off: bool = False
    barge_in_ms: float | None = None
    stopped_for_good: bool | None = None
    """Backchannel or noise: the agent fell silent and did not go on within 2 s."""

    def as_json(self) -> dict[str, Any]:
        """Return the row of the raw log."""
        return asdict(self)


class Caller:
    """Call once and go through a script.

    Args:
        service: whom to call.
        number: of this caller, its voice and its damage's seed.
        calls: how many callers there are at once.
        loss_ratio: of packets, both ways.
    """

    def __init__(self, service: Service, number: int, calls: int, loss_ratio: float = 0.0) -> None:
        damage = Damage(loss_ratio, 0.0, seed=number + 1)
        self._number, self._calls = number, calls
        self.phone = OutsidePhone(service.host, service.port, f"bench{number}", damage=damage)
        self.rows: list[Measured] = []
        self.greeting_ms: float | None = None
        self.ok_ms: float | None = None
        self.lateness_ms: list[float] = []
        self.seconds = 0.0
        self.error: str | None = None

    def run(self, steps: list[Step]) -> None:
        """Go through the script; an error is kept, what was measured stays."""
        began = time.monotonic()
        try:
            answer = self.phone.call()
            if answer.status != 200:
                raise RuntimeError(answer.first_line)
            dialog = self.phone.dialog
            self.ok_ms = (dialog.ok_ns - dialog.invited_ns) / MS
            self.greeting_ms = self.phone.greeting_ms()
            self.phone.wait_quiet()
            for index, step in enumerate(steps):
                into = index + 1 < len(steps) and steps[index + 1].kind in _SPOKEN_INTO
                self._take(step, wait=not into)
                if self.phone.ended_by_far_end:
                    raise RuntimeError(f"the far end hung up after {step.text!r}")
        except (RuntimeError, TimeoutError, OSError) as error:
            self.error = str(error)
        self.seconds = time.monotonic() - began
        self.lateness_ms = self.phone.lateness_ms()
        try:
            self.phone.hang_up()
        except (TimeoutError, OSError) as error:
            self.error = self.error or str(error)

    def _take(self, step: Step, wait: bool) -> None:
        seconds = len(step.samples) / 8_000
        row = Measured(self._calls, self._number, step.kind, step.text, step.voice, seconds)
        self.rows.append(row)
        if step.kind in _SPOKEN_INTO:
            self._speak_into(step, row)
        else:
            said = self.phone.say(step.samples)
            self._await_answer(said, row)
        if wait or not row.answered:
            self.phone.wait_quiet()

    def _await_answer(self, said: Said, row: Measured) -> None:
        answer = self.phone.wait_speech(said.last_ns, ANSWER_LIMIT_S)
        inside = [each for each in self.phone.bursts() if said.first_ns < each[0] <= said.last_ns]
        row.cut_off = bool(inside)
        row.answered = answer is not None or bool(inside)
        if answer is not None:
            row.response_ms = (answer[0] - said.last_ns) / MS

    def _speak_into(self, step: Step, row: Measured) -> None:
        self.phone.wait_talking(INTO_ANSWER_MS)  # a filler is shorter: the answer is interrupted
        row.barge_in_ms, said = self.phone.interrupt(step.samples)
        if step.kind is Kind.INTERRUPTION:
            answer = self.phone.wait_speech(said.last_ns, ANSWER_LIMIT_S)
            row.answered = answer is not None
            row.response_ms = None if answer is None else (answer[0] - said.last_ns) / MS
            return
        row.answered = True
        if row.barge_in_ms is None:  # the agent had finished before
            return
        goes_on = any(each[1] > said.last_ns + 400 * MS for each in self.phone.bursts())
        row.stopped_for_good = not (goes_on or self.phone.wait_speech(said.last_ns, 2.0))
