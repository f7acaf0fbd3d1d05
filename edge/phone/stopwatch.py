"""Match the far end's speech to what the phone said, and measure (pure functions).

====================  ====================================================================
figure                definition
====================  ====================================================================
response              first audible packet of the answer - last audible packet of ours
barge-in              last audible packet of the interrupted speech - our first audible one
cut off               a burst began while our utterance was not yet over
====================  ====================================================================

Arrival and departure are of RTP packets at the phone's own socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.phone.hearing import MS, Burst

_STILL_TALKING_NS = 400 * MS
"""A burst that begins so soon after an interruption belongs to the interrupted speech."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance of the phone: departure of its first and last audible packet."""

    first_ns: int
    last_ns: int
    interrupts: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the far end did with one utterance."""

    response_ms: float | None
    """None where no answer came; negative where it began before the utterance was over."""
    began_ns: int | None
    ended_ns: int | None
    barge_in_ms: float | None
    """None where the utterance interrupted nothing."""
    cut_off: bool
    """The far end began to speak inside the utterance."""


def measure(spoken: Spoken, bursts: Sequence[Burst], until_ns: int | None = None) -> Answer:
    """Measure the answer to one utterance.

    Args:
        spoken: the utterance.
        bursts: of the far end, in order.
        until_ns: when the phone spoke next; later bursts are not this one's answer.
    """
    ours = [each for each in bursts if until_ns is None or each.first_ns < until_ns]
    stopped = _interrupted_burst(spoken, ours) if spoken.interrupts else None
    inside = [
        each
        for each in ours
        if spoken.first_ns < each.first_ns <= spoken.last_ns and each is not stopped
    ]
    after = [each for each in ours if each.first_ns > spoken.last_ns and each is not stopped]
    overlapping = [each for each in inside if each.last_ns > spoken.last_ns]
    answer = after[0] if after else None
    if overlapping:
        answer = overlapping[0]
    return Answer(
        response_ms=None if answer is None else (answer.first_ns - spoken.last_ns) / MS,
        began_ns=None if answer is None else answer.first_ns,
        ended_ns=None if answer is None else _last_of(answer, ours),
        barge_in_ms=None if stopped is None else max(0.0, (stopped.last_ns - spoken.first_ns) / MS),
        cut_off=bool(inside),
    )


def _interrupted_burst(spoken: Spoken, bursts: Sequence[Burst]) -> Burst | None:
    for each in bursts:
        if each.first_ns <= spoken.first_ns <= each.last_ns:
            return each
        if 0 < each.first_ns - spoken.first_ns <= _STILL_TALKING_NS:
            return each
    return None


def _last_of(answer: Burst, bursts: Sequence[Burst]) -> int:
    return max(each.last_ns for each in bursts if each.first_ns >= answer.first_ns)
