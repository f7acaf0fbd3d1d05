"""Follow one phone from the dialling to its outcome (sans-IO part of a transfer).

========== ===============================================================
state      meaning
========== ===============================================================
dialing    INVITE is out, nothing but 100 came
ringing    18x came
whisper    answered, the summary is being played
key        the whisper ended, the key is awaited
taken      accepted; caller and phone are being, or are, connected
over       the dialog is gone or being released; the outcome is fixed
========== ===============================================================
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from edge.queues.events import OfferResult
from edge.transfer.events import (
    Accept,
    AttemptEnded,
    AttemptTimes,
    Outcome,
    PhoneKey,
    PhoneRings,
    TransferRules,
    VoicemailHeard,
    VoicemailSuspected,
    WhisperEnded,
)

MS = 1_000_000
UNPROVEN_MS = 1_000
"""A person who hangs up sooner after the join has perhaps not been heard by the caller."""
BUSY_STATUSES = frozenset({486, 600})
"""RFC 3261 21.4.24 and 21.6.1."""
DECLINED_STATUSES = frozenset({603, 607, 608})
"""Decline (RFC 3261 21.6.2), Unwanted (RFC 8197), Rejected (RFC 8688)."""
NO_ANSWER_STATUSES = frozenset({408, 480, 487})
REFUSED_STATUSES = frozenset({401, 403, 404, 405, 407, 410, 420, 484, 485, 488, 501, 606})

OFFER_RESULTS = {
    Outcome.DECLINED: OfferResult.DECLINED,
    Outcome.BUSY: OfferResult.BUSY,
    Outcome.NO_ANSWER: OfferResult.NO_ANSWER,
    Outcome.TIMED_OUT: OfferResult.NO_ANSWER,
    Outcome.VOICEMAIL: OfferResult.NO_ANSWER,
    Outcome.HUNG_UP_IN_WHISPER: OfferResult.HUNG_UP,
}
"""How the floor sees an outcome; what is not here is FAILED."""


class AttemptState(StrEnum):
    """See the table above."""

    DIALING = "dialing"
    RINGING = "ringing"
    WHISPER = "whisper"
    KEY = "key"
    TAKEN = "taken"
    OVER = "over"


class Progress(StrEnum):
    """What is to be done with a phone that may still be the one."""

    NONE = "none"
    WHISPER = "whisper"
    """Let it hear the summary (again)."""
    ACCEPTED = "accepted"
    """Connect it with the caller."""


ProgressEvent = PhoneRings | PhoneKey | WhisperEnded | VoicemailHeard | VoicemailSuspected


@dataclass(slots=True)
class Attempt:
    """One phone's part in a transfer."""

    member: str
    times: AttemptTimes
    state: AttemptState = AttemptState.DIALING
    ring_timeout_ms: int = 0
    deadline_ns: int | None = None
    """When the present state ends by itself."""
    outcome: Outcome | None = None
    suspected: bool = False
    """Whoever answered talks like a machine."""

    def stamp(self, name: str, now_ns: int) -> None:
        """Note when something happened; the first time counts."""
        if getattr(self.times, name) is None:
            self.times = dataclasses.replace(self.times, **{name: now_ns})

    def dial(self, now_ns: int) -> None:
        """Begin to be rung, from the start if it was waited for otherwise before."""
        self.state = AttemptState.DIALING
        self.times = AttemptTimes(now_ns)
        self.deadline_ns = now_ns + self.ring_timeout_ms * MS

    def answer(self, rules: TransferRules, now_ns: int) -> Progress:
        """Take that the phone was answered."""
        self.stamp("answered_ns", now_ns)
        if rules.accept is Accept.PICK_UP:
            return Progress.ACCEPTED
        return self._whisper(rules, now_ns)

    def receive(
        self, event: ProgressEvent, rules: TransferRules, now_ns: int
    ) -> Progress | Outcome:
        """Take news of this phone; an outcome means that it is not the one."""
        match event:
            case PhoneRings() if self.state is AttemptState.DIALING:
                self.state = AttemptState.RINGING
                self.stamp("ringing_ns", now_ns)
            case WhisperEnded() if self.state is AttemptState.WHISPER:
                self._await_key(rules, now_ns)
            case PhoneKey(digit=digit) if self.state in (AttemptState.WHISPER, AttemptState.KEY):
                return self._press(digit, rules, now_ns)
            case VoicemailHeard() if self.state is not AttemptState.TAKEN:
                return Outcome.VOICEMAIL
            case VoicemailSuspected():
                self.suspected = True
        return Progress.NONE

    def receive_time(self, rules: TransferRules, now_ns: int) -> Progress | Outcome:
        """Take that time has passed; an outcome means that it was too much."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return Progress.NONE
        if self.state is AttemptState.WHISPER:
            self._await_key(rules, now_ns)
            return Progress.NONE
        if self.state is AttemptState.KEY:
            return Outcome.VOICEMAIL if self.suspected else Outcome.TIMED_OUT
        return Outcome.NO_ANSWER

    def take(self, now_ns: int) -> None:
        """Be the one who is connected with the caller."""
        self.stamp("accepted_ns", now_ns)
        self.state = AttemptState.TAKEN
        self.deadline_ns = None

    def unproven(self, now_ns: int) -> bool:
        """Say whether the join is not done or so young that maybe nothing was heard."""
        return now_ns - (self.times.connected_ns or now_ns) < UNPROVEN_MS * MS

    def _whisper(self, rules: TransferRules, now_ns: int) -> Progress:
        self.state = AttemptState.WHISPER
        self.deadline_ns = now_ns + rules.whisper_timeout_ms * MS
        return Progress.WHISPER

    def _await_key(self, rules: TransferRules, now_ns: int) -> None:
        self.state = AttemptState.KEY
        self.stamp("whisper_ended_ns", now_ns)
        self.deadline_ns = now_ns + rules.accept_timeout_ms * MS

    def _press(self, digit: str, rules: TransferRules, now_ns: int) -> Progress | Outcome:
        if digit == rules.accept_key:
            return Progress.ACCEPTED
        if digit == rules.decline_key:
            return Outcome.DECLINED
        return self._whisper(rules, now_ns) if digit == rules.repeat_key else Progress.NONE

    def end(self, outcome: Outcome, sip_status: int, now_ns: int) -> AttemptEnded:
        """Fix the outcome."""
        self.state = AttemptState.OVER
        self.deadline_ns = None
        self.outcome = outcome
        self.stamp("ended_ns", now_ns)
        return AttemptEnded(self.member, outcome, sip_status, self.times)

    @property
    def answered(self) -> bool:
        """Whether the phone's dialog is up."""
        return self.state in (AttemptState.WHISPER, AttemptState.KEY, AttemptState.TAKEN)


def outcome_of(attempt: Attempt, sip_status: int) -> Outcome:
    """Say what the end of a phone's dialog means, by where the attempt was."""
    if attempt.state is AttemptState.TAKEN:
        return Outcome.CONNECTED if attempt.times.connected_ns else Outcome.FAILED
    if attempt.answered:
        hung_up = Outcome.VOICEMAIL if attempt.suspected else Outcome.HUNG_UP_IN_WHISPER
        return hung_up if sip_status < 300 else Outcome.FAILED
    return outcome_of_status(sip_status)


def outcome_of_status(sip_status: int) -> Outcome:
    """Say what a final status of 300 or more means, of a phone or in a carrier's report of it."""
    if sip_status in BUSY_STATUSES:
        return Outcome.BUSY
    if sip_status in DECLINED_STATUSES:
        return Outcome.DECLINED
    if sip_status in NO_ANSWER_STATUSES:
        return Outcome.NO_ANSWER
    if sip_status in REFUSED_STATUSES:
        return Outcome.REFUSED_BY_CARRIER
    return Outcome.FAILED
