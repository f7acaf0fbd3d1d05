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
2. One outcome per attempt, fixed once: a later event about that phone changes nothing. pjsua2
   reports a REFER's end twice or never; the first final is latched, and our own timers end it.
3. When the caller is gone every phone is released in the same step.
4. Two phones may answer at once: the first one has the whisper, the other is released with
   "answered elsewhere" and leaves no outcome, because it did not fail.
5. A REFER that fails falls back to joining the legs: the person is still on the line.
6. With ``Replaces`` the phone ends its dialog with us *because* it worked, and carriers end theirs
   with or without a final NOTIFY, in any order. So while referring the end of one dialog is no
   verdict: both gone means connected; the caller's alone means that the caller hung up, once
   ``refer_grace_ms`` have passed without the phone's.
7. A blind REFER's first final report is the outcome; where the trunk knows no REFER we ring the
   phone. A dialog that ends after 202 without any report was taken over, after one the caller left.
8. News of media and of phones come by different ways. A hang-up that overtakes "the legs are
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
    REFER_UNKNOWN,
    Attempt,
    AttemptState,
    outcome_of,
    outcome_of_status,
)
from edge.transfer.events import Outcome, TransferAction, TransferState

MS = 1_000_000
UNPROVEN_MS = 1_000
"""A person who hangs up sooner after the join has perhaps not been heard by the caller."""


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
        self._refer_deadline_ns: int | None = None
        self._phone_left = False
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
        times += [self._refer_deadline_ns] if self._refer_deadline_ns is not None else []
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
        attempt.deadline_ns = self._now_ns + attempt.ring_timeout_ms * MS
        if self.state is TransferState.WAITING:
            self.state = TransferState.RINGING
        return [e.DialPhone(attempt.member)]

    def _refer_blindly(self, attempt: Attempt) -> list[TransferAction]:
        self.chosen = attempt.member
        picked = e.TellFloor(floor.OfferPickedUp(self.ticket, attempt.member))
        return [picked, *self._take(attempt)]

    def _on_unwanted(self, event: e.RingUnwanted) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is None or event.member == self.chosen:
            return []
        del self.attempts[event.member]
        return [e.ReleasePhone(event.member, event.answered_elsewhere)]

    def _on_gave_up(self, event: e.QueueGaveUp) -> list[TransferAction]:
        return [*self._release_all(Outcome.NO_ANSWER), *self._back(event.reason.value)]

    # ------------------------------------------------------------ a phone

    def _on_rings(self, event: e.PhoneRings) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is not None and attempt.state is AttemptState.DIALING:
            attempt.state = AttemptState.RINGING
            attempt.stamp("ringing_ns", self._now_ns)
        return []

    def _on_answered(self, event: e.PhoneAnswered) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is None or self.chosen not in (None, event.member):
            self.attempts.pop(event.member, None)
            return [e.ReleasePhone(event.member, answered_elsewhere=True)]
        if attempt.answered:
            return []  # a re-INVITE from the phone: nothing changes for the transfer
        attempt.stamp("answered_ns", self._now_ns)
        self.chosen = event.member
        picked = e.TellFloor(floor.OfferPickedUp(self.ticket, event.member))
        if self.rules.accept is e.Accept.PICK_UP:
            return [picked, *self._take(attempt)]
        self.state = TransferState.WHISPERING
        attempt.state = AttemptState.WHISPER
        attempt.deadline_ns = self._now_ns + self.rules.whisper_timeout_ms * MS
        return [picked, e.Whisper(event.member)]

    def _on_whisper_ended(self, event: e.WhisperEnded) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is not None and attempt.state is AttemptState.WHISPER:
            self._await_key(attempt)
        return []

    def _await_key(self, attempt: Attempt) -> None:
        attempt.state = AttemptState.KEY
        attempt.stamp("whisper_ended_ns", self._now_ns)
        attempt.deadline_ns = self._now_ns + self.rules.accept_timeout_ms * MS

    def _on_key(self, event: e.PhoneKey) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is None or attempt.state not in (AttemptState.WHISPER, AttemptState.KEY):
            return []
        if event.digit == self.rules.accept_key:
            return self._take(attempt)
        if event.digit == self.rules.decline_key:
            return self._lose(attempt, Outcome.DECLINED, 200, release=True)
        if event.digit == self.rules.repeat_key:
            attempt.state = AttemptState.WHISPER
            attempt.deadline_ns = self._now_ns + self.rules.whisper_timeout_ms * MS
            return [e.Whisper(event.member)]
        return []

    def _on_voicemail(self, event: e.VoicemailHeard) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is None or attempt.state is AttemptState.TAKEN:
            return []
        return self._lose(attempt, Outcome.VOICEMAIL, 200, release=True)

    def _on_suspected(self, event: e.VoicemailSuspected) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is not None:
            attempt.suspected = True
        return []

    def _on_phone_gone(self, event: e.PhoneGone) -> list[TransferAction]:
        attempt = self._live(event.member)
        if attempt is None:
            return []
        if event.member == self.chosen and self._unproven(attempt):
            self.state, self._parting_status = TransferState.PARTING, event.sip_status
            return [e.SplitLegs()]
        if self.state is TransferState.PARTING:
            return []
        if self.state is TransferState.CONNECTED:
            return self._human_hung_up(attempt, event.sip_status)
        if self.state is TransferState.REFERRING and event.sip_status < 300:
            self._phone_left = True
            return self._referred(attempt, 200) if self._caller_left else []
        return self._lose(attempt, outcome_of(attempt, event.sip_status), event.sip_status)

    def _lose(
        self, attempt: Attempt, outcome: Outcome, sip_status: int, release: bool = False
    ) -> list[TransferAction]:
        """End an attempt without a connection; the floor names the next phone."""
        ended = attempt.end(outcome, sip_status, self._now_ns)
        del self.attempts[attempt.member]
        if self.chosen == attempt.member:
            self.chosen = None
        self._refer_deadline_ns, self._phone_left = None, False
        resume = [e.PlayMusic()] if self.state in _CONNECTING else []
        ringing = any(a.state is not AttemptState.OVER for a in self.attempts.values())
        self.state = TransferState.RINGING if ringing else TransferState.WAITING
        result = OFFER_RESULTS.get(outcome, floor.OfferResult.FAILED)
        told = e.TellFloor(floor.OfferEnded(self.ticket, attempt.member, result))
        released = [e.ReleasePhone(attempt.member)] if release else []
        return [*released, ended, *resume, told]

    # ------------------------------------------------------------ connecting

    def _take(self, attempt: Attempt) -> list[TransferAction]:
        attempt.stamp("accepted_ns", self._now_ns)
        attempt.state = AttemptState.TAKEN
        attempt.deadline_ns = None
        if self.rules.connect is not e.Connect.BRIDGE:
            self.state = TransferState.REFERRING
            self._refer_deadline_ns = self._now_ns + self.rules.refer_first_news_ms * MS
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

    def _unproven(self, attempt: Attempt) -> bool:
        """Whether the two are being joined, or have just been, so that maybe nothing was heard."""
        since_ns = attempt.times.connected_ns or self._now_ns
        young = self._now_ns - since_ns < UNPROVEN_MS * MS
        return young and self.state in (TransferState.JOINING, TransferState.CONNECTED)

    def _on_refer(self, event: e.ReferNews) -> list[TransferAction]:
        if self.state is not TransferState.REFERRING or self.chosen is None:
            return []
        attempt = self.attempts[self.chosen]
        if not event.final:
            assert attempt.times.accepted_ns is not None
            attempt.reports += 1
            self._refer_deadline_ns = attempt.times.accepted_ns + self.rules.refer_ms * MS
            return []
        if event.sip_status < 300:
            return self._referred(attempt, event.sip_status)
        # after the first report it is the far end that says no, not the trunk to REFER
        unknown = event.sip_status in REFER_UNKNOWN and not attempt.reports
        refused = [e.ReferRefused(event.sip_status)] if unknown else []
        if not self.rules.blind:
            return [*refused, *self._bridge_instead()]
        if unknown:
            return [*refused, *self._dial_instead(attempt)]
        return self._lose(attempt, outcome_of_status(event.sip_status), event.sip_status)

    def _dial_instead(self, attempt: Attempt) -> list[TransferAction]:
        """Ring the phone ourselves: the trunk knows no REFER."""
        self.rules = dataclasses.replace(self.rules, connect=e.Connect.BRIDGE)
        attempt.state = AttemptState.DIALING
        attempt.times = e.AttemptTimes(self._now_ns)
        self.chosen = self._refer_deadline_ns = None
        self.state = TransferState.RINGING
        return self._dial(attempt)

    def _referred(self, attempt: Attempt, sip_status: int) -> list[TransferAction]:
        """Carrier and phone talk to each other: nothing of the call is left with us."""
        told = self._connected(attempt)
        self.state = TransferState.OVER
        self.handed_over = True
        self._refer_deadline_ns = None
        ended = attempt.end(Outcome.CONNECTED, sip_status, self._now_ns)
        gone = e.TellFloor(floor.TalkEnded(attempt.member))
        caller = [] if self._caller_left else [e.ReleaseCaller()]
        phone = [] if self._phone_left else [e.ReleasePhone(attempt.member)]
        return [*told, ended, *caller, *phone, gone]

    def _bridge_instead(self) -> list[TransferAction]:
        assert self.chosen is not None
        self._refer_deadline_ns = None
        if self._phone_left:
            return self._lose(self.attempts[self.chosen], Outcome.FAILED, 200)
        self.state = TransferState.JOINING
        return [e.JoinLegs(self.chosen)]

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
        if self.state is TransferState.REFERRING and self.chosen is not None:
            attempt = self.attempts[self.chosen]
            self._caller_left = True
            if self._phone_left or (self.rules.blind and attempt.reports == 1):
                return self._referred(attempt, 200)
            if self.rules.blind:
                return self._caller_left_us()
            self._refer_deadline_ns = self._now_ns + self.rules.refer_grace_ms * MS
            return []
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
        self._refer_deadline_ns = None
        return actions

    def _on_time(self, event: e.TimePassed) -> list[TransferAction]:
        actions: list[TransferAction] = []
        if self._refer_deadline_ns is not None and self._now_ns >= self._refer_deadline_ns:
            if self._caller_left:
                return self._caller_left_us()
            if self.rules.blind and self.chosen is not None:
                return self._lose(self.attempts[self.chosen], Outcome.TIMED_OUT, 408)
            actions += self._bridge_instead()
        for attempt in list(self.attempts.values()):
            if attempt.deadline_ns is None or self._now_ns < attempt.deadline_ns:
                continue
            if attempt.state is AttemptState.WHISPER:
                self._await_key(attempt)
            elif attempt.state is AttemptState.KEY:
                outcome = Outcome.VOICEMAIL if attempt.suspected else Outcome.TIMED_OUT
                actions += self._lose(attempt, outcome, 200, release=True)
            else:
                actions += self._lose(attempt, Outcome.NO_ANSWER, 408, release=True)
        return actions

    def _when_over(self, event: e.TransferEvent) -> list[TransferAction]:
        # what was on its way when we ended must not leave a phone ringing or answered
        if isinstance(event, e.PhoneAnswered):
            return [e.ReleasePhone(event.member)]
        return []

    def _live(self, member: str) -> Attempt | None:
        return self.attempts.get(member)


_STEPS: dict[type, Callable[..., list[TransferAction]]] = {
    e.RingWanted: Transfer._on_ring,
    e.RingUnwanted: Transfer._on_unwanted,
    e.QueueGaveUp: Transfer._on_gave_up,
    e.PhoneRings: Transfer._on_rings,
    e.PhoneAnswered: Transfer._on_answered,
    e.PhoneGone: Transfer._on_phone_gone,
    e.PhoneKey: Transfer._on_key,
    e.WhisperEnded: Transfer._on_whisper_ended,
    e.VoicemailHeard: Transfer._on_voicemail,
    e.VoicemailSuspected: Transfer._on_suspected,
    e.LegsJoined: Transfer._on_joined,
    e.JoinFailed: Transfer._on_join_failed,
    e.LegsSplit: Transfer._on_split,
    e.ReferNews: Transfer._on_refer,
    e.CallerGone: Transfer._on_caller_gone,
    e.Cancelled: Transfer._on_cancelled,
    e.TimePassed: Transfer._on_time,
}
