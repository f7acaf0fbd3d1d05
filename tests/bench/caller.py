"""One caller of the benchmark: carries out a script and measures every step."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.script import SPOKEN_INTO, Kind, Step
from tests.harness.outside_phone import MS, Damage, OutsidePhone, Said, Samples
from tests.harness.service import Service

INTO_ANSWER_MS = 900
ANSWER_MS = 1_400
"""Longer than any filler: what has talked for so long is an answer."""
QUIET_MS = 1_000
"""Behind an answer. Behind what may be a filler a caller is more patient: 1.8 s."""
ANSWER_LIMIT_S = 12.0


@dataclass
class Measured:
    """What came of one step; ``*_at_ms`` count from the ACK, on the phone's own clock."""

    calls: int
    caller: int
    kind: str
    text: str
    voice: str
    seconds: float
    said_at_ms: float = 0.0
    """First audible packet sent."""
    ended_at_ms: float = 0.0
    """Last audible packet sent."""
    answered: bool = False
    response_ms: float | None = None
    """Last audible packet sent to first audible packet of the answer, fillers not counted."""
    filler_ms: float | None = None
    """The same to the filler before the answer."""
    source: str = ""
    """How the record calls what answered: ``model``, ``fast_lane`` ..."""
    service_ms: float | None = None
    """The response time that the service wrote down."""
    heard: str = ""
    """The words that the service wrote down for it."""
    spoken_into: bool = False
    """The agent was audible before the utterance was over."""
    stages: dict[str, float] = field(default_factory=dict)
    """When the service had what for it, ms after the last word, as it wrote down."""
    split: bool = False
    """The service took it for more than one turn."""
    barge_in_ms: float | None = None
    stopped_for_good: bool | None = None
    """Backchannel or noise: the agent fell silent and did not go on within 2 s."""

    @property
    def cut_off(self) -> bool:
        """Whether the end of the turn was decided too early, heard or not."""
        return self.spoken_into or self.split

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
        self.phone = OutsidePhone(
            service.host,
            service.port,
            f"bench{number}",
            codec="PCMA" if number % 2 else "PCMU",
            damage=damage,
        )
        self.sip_call_id = self.phone.dialog.call_id
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
                into = index + 1 < len(steps) and steps[index + 1].kind in SPOKEN_INTO
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

    def bursts_ms(self) -> list[tuple[float, float]]:
        """Return begin and end of each run of agent speech, from the ACK."""
        return [(self._at_ms(first), self._at_ms(last)) for first, last in self.phone.bursts()]

    def audio_between(self, begin_ms: float, end_ms: float) -> Samples:
        """Return what was received in a time from the ACK."""
        ack_ns = self.phone.dialog.ack_ns
        return self.phone.audio_between(ack_ns + int(begin_ms * MS), ack_ns + int(end_ms * MS))

    def _at_ms(self, at_ns: int) -> float:
        return (at_ns - self.phone.dialog.ack_ns) / MS

    def _take(self, step: Step, wait: bool) -> None:
        seconds = len(step.samples) / 8_000
        row = Measured(self._calls, self._number, step.kind, step.text, step.voice, seconds)
        self.rows.append(row)
        if step.kind in SPOKEN_INTO:
            self._speak_into(step, row)
        else:
            said = self._note(self.phone.say(step.samples), row)
            self._await_answer(said, row)
        if wait or not row.answered:
            self._wait_quiet(row)

    def _wait_quiet(self, row: Measured) -> None:
        """Wait until the answer is over, as long as a caller would."""
        self.phone.wait_quiet(QUIET_MS)
        first, last = self.bursts_ms()[-1]
        begun = min((b for b, e in self.bursts_ms() if b > row.ended_at_ms), default=first)
        if last - begun < ANSWER_MS:
            self.phone.wait_quiet()

    def _note(self, said: Said, row: Measured) -> Said:
        row.said_at_ms = round(self._at_ms(said.first_ns), 1)
        row.ended_at_ms = round(self._at_ms(said.last_ns), 1)
        return said

    def _await_answer(self, said: Said, row: Measured) -> None:
        answer = self.phone.wait_speech(said.last_ns, ANSWER_LIMIT_S)
        inside = [each for each in self.phone.bursts() if said.first_ns < each[0] <= said.last_ns]
        row.spoken_into = bool(inside)
        row.answered = answer is not None or bool(inside)
        if answer is not None:
            row.response_ms = round((answer[0] - said.last_ns) / MS, 1)

    def _speak_into(self, step: Step, row: Measured) -> None:
        # a filler is shorter: the answer is interrupted
        self.phone.wait_talking(step.into_ms or INTO_ANSWER_MS)
        row.barge_in_ms, said = self.phone.interrupt(step.samples)
        self._note(said, row)
        if step.kind is Kind.INTERRUPTION:
            self._await_answer_after(said, row)
            return
        row.answered = True
        if row.barge_in_ms is None:  # the agent had finished before
            return
        goes_on = any(each[1] > said.last_ns + 400 * MS for each in self.phone.bursts())
        row.stopped_for_good = not (goes_on or self.phone.wait_speech(said.last_ns, 2.0))

    def _await_answer_after(self, said: Said, row: Measured) -> None:
        answer = self.phone.wait_speech(said.last_ns, ANSWER_LIMIT_S)
        row.answered = answer is not None
        row.response_ms = None if answer is None else round((answer[0] - said.last_ns) / MS, 1)
