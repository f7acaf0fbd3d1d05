"""Have pjsua2 take each call on its trunk's terms. SIP thread only.

pjsua2 reads what it does about session timers and reliable answers from the account that an INVITE
is for, at the moment in which it makes the dialog; what it keeps in the dialog does not change
when the account does. So the account is changed just before, and only where it has to be: each
change costs 3 microseconds and about 50 bytes that pjsip does not give back (measured).

The interval that a caller asks for, and who refreshes, pjsip takes as they come; they are changed
in the INVITE that it has parsed, as far as RFC 4028 section 9 lets us.
"""

from __future__ import annotations

from dataclasses import replace

import pjsua2 as pj

from edge.ua import pjsip
from edge.ua.extensions import LEAST_S, granted, has_timers, refresher
from edge.ua.received import Passed
from edge.ua.sip_text import SipText
from edge.ua.terms import USUAL, Terms
from media.config.trunks import OnOff

_TIMERS = {
    OnOff.OFF: pj.PJSUA_SIP_TIMER_INACTIVE,
    OnOff.SUPPORTED: pj.PJSUA_SIP_TIMER_OPTIONAL,
    OnOff.REQUIRED: pj.PJSUA_SIP_TIMER_REQUIRED,
}
_RELIABLE = {
    OnOff.OFF: pj.PJSUA_100REL_NOT_USED,
    OnOff.SUPPORTED: pj.PJSUA_100REL_OPTIONAL,
    OnOff.REQUIRED: pj.PJSUA_100REL_MANDATORY,
}


class Accounts:
    """The accounts that take calls in.

    Args:
        expires_s: Session-Expires of terms that name none.
    """

    def __init__(self, expires_s: int) -> None:
        self._expires_s = expires_s
        self._known: dict[int, tuple[pj.Account, pj.AccountConfig]] = {}
        self._in_force: dict[int, Terms] = {}

    def add(self, account: pj.Account, config: pj.AccountConfig) -> None:
        """Take note of an account with the usual terms."""
        number = int(account.getId())
        self._known[number] = account, config
        self._in_force[number] = USUAL

    def forget(self, account: pj.Account) -> None:
        """Drop an account before it is shut down."""
        number = int(account.getId())
        self._known.pop(number, None)
        self._in_force.pop(number, None)

    def prepare(self, passed: Passed, text: SipText, terms: Terms) -> None:
        """Have the INVITE that pjsua2 gets next taken on these terms.

        Args:
            passed: where pjsip keeps it.
            text: the same.
            terms: of its trunk; what it requires has been seen to (:mod:`edge.ua.extensions`).
        """
        # pjsip would answer 422 to a caller that knows nothing of it (RFC 4028 section 9)
        fitting = terms if has_timers(text) else replace(terms, min_s=LEAST_S)
        self._set(pjsip.account_for(passed.rdata), fitting)
        asked_s = pjsip.session_expires(passed.message)
        if asked_s is not None and terms.session_timers is not OnOff.OFF:
            most_s = terms.expires_s or self._expires_s
            pjsip.set_session_expires(
                passed.message, granted(text, asked_s, most_s), refresher(text, terms)
            )

    def prepare_dialling(self, account: pj.Account) -> None:
        """Have the next call out with an account placed on the usual terms."""
        self._set(int(account.getId()), USUAL)

    def write(self, config: pj.AccountConfig, terms: Terms) -> None:
        """Write the terms of calls out into an account's configuration."""
        calls = config.callConfig
        calls.timerUse = _TIMERS[terms.session_timers]
        calls.timerMinSESec = terms.min_s
        calls.timerSessExpiresSec = terms.expires_s or self._expires_s
        calls.prackUse = _RELIABLE[terms.rel100]

    def _set(self, number: int, terms: Terms) -> None:
        if number not in self._known or self._in_force[number] == terms:
            return
        account, config = self._known[number]
        self.write(config, terms)
        calls = config.callConfig
        # pjsip looks for both in Supported only; a caller may name them in Require alone
        if terms.session_timers is OnOff.REQUIRED:
            calls.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
        if terms.rel100 is OnOff.REQUIRED:
            calls.prackUse = pj.PJSUA_100REL_OPTIONAL
        account.modify(config)
        self._in_force[number] = terms
