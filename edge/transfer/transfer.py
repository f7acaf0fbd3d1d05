"""Bring one caller and one person together (sans-IO).

Theory of operation
===================

The floor (:mod:`edge.queues.floor`) decides who is rung; this machine decides what happens to the
caller, to each phone that is rung, and what the truth about each attempt is. It starts when the AI
has said its last word; from its first action on the caller hears music, not silence.

============  =====================================================  ===========================
state         the caller hears                                       we are waiting for
============  =====================================================  ===========================
waiting       music                                                  the floor to name a phone
ringing       music                                                  a phone to answer
whispering    music (the person hears the summary)                   the accept key
joining       music, until media has joined the legs                 media
parting       the person or nothing                                  media: had they been heard?
referring     music                                                  the carrier's NOTIFY
connected     the person                                             somebody to hang up
over          whatever came next
============  =====================================================  ===========================

Rules:

1. The caller is never lost: every way out of here is *connected and done*, *back with the AI* (with
   a reason it can speak about) or *the caller hung up*.
2. One outcome per attempt, fixed once: a later event about that phone changes nothing.
3. When the caller is gone every phone is released in the same step.
4. Two phones may answer at once: the first one has the whisper, the other is released with
   "answered elsewhere" and leaves no outcome, because it did not fail.
5. A REFER that fails falls back to joining the legs: the person is still on the line.
   What becomes of a REFER is judged by :mod:`edge.transfer.referral`.
6. News of media and of phones come by different ways. A hang-up that overtakes "the legs are
   joined", or follows at once, does not decide whether the two were connected: media is asked
   what it has sent. A caller who has not heard the person is not hung up on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edge.queues import events as floor
from edge.transfer import events as e
from edge.transfer.attempt import (
    OFFER_RESULTS,
    Attempt,
    AttemptState,
    Progress,
    ProgressEvent,
    outcome_of,
    outcome_of_status,
)
from edge.transfer.events import Outcome, TransferAction, TransferState
from edge.transfer.referral import Referral, Verdict

_CONNECTING = (TransferState.JOINING, TransferState.PARTING, TransferState.REFERRING)


class Transfer:
    """One caller's way to a person.

    Args:
        ticket: the caller's name on the floor.
        rules: what queue and trunk want.
    """

    def __init__(self, ticket: str, rules: e.TransferRules) -> None:
        self.ticket = ticket
        self.rules = rules
        self.state = TransferState.WAITING
        self.attempts: dict[str, Attempt] = {}
        self.chosen: str | None = None
        self.handed_over = False
        """Carrier and phone talk to each other, nothing of the call is left with us."""
        self._referral: Referral | None = None
        """There is one while referring."""
        self._caller_left = False
        self._parting_status = 200
        self._now_ns = 0

    def start(self, now_ns: int) -> list[TransferAction]:
        """Begin: the AI has said its last word."""
        self._now_ns = now_ns
        return [e.PlayMusic()]

    def receive(self, event: e.TransferEvent, now_ns: int) -> list[TransferAction]:
        """Take one event and return what is to be done, in order."""
        self._now_ns = now_ns
        if self.state is TransferState.OVER:
            return self._when_over(event)
        return _STEPS[type(event)](self, event)

    def next_deadline_ns(self) -> int | None:
        """When TimePassed is due."""
        times = [a.deadline_ns for a in self.attempts.values() if a.deadline_ns is not None]
        times += [self._referral.deadline_ns] if self._referral is not None else []
        return min(times, default=None)

    # ------------------------------------------------------------ the floor

    def _on_ring(self, event: e.RingWanted) -> list[TransferAction]:
        if self.rules.blind and self.chosen is not None:
            return []  # one at a time: the floor is about to take the other offers back
        times = e.AttemptTimes(self._now_ns)
        attempt = Attempt(event.member, times, ring_timeout_ms=event.timeout_ms)
        self.attempts[event.member] = attempt
        return self._refer_blindly(attempt) if self.rules.blind else self._dial(attempt)

    def _dial(self, attempt: Attempt) -> list[TransferAction]:
        attempt.dial(self._now_ns)
        if self.state is TransferState.WAITING:
            self.state = TransferState.RINGING
        return [e.DialPhone(attempt.member)]

    def _refer_blindly(self, attempt: Attempt) -> list[TransferAction]:
        self.chosen = attempt.member
        picked = e.TellFloor(floor.OfferPickedUp(self.ticket, attempt.member))
        return [picked, *self._take(attempt)]

    def _on_unwanted(self, event: e.RingUnwanted) -> list[TransferAction]:
        attempt = self.attempts.get(event.member)
        if attempt is None or event.member == self.chosen:
            return []
        del self.attempts[event.member]
        return [e.ReleasePhone(event.member, event.answered_elsewhere)]

    def _on_gave_up(self, event: e.QueueGaveUp) -> list[TransferAction]:
        return [*self._release_all(Outcome.NO_ANSWER), *self._back(event.reason.value)]

    # ------------------------------------------------------------ a phone

    def _on_progress(self, event: ProgressEvent) -> list[TransferAction]:
        attempt = self.attempts.get(event.member)
        if attempt is None:
            return []
        return self._follow(attempt, attempt.receive(event, self.rules, self._now_ns))

    def _follow(self, attempt: Attempt, progress: Progress | Outcome) -> list[TransferAction]:
        match progress:
            case Progress.NONE:
                return []
            case Progress.WHISPER:
                return [e.Whisper(attempt.member)]
            case Progress.ACCEPTED:
                return self._take(attempt)
            case _:
                sip_status = 408 if progress is Outcome.NO_ANSWER else 200
                return self._lose(attempt, progress, sip_status, release=True)

    def _on_answered(self, event: e.PhoneAnswered) -> list[TransferAction]:
        attempt = self.attempts.get(event.member)
        if attempt is None or self.chosen not in (None, event.member):
            self.attempts.pop(event.member, None)
            return [e.ReleasePhone(event.member, answered_elsewhere=True)]
        if attempt.answered:
            return []  # a re-INVITE from the phone: nothing changes for the transfer
        self.chosen = event.member
        picked = e.TellFloor(floor.OfferPickedUp(self.ticket, event.member))
        progress = attempt.answer(self.rules, self._now_ns)
        if progress is Progress.WHISPER:
            self.state = TransferState.WHISPERING
        return [picked, *self._follow(attempt, progress)]

    def _on_phone_gone(self, event: e.PhoneGone) -> list[TransferAction]:
        attempt = self.attempts.get(event.member)
        if attempt is None:
            return []
        if self.chosen not in (None, event.member):
            return self._lose(attempt, outcome_of(attempt, event.sip_status), event.sip_status)
        joining = self.state in (TransferState.JOINING, TransferState.CONNECTED)
        if event.member == self.chosen and joining and attempt.unproven(self._now_ns):
            self.state, self._parting_status = TransferState.PARTING, event.sip_status
            return [e.SplitLegs()]
        if self.state is TransferState.PARTING:
            return []
        if self.state is TransferState.CONNECTED:
            return self._human_hung_up(attempt, event.sip_status)
        if self._referral is not None and event.sip_status < 300:
            return self._obey(self._referral.receive_phone_gone())
        return self._lose(attempt, outcome_of(attempt, event.sip_status), event.sip_status)

    def _lose(
        self, attempt: Attempt, outcome: Outcome, sip_status: int, release: bool = False
    ) -> list[TransferAction]:
        """End an attempt without a connection; the floor names the next phone."""
        ended = attempt.end(outcome, sip_status, self._now_ns)
        del self.attempts[attempt.member]
        resume = self._look_further() if self.chosen in (None, attempt.member) else []
        result = OFFER_RESULTS.get(outcome, floor.OfferResult.FAILED)
        told = e.TellFloor(floor.OfferEnded(self.ticket, attempt.member, result))
        released = [e.ReleasePhone(attempt.member)] if release else []
        return [*released, ended, *resume, told]

    def _look_further(self) -> list[TransferAction]:
        """Wait for another phone; the end of one that was not chosen must not lead here."""
        resume: list[TransferAction] = [e.PlayMusic()] if self.state in _CONNECTING else []
        self.chosen = self._referral = None
        ringing = any(a.state is not AttemptState.OVER for a in self.attempts.values())
        self.state = TransferState.RINGING if ringing else TransferState.WAITING
        return resume

    # ------------------------------------------------------------ connecting

    def _take(self, attempt: Attempt) -> list[TransferAction]:
        attempt.take(self._now_ns)
        if self.rules.connect is not e.Connect.BRIDGE:
            self.state = TransferState.REFERRING
            self._referral = Referral(self.rules, self._now_ns)
            return [e.SendRefer(attempt.member, self.rules.blind)]
        self.state = TransferState.JOINING
        return [e.JoinLegs(attempt.member)]

    def _on_joined(self, event: e.LegsJoined) -> list[TransferAction]:
        if self.state is not TransferState.JOINING or self.chosen is None:
            return []
        return self._connected(self.attempts[self.chosen])

    def _connected(self, attempt: Attempt) -> list[TransferAction]:
        self.state = TransferState.CONNECTED
        attempt.stamp("connected_ns", self._now_ns)
        return [e.TellFloor(floor.OfferAccepted(self.ticket, attempt.member))]

    def _on_join_failed(self, event: e.JoinFailed) -> list[TransferAction]:
        if self.state is not TransferState.JOINING or self.chosen is None:
            return []
        return self._lose(self.attempts[self.chosen], Outcome.FAILED, 500, release=True)

    def _on_split(self, event: e.LegsSplit) -> list[TransferAction]:
        if self.state is not TransferState.PARTING or self.chosen is None:
            return []
        attempt = self.attempts[self.chosen]
        joined = attempt.times.connected_ns is not None
        told = self._connected(attempt) if event.heard and not joined else []
        if joined:
            self.state = TransferState.CONNECTED
        if self._caller_left:
            return [*told, *self._caller_left_us()]
        if event.heard:
            return [*told, *self._human_hung_up(attempt, self._parting_status)]
        if not joined:
            return self._lose(attempt, Outcome.FAILED, self._parting_status)
        ended = attempt.end(Outcome.FAILED, self._parting_status, self._now_ns)
        freed = e.TellFloor(floor.TalkEnded(attempt.member))
        return [ended, freed, e.PlayMusic(), *self._back("human_lost")]

    # ------------------------------------------------------------ referring

    def _on_refer(self, event: e.ReferNews) -> list[TransferAction]:
        referral = self._referral
        if referral is None:
            return []
        refused = [e.ReferRefused(event.sip_status)] if referral.is_refused(event) else []
        lost = outcome_of_status(event.sip_status)
        return [*refused, *self._obey(referral.receive_news(event), event.sip_status, lost)]

    def _obey(
        self, verdict: Verdict, sip_status: int = 200, lost: Outcome = Outcome.FAILED
    ) -> list[TransferAction]:
        """Do what a verdict demands; ``lost`` is the outcome where the phone was not reached."""
        assert self.chosen is not None and self._referral is not None
        attempt, referral = self.attempts[self.chosen], self._referral
        match verdict:
            case Verdict.OPEN:
                return []
            case Verdict.TAKEN_OVER:
                return self._taken_over(attempt, referral, sip_status)
            case Verdict.CALLER_LEFT:
                return self._caller_left_us()
            case Verdict.JOIN_INSTEAD:
                return self._join_instead(attempt, referral)
            case Verdict.DIAL_INSTEAD:
                return self._dial_instead(attempt)
            case Verdict.LOST:
                return self._lose(attempt, lost, sip_status)

    def _taken_over(
        self, attempt: Attempt, referral: Referral, sip_status: int
    ) -> list[TransferAction]:
        """Carrier and phone talk to each other: nothing of the call is left with us."""
        told = self._connected(attempt)
        self.state = TransferState.OVER
        self.handed_over = True
        self._referral = None
        ended = attempt.end(Outcome.CONNECTED, sip_status, self._now_ns)
        gone = e.TellFloor(floor.TalkEnded(attempt.member))
        caller = [] if referral.caller_left else [e.ReleaseCaller()]
        phone = [] if referral.phone_left else [e.ReleasePhone(attempt.member)]
        return [*told, ended, *caller, *phone, gone]

    def _join_instead(self, attempt: Attempt, referral: Referral) -> list[TransferAction]:
        """Let media join the legs: the person is still on the line."""
        if referral.phone_left:
            return self._lose(attempt, Outcome.FAILED, 200)
        self._referral = None
        self.state = TransferState.JOINING
        return [e.JoinLegs(attempt.member)]

    def _dial_instead(self, attempt: Attempt) -> list[TransferAction]:
        """Ring the phone ourselves: the trunk knows no REFER."""
        self.rules = dataclasses.replace(self.rules, connect=e.Connect.BRIDGE)
        self.chosen = self._referral = None
        self.state = TransferState.RINGING
        return self._dial(attempt)

    # ------------------------------------------------------------ ends

    def _human_hung_up(self, attempt: Attempt, sip_status: int) -> list[TransferAction]:
        ended = attempt.end(Outcome.CONNECTED, sip_status, self._now_ns)
        told = e.TellFloor(floor.TalkEnded(attempt.member))
        self.state = TransferState.OVER
        # a phone whose worker died did not hang up: its caller must not be hung up on
        if self.rules.after_hangup is e.AfterHangup.BACK_TO_AGENT or sip_status >= 300:
            reason = "human_finished" if sip_status < 300 else "human_lost"
            return [ended, told, e.PlayMusic(), e.BackToAgent(reason)]
        return [ended, told, e.EndCall()]

    def _on_caller_gone(self, event: e.CallerGone) -> list[TransferAction]:
        if self._referral is not None:
            return self._obey(self._referral.receive_caller_gone(self._now_ns))
        if self.state in (TransferState.JOINING, TransferState.PARTING) and self.chosen is not None:
            self._caller_left = True
            ask = [e.SplitLegs()] if self.state is TransferState.JOINING else []
            self.state = TransferState.PARTING
            return [e.ReleasePhone(self.chosen), *ask]
        return self._caller_left_us()

    def _caller_left_us(self) -> list[TransferAction]:
        connected = self.state is TransferState.CONNECTED
        actions = self._release_all(Outcome.CONNECTED if connected else Outcome.CALLER_LEFT)
        if connected and self.chosen is not None:
            actions.append(e.TellFloor(floor.TalkEnded(self.chosen)))
        else:
            actions.append(e.TellFloor(floor.CallerLeft(self.ticket)))
        self.state = TransferState.OVER
        return actions

    def _on_cancelled(self, event: e.Cancelled) -> list[TransferAction]:
        connected = self.state is TransferState.CONNECTED
        gone = self._release_all(Outcome.CONNECTED if connected else Outcome.FAILED)
        left = e.TellFloor(floor.CallerLeft(self.ticket))
        if connected and self.chosen is not None:
            left = e.TellFloor(floor.TalkEnded(self.chosen))
        return [*gone, left, *self._back("cancelled")]

    def _back(self, reason: str) -> list[TransferAction]:
        self.state = TransferState.OVER
        return [e.BackToAgent(reason)]

    def _release_all(self, outcome: Outcome) -> list[TransferAction]:
        actions: list[TransferAction] = []
        for attempt in list(self.attempts.values()):
            actions.append(e.ReleasePhone(attempt.member))
            actions.append(attempt.end(outcome, 0, self._now_ns))
        self.attempts.clear()
        self._referral = None
        return actions

    def _on_time(self, event: e.TimePassed) -> list[TransferAction]:
        actions: list[TransferAction] = []
        if self._referral is not None:
            verdict = self._referral.receive_time(self._now_ns)
            actions += self._obey(verdict, 408, Outcome.TIMED_OUT)
        for attempt in list(self.attempts.values()):
            actions += self._follow(attempt, attempt.receive_time(self.rules, self._now_ns))
        return actions

    def _when_over(self, event: e.TransferEvent) -> list[TransferAction]:
        # what was on its way when we ended must not leave a phone ringing or answered
        if isinstance(event, e.PhoneAnswered):
            return [e.ReleasePhone(event.member)]
        return []


_STEPS: dict[type, Callable[..., list[TransferAction]]] = {
    e.RingWanted: Transfer._on_ring,
    e.RingUnwanted: Transfer._on_unwanted,
    e.QueueGaveUp: Transfer._on_gave_up,
    e.PhoneRings: Transfer._on_progress,
    e.PhoneAnswered: Transfer._on_answered,
    e.PhoneGone: Transfer._on_phone_gone,
    e.PhoneKey: Transfer._on_progress,
    e.WhisperEnded: Transfer._on_progress,
    e.VoicemailHeard: Transfer._on_progress,
    e.VoicemailSuspected: Transfer._on_progress,
    e.LegsJoined: Transfer._on_joined,
    e.JoinFailed: Transfer._on_join_failed,
    e.LegsSplit: Transfer._on_split,
    e.ReferNews: Transfer._on_refer,
    e.CallerGone: Transfer._on_caller_gone,
    e.Cancelled: Transfer._on_cancelled,
    e.TimePassed: Transfer._on_time,
}
