"""What a worker does outside of calls: registrations, OPTIONS, the gate. SIP thread only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pjsua2 as pj
import structlog

from edge.trunks.gate import Admit, Gate, GateRules
from edge.trunks.recognition import host_of
from edge.ua import pjsip
from edge.ua.accounts import Accounts
from edge.ua.messages import (
    UaGate,
    UaOptions,
    UaOptionsAnswered,
    UaRegister,
    UaRegistration,
    UaVouch,
)
from edge.ua.received import Response
from edge.ua.sip_text import clean, parse_message
from media.config.model import UnknownSource
from media.messages import Message

DROPPED = Response(0)
"""Answers nothing at all."""

log = structlog.get_logger()


class RegisteredAccount(pj.Account):  # type: ignore[misc]  # pjsua2 has no types
    """The account of one registration.

    Args:
        receive: takes the INVITEs that come to its contact.
        registered: told how a REGISTER went.
    """

    def __init__(self, receive: Callable[[Any], None], registered: Callable[[Any], None]) -> None:
        super().__init__()
        self._receive = receive
        self._registered = registered

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        """Pass a new INVITE on."""
        self._receive(prm)

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        """Pass the outcome on."""
        self._registered(prm)


class Registrations:
    """Every registration of the worker.

    Args:
        configure: makes an account's configuration, as calls need it.
        add_proxies: writes into it by which ways requests leave.
        receive: takes INVITEs.
        emit: sends a message to control.
        contact: URI that the front wants for this worker, empty without a front.
        accounts: those that take calls in.
    """

    def __init__(
        self,
        configure: Callable[[], pj.AccountConfig],
        add_proxies: Callable[[pj.AccountConfig, str], None],
        receive: Callable[[Any], None],
        emit: Callable[[Message], None],
        contact: str = "",
        *,
        accounts: Accounts,
    ) -> None:
        self._inbound = accounts
        self._configure = configure
        self._add_proxies = add_proxies
        self._contact = contact
        self._receive = receive
        self._emit = emit
        self._accounts: dict[int, tuple[UaRegister, RegisteredAccount]] = {}

    def register(self, message: UaRegister) -> None:
        """Register, refresh or take back."""
        number = message.registration
        known = self._accounts.get(number)
        if known is not None and _key(known[0]) != _key(message):
            self._forget(number)
            known = None
        if message.expires_s == 0:
            if known is not None:
                known[1].setRegistration(False)
            return
        if known is None:
            if pjsip.accounts() >= pjsip.MOST_ACCOUNTS:
                # pjsua2 would abort the process
                self._emit(UaRegistration(number, 500, "the worker has no free account", 0))
                return
            account = RegisteredAccount(self._receive, lambda prm: self._tell(number, prm))
            config = self._config(message)
            account.create(config, False)
            self._inbound.add(account, config)
            self._accounts[number] = (message, account)
        self._accounts[number][1].setRegistration(True)

    def close(self) -> None:
        """Drop every account."""
        for number in list(self._accounts):
            self._forget(number)

    def _forget(self, number: int) -> None:
        account = self._accounts.pop(number)[1]
        self._inbound.forget(account)
        account.shutdown()

    def _tell(self, number: int, prm: Any) -> None:
        status = int(prm.code) or 503
        granted = int(prm.expiration) if 200 <= status < 300 else 0
        self._emit(UaRegistration(number, status, clean(prm.reason), max(granted, 0)))

    def _config(self, message: UaRegister) -> pj.AccountConfig:
        config = self._configure()
        config.idUri = message.aor
        register = config.regConfig
        register.registrarUri = message.registrar_uri
        register.registerOnAdd = False
        register.timeoutSec = message.expires_s
        register.retryIntervalSec = 0  # when to try again is control's to say
        register.firstRetryIntervalSec = 0
        register.unregWaitMsec = 500
        register.contactUriParams = message.contact_parameters
        credentials = pj.AuthCredInfo("digest", "*", message.user, 0, message.password)
        config.sipConfig.authCreds.append(credentials)
        if self._contact:
            # so that the front knows both our place and the number, whoever calls it
            place = self._contact.replace("@", f"-{user_of(message.aor)}@", 1)
            config.sipConfig.contactForced = place + message.contact_parameters
        self._add_proxies(config, message.route_uri)
        return config


def user_of(uri: str) -> str:
    """Return the user part of a SIP URI."""
    return uri.partition(":")[2].rpartition("@")[0]


def _key(message: UaRegister) -> tuple[object, ...]:
    return (
        message.registrar_uri,
        message.aor,
        message.user,
        message.password,
        message.route_uri,
        message.contact_parameters,
    )


class Queries:
    """Sends OPTIONS and finds whose answer came: pjsua2 tells only the request, so by its URI.

    Args:
        send: sends a request outside of dialogs.
        emit: sends a message to control.
    """

    def __init__(
        self, send: Callable[[pj.SendRequestParam], None], emit: Callable[[Message], None]
    ) -> None:
        self._send = send
        self._emit = emit
        self._asked: dict[str, list[int]] = {}

    def ask(self, message: UaOptions) -> None:
        """Send one OPTIONS."""
        parameters = pj.SendRequestParam()
        parameters.method = "OPTIONS"
        parameters.txOption.targetUri = message.uri
        self._asked.setdefault(message.uri, []).append(message.query)
        try:
            self._send(parameters)
        except pj.Error as error:
            self._asked[message.uri].remove(message.query)
            self._emit(UaOptionsAnswered(message.query, 503, clean(str(error.reason))))

    def receive(self, prm: Any) -> None:
        """Pass an answer on."""
        event = prm.e.body.tsxState
        transaction = event.tsx
        asked = self._asked.get(parse_message(transaction.lastTx.wholeMsg).request_uri)
        if not asked:
            return
        headers: dict[str, str] = {}
        body = ""
        if event.type == pj.PJSIP_EVENT_RX_MSG:
            text = parse_message(event.src.rdata.wholeMsg)
            headers, body = text.headers, text.body
        status, reason = int(transaction.statusCode), clean(transaction.statusText)
        self._emit(UaOptionsAnswered(asked.pop(0), status, reason, headers, body))


class Guard:
    """The worker's gate, as the screen of requests asks it.

    Args:
        known_call: whether a Call-ID is that of a dialog of ours.
    """

    def __init__(self, known_call: Callable[[str], bool]) -> None:
        self._gate = Gate(known_call)

    @property
    def refused(self) -> int:
        """Requests that were turned away."""
        return self._gate.refused

    def set_rules(self, message: UaGate) -> None:
        """Take over rules."""
        policy = UnknownSource(message.policy)
        self._gate.set_rules(GateRules(policy, message.networks, message.tokens, message.challenge))

    def vouch(self, message: UaVouch) -> None:
        """Let a source pass."""
        self._gate.vouch(message.address, time.monotonic_ns())

    def decide(self, message: str, source: str) -> Response | None:
        """Return the refusal of a request, None where it is let in."""
        if self._gate.is_open:
            return None
        text = parse_message(message)
        address = host_of(source)
        ruling = self._gate.receive(
            address, text.header("call-id"), text.request_uri, time.monotonic_ns()
        )
        if ruling.log is not None:
            log.warning(
                "sip_source_refused",
                source=address,
                reason=str(ruling.log),
                method=text.start.split(" ", 1)[0],
                agent=text.header("user-agent")[:80],
            )
        if ruling.admit is Admit.PASS:
            return None
        # an ACK is never answered (RFC 3261 section 17)
        if ruling.admit is Admit.DROP or text.start.startswith("ACK "):
            return DROPPED
        return Response(403)
