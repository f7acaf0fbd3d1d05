"""Let every received request through the gate and the screen before pjsua2 gets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from edge.ua.faults import answer_unparsed
from edge.ua.outside import Guard
from edge.ua.received import Passed, ReceivedRequests, Response
from edge.ua.screen import Load, Refused, Screen
from edge.ua.sip_text import SipText, parse_message, parse_name_address
from edge.ua.supported import say_100rel
from edge.ua.terms import Terms, TermsBook
from media.config.trunks import Srtp


class Dialog(Protocol):
    """What is asked of a leg."""

    sip_call_id: str
    rel100: bool
    """Whether its trunk has reliable answers."""

    @property
    def policy(self) -> Srtp | None:
        """What its trunk says of SRTP."""

    def see(self, text: SipText) -> None:
        """Look at a request of its own."""


class Inspection:
    """The way of a request. SIP thread only.

    Args:
        dialogs: returns the worker's.
        load: tells the worker's.
        on_refused: told of each refused INVITE that belongs to no dialog, once.
        prepare: has pjsua2 take an INVITE on terms.
        behind_front: whether requests come from the front alone, which serves IPv6 too.
    """

    def __init__(
        self,
        dialogs: Callable[[], Iterable[Dialog]],
        load: Callable[[], Load],
        on_refused: Callable[[Refused], None],
        prepare: Callable[[Passed, SipText, Terms], None],
        *,
        behind_front: bool = False,
    ) -> None:
        self._dialogs = dialogs
        self._prepare = prepare
        self.terms = TermsBook(behind_front=behind_front)
        self.guard = Guard(self._knows)
        self._screen = Screen(
            load, self._knows, self._policy, on_refused, self.terms.of, ip6=behind_front
        )
        self._received = ReceivedRequests(self._decide, self._pass_on, self._answer_unparsed)

    def open(self, address: str, port: int, poll: Callable[[int], None]) -> None:
        """Begin; see :meth:`edge.ua.received.ReceivedRequests.open`."""
        self._received.open(address, port, poll)

    def send(self, octets: bytes, host: str, port: int) -> None:
        """Send a datagram from the SIP port."""
        self._received.send(octets, host, port)

    def _decide(self, message: str, source: str) -> Response | None:
        return self.guard.decide(message, source) or self._screen.decide(message, source)

    def _pass_on(self, message: str, source: str, passed: Passed) -> None:
        dialogs: list[Dialog] = []
        if message.startswith(("ACK ", "INVITE ", "UPDATE ")):
            text = parse_message(message)
            dialogs = self._of(text.header("call-id"))
        # pjsip answers a later offer while it reads it
        say_100rel(all(each.rel100 for each in dialogs))
        if not message.startswith(("ACK ", "INVITE ")):
            return
        for dialog in dialogs:
            dialog.see(text)
        if message.startswith("INVITE ") and not parse_name_address(text.header("to")).tag:
            self._prepare(passed, text, self.terms.of(text, source))

    def _answer_unparsed(self, message: str, source: str) -> str | None:
        turned_away = self.guard.decide(message, source) is not None
        return None if turned_away else answer_unparsed(message)

    def _of(self, sip_call_id: str) -> list[Dialog]:
        return [each for each in self._dialogs() if each.sip_call_id == sip_call_id]

    def _knows(self, sip_call_id: str) -> bool:
        return bool(self._of(sip_call_id))

    def _policy(self, sip_call_id: str) -> Srtp | None:
        return next((each.policy for each in self._of(sip_call_id)), None)
