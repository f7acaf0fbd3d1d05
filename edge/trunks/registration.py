"""Keep one registration at one server alive (sans-IO).

===========  ==============================================  ====================================
state        event                                           then
===========  ==============================================  ====================================
waiting      its time has come                               REGISTER, asked
asked        2xx                                             registered, refresh at half of it
asked        401, 403, 407 (the password was sent)           waiting ``forbidden_retry_s``
asked        any other failure, no answer in 40 s            waiting, twice as long each time
registered   half of what was granted is over                REGISTER, asked
any          stop                                            REGISTER with Expires: 0, stopped
===========  ==============================================  ====================================

A refresh that fails does not end what was granted: the trunk counts as registered until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from media.config.trunks import RegisterConfig

SECOND_NS = 1_000_000_000
ANSWER_LIMIT_S = 40
"""A little over 64*T1, after which a REGISTER has failed by itself (RFC 3261 section 17.1.2.2)."""
FORBIDDEN = frozenset({401, 403, 407})


class RegistrationState(StrEnum):
    """See the table above."""

    WAITING = "waiting"
    ASKED = "asked"
    REGISTERED = "registered"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Ask for ``expires_s``; 0 takes the registration back."""

    expires_s: int


@dataclass(frozen=True, slots=True)
class RegistrationUp:
    """The first answer after a time without registration."""

    expires_s: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """One failure; the next attempt comes in ``retry_s``."""

    sip_status: int
    reason: str
    retry_s: int


Action = SendRegister | RegistrationUp | RegistrationFailed


class Registration:
    """One server's registration.

    Args:
        config: of the trunk.
        now_ns: monotonic.
    """

    def __init__(self, config: RegisterConfig, now_ns: int) -> None:
        self.config = config
        self.state = RegistrationState.WAITING
        self.deadline_ns: int | None = now_ns
        self.good_until_ns = 0
        self.failures = 0
        self.last_status = 0
        self.last_error = ""

    def is_good(self, now_ns: int) -> bool:
        """Say whether the server has our contact now."""
        return self.state is not RegistrationState.STOPPED and now_ns < self.good_until_ns

    def pass_time(self, now_ns: int) -> list[Action]:
        """Do what is due."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return []
        if self.state is RegistrationState.ASKED:
            return self._fail(408, "no answer", now_ns)
        self.state = RegistrationState.ASKED
        self.deadline_ns = now_ns + ANSWER_LIMIT_S * SECOND_NS
        return [SendRegister(self.config.expires_s)]

    def receive_answer(
        self, sip_status: int, reason: str, expires_s: int, now_ns: int
    ) -> list[Action]:
        """Take the final answer to the REGISTER that is out; others are passed over."""
        if self.state is not RegistrationState.ASKED:
            return []
        self.last_status = sip_status
        if not 200 <= sip_status < 300 or expires_s <= 0:
            return self._fail(sip_status, reason, now_ns)
        was_good = self.is_good(now_ns)
        self.state, self.failures, self.last_error = RegistrationState.REGISTERED, 0, ""
        self.good_until_ns = now_ns + expires_s * SECOND_NS
        self.deadline_ns = now_ns + max(expires_s // 2, 1) * SECOND_NS
        return [] if was_good else [RegistrationUp(expires_s)]

    def lose_worker(self, now_ns: int) -> None:
        """The worker that held the socket died: register again from the next one at once."""
        if self.state is not RegistrationState.STOPPED:
            self.state, self.deadline_ns = RegistrationState.WAITING, now_ns

    def stop(self, now_ns: int) -> list[Action]:
        """Take the registration back, where there is one."""
        was_good = self.is_good(now_ns)
        self.state, self.deadline_ns = RegistrationState.STOPPED, None
        return [SendRegister(0)] if was_good else []

    def _fail(self, sip_status: int, reason: str, now_ns: int) -> list[Action]:
        config = self.config
        if sip_status in FORBIDDEN:
            retry_s = config.forbidden_retry_s
        else:
            retry_s = min(config.retry_s * 2 ** min(self.failures, 20), config.retry_max_s)
        self.failures += 1
        self.last_status = sip_status
        self.last_error = f"{sip_status} {reason}".strip()
        self.state = RegistrationState.WAITING
        self.deadline_ns = now_ns + retry_s * SECOND_NS
        return [RegistrationFailed(sip_status, reason, retry_s)]
