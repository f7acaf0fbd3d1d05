"""Judge what becomes of a REFER to the caller's trunk (sans-IO part of a transfer).

1. pjsua2 reports a REFER's end twice or never; the first final is latched, and our own timers
   end it.
2. With ``Replaces`` the phone ends its dialog with us *because* it worked, and carriers end theirs
   with or without a final NOTIFY, in any order. So the end of one dialog is no verdict: both gone
   means connected; the caller's alone means that the caller hung up, once ``refer_grace_ms`` have
   passed without the phone's.
3. A blind REFER's first final report is the outcome; where the trunk knows no REFER we ring the
   phone. A dialog that ends after 202 without any report was taken over, after one the caller left.
"""

from __future__ import annotations

from enum import StrEnum

from edge.transfer.events import ReferNews, TransferRules

MS = 1_000_000
REFER_UNKNOWN = frozenset({403, 405, 420, 501, 603})
"""Final answers to REFER after which the trunk is not asked again for a while."""


class Verdict(StrEnum):
    """What an event makes of a REFER."""

    OPEN = "open"
    TAKEN_OVER = "taken_over"
    """Carrier and phone talk to each other."""
    CALLER_LEFT = "caller_left"
    JOIN_INSTEAD = "join_instead"
    """The person is still on the line: media joins the legs."""
    DIAL_INSTEAD = "dial_instead"
    """Nobody was rung: we ring the phone."""
    LOST = "lost"
    """The phone was not reached."""


class Referral:
    """One REFER, from its sending to its verdict.

    Args:
        rules: say whether it is blind, and how long things may take.
        sent_ns: now.
    """

    def __init__(self, rules: TransferRules, sent_ns: int) -> None:
        self.deadline_ns = sent_ns + rules.refer_first_news_ms * MS
        """When ``receive_time`` is due."""
        self.phone_left = False
        self.caller_left = False
        self._rules = rules
        self._sent_ns = sent_ns
        self._reports = 0
        """What the trunk has said, its end not counted."""

    def receive_news(self, news: ReferNews) -> Verdict:
        """Take a response or NOTIFY."""
        if not news.final:
            self._reports += 1
            if not self.caller_left:
                self.deadline_ns = self._sent_ns + self._rules.refer_ms * MS
            return Verdict.OPEN
        if news.sip_status < 300:
            return Verdict.TAKEN_OVER
        if self.caller_left:
            return Verdict.CALLER_LEFT  # nobody is left to join the person with
        if not self._rules.blind:
            return Verdict.JOIN_INSTEAD
        return Verdict.DIAL_INSTEAD if self.is_refused(news) else Verdict.LOST

    def is_refused(self, news: ReferNews) -> bool:
        """Say whether the trunk does not take REFER."""
        # after the first report it is the far end that says no, not the trunk to REFER
        return news.final and news.sip_status in REFER_UNKNOWN and not self._reports

    def receive_phone_gone(self) -> Verdict:
        """Take that the phone has ended its dialog."""
        self.phone_left = True
        return Verdict.TAKEN_OVER if self.caller_left else Verdict.OPEN

    def receive_caller_gone(self, now_ns: int) -> Verdict:
        """Take that the caller's dialog has ended."""
        self.caller_left = True
        if self.phone_left or (self._rules.blind and self._reports == 1):
            return Verdict.TAKEN_OVER
        if self._rules.blind:
            return Verdict.CALLER_LEFT
        self.deadline_ns = now_ns + self._rules.refer_grace_ms * MS
        return Verdict.OPEN

    def receive_time(self, now_ns: int) -> Verdict:
        """Take that time has passed."""
        if now_ns < self.deadline_ns:
            return Verdict.OPEN
        if self.caller_left:
            return Verdict.CALLER_LEFT
        return Verdict.LOST if self._rules.blind else Verdict.JOIN_INSTEAD
