"""What can be true about an attempt, told by what phone and caller did and saw on the wire.

The switchboard sees things in the order in which they reach it. Here only causes are known: what
was sent before the sender learnt that it was over may have been the reason, what came after cannot;
a time-out may have struck if its time had passed at the latest moment that the phone knows of. All
times are readings of one clock. Most stories have one possible outcome; where a hang-up and a key
cross on the wire there are two, and both are true.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.transfer.phone import Dialog

REFUSALS = {486: "busy", 600: "busy", 480: "no_answer", 408: "no_answer", 603: "declined"}
REFUSALS |= {500: "failed", 404: "refused_by_carrier"}
S = 1_000_000_000
NEVER = 1 << 62
DEATH_NS = 6 * S
"""A worker's death is felt for so long: until its successor is there."""
BEEP_PAUSE_NS = S // 4
"""A tone that stops for so long may be a mailbox's beep: media wants 300 ms of quiet, and counts
in packets of 20 ms on a clock of its own."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The queue's time-outs."""

    ring_s: float
    key_s: float


@dataclass(frozen=True, slots=True)
class Story:
    """What one phone lived through; monotonic ns, ``NEVER`` for what did not happen."""

    earliest_ns: int
    """It cannot have been dialled before."""
    closed_ns: int = NEVER
    """It learnt that the switchboard knew that it was over."""
    refused_ns: int = NEVER
    status: int = 0
    answered_ns: int = NEVER
    accepted_ns: int = NEVER
    declined_ns: int = NEVER
    hung_up_ns: int = NEVER
    met: bool = False
    """The caller has heard the person."""
    overheard: bool = False
    """The person has heard the caller, who has heard nothing yet: the key was still pressed."""
    beeped: bool = False
    """The phone's tone stopped as if it were a mailbox's: its machine was too busy to send."""

    @classmethod
    def of(cls, dialog: Dialog, caller: Dialog, earliest_ns: int) -> Story:
        """Return a phone's story from its own notes."""
        keys = {digit: at_ns for digit, at_ns in reversed(dialog.rtp.pressed)}
        met = dialog.phone.tone in caller.heard(earliest_ns)
        end_ns = dialog.ended_ns or dialog.closed_ns or time.monotonic_ns()
        beeped = dialog.answered_ns > 0 and dialog.rtp.paused(
            dialog.answered_ns, end_ns, BEEP_PAUSE_NS
        )
        return cls(
            earliest_ns,
            dialog.closed_ns or NEVER,
            dialog.refused_ns or NEVER,
            dialog.final_status,
            dialog.answered_ns or NEVER,
            keys.get("1", NEVER),
            keys.get("2", NEVER),
            dialog.ended_ns if dialog.left else NEVER,
            met,
            caller.phone.tone in dialog.heard(),
            beeped,
        )

    def outcomes(self, left_ns: int, patience: Patience, deaths_ns: Sequence[int]) -> set[str]:
        """Return every label that could be the true one.

        Args:
            left_ns: when the caller hung up, ``NEVER`` where they did not.
            patience: of the queue.
            deaths_ns: when workers were killed.
        """
        if self.met:
            return {"connected"}
        # joined, and the caller has heard nobody: who is gone then was there and was not
        true = {"connected"} if self.overheard else set()
        if self.refused_ns < self.closed_ns:
            true.add(REFUSALS[self.status])
        if self.declined_ns < min(self.closed_ns, self.accepted_ns):
            true.add("declined")
        if self.hung_up_ns < self.closed_ns:
            # who accepts and hangs up before anything was heard has not been connected
            true.add("agent_hung_up_in_whisper")
            true |= {"failed"} if self.accepted_ns < self.hung_up_ns else set()
        if left_ns < self.closed_ns:
            true.add("caller_left")
        if self.closed_ns - self.earliest_ns >= patience.ring_s * S:
            true |= {"no_answer"} if self.refused_ns == self.answered_ns == NEVER else set()
        if self.closed_ns - self.answered_ns >= patience.key_s * S:
            true.add("timed_out")
        if self.beeped:
            true.add("voicemail")
        if died(deaths_ns, self.earliest_ns, self.closed_ns):
            true.add("failed")
        return true

    def cause_ns(self, patience: Patience, deaths_ns: Sequence[int]) -> int:
        """Return the earliest moment at which it can have been over for the switchboard."""
        struck = [self.earliest_ns + int(patience.ring_s * S)]
        struck += [self.answered_ns + int(patience.key_s * S)]
        struck += [each for each in deaths_ns if each > self.earliest_ns]
        struck += [self.answered_ns] if self.beeped else []
        done = (self.refused_ns, self.declined_ns, self.hung_up_ns, self.closed_ns)
        return max(min(*done, *struck), self.earliest_ns)


def died(deaths_ns: Sequence[int], since_ns: int, until_ns: int) -> bool:
    """Say whether a worker's death could have mattered in a span of time."""
    return any(since_ns - DEATH_NS <= each <= until_ns for each in deaths_ns)


def check(
    outcomes: Sequence[tuple[str, str]],
    stories: dict[str, Story],
    left_ns: int,
    patience: Patience,
    deaths_ns: Sequence[int],
) -> tuple[str, bool]:
    """Compare a record with what happened.

    Args:
        outcomes: (member, outcome) of every attempt recorded, in order.
        stories: by member, of everybody whose phone was called.
        left_ns: when the caller hung up.
        patience: of the queue.
        deaths_ns: when workers were killed.

    Returns:
        What is wrong, empty where nothing is; and whether only one record could have been true
        but for the deaths.
    """
    untold, certain, wrong = dict(stories), True, []
    for member, outcome in outcomes:
        story = untold.pop(member, None)
        if story is not None:
            true = story.outcomes(left_ns, patience, deaths_ns)
            certain &= len(story.outcomes(left_ns, patience, ())) <= 1
        else:  # no INVITE came to the phone
            true = {"caller_left"} if left_ns < NEVER else set()
            true |= {"failed", "no_answer"} if died(deaths_ns, 0, NEVER) else set()
        if outcome not in true:
            wrong.append(f"{member or 'nobody'}: {outcome} is none of {sorted(true)}, {story}")
    wrong += [f"{member} was rung and is not recorded" for member in untold]
    return "; ".join(wrong), certain
