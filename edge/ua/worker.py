"""The SIP thread: one pjsua2 endpoint, its legs, and what control asks of them.

Everything here runs in the thread that calls :meth:`Worker.run`, which is the only one that
touches pjsua2. It polls pjsua2 for at most 10 ms, carries out control's commands, and settles
what the callbacks left: messages in order, legs that failed, legs that are gone.
"""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable
from typing import Any

import pjsua2 as pj
import structlog

from edge.ua import pjsip
from edge.ua.arrivals import Arrivals
from edge.ua.control import ControlLink
from edge.ua.endpoint import Endpoint, challenge, operation
from edge.ua.inspection import Inspection
from edge.ua.invite import describe_invite
from edge.ua.keying import Keying
from edge.ua.leg import Leg
from edge.ua.messages import (
    EndedBy,
    UaAnswer,
    UaCommandFailed,
    UaDial,
    UaDisconnected,
    UaGate,
    UaHangup,
    UaHeartbeat,
    UaHold,
    UaLimit,
    UaOptions,
    UaReady,
    UaRefer,
    UaRegister,
    UaReinvite,
    UaReject,
    UaRespond,
    UaRinging,
    UaSendDigit,
    UaSettings,
    UaShutdown,
    UaTlsNames,
    UaVouch,
)
from edge.ua.offers import Offers, local_audio
from edge.ua.outside import Queries, Registrations
from edge.ua.proxied import FINAL_HEADER
from edge.ua.refresher import REFRESHERS
from edge.ua.sip_text import SipText, quote_display
from edge.ua.terms import UaTerms
from media import CordboardError, LocalError
from media.config.trunks import OnOff
from media.messages import Message

POLL_MS = 10
HEARTBEAT_NS = 500_000_000
GOODBYE_S = 1.5
"""How long the BYEs of a shutdown may take; control expects us gone within 2 s."""
COLLECT_NS = 10_000_000_000
"""Garbage is collected by hand, in this thread: a destructor in another would kill pjsua2."""

log = structlog.get_logger()


class Worker:
    """One pjsua2 endpoint.

    Args:
        settings: from control.
        control: the started link.
    """

    def __init__(self, settings: UaSettings, control: ControlLink) -> None:
        self._settings = settings
        self._control = control
        self._legs: dict[int, Leg] = {}
        self._changed: list[Leg] = []
        self._failed: list[tuple[Leg, Exception]] = []
        self._slots = 0
        self._stop = False
        self._heartbeat_ns = 0
        self._collect_ns = 0
        self._arrivals = Arrivals(
            settings,
            self._legs,
            self,
            lambda: self._endpoint.account,
            lambda text, source: self._inspection.terms.of(text, source),
        )
        self._endpoint = Endpoint(settings, self._arrivals.receive)
        self._inspection = Inspection(
            lambda: list(self._legs.values()),
            self._arrivals.load,
            self._arrivals.note_refused,
            self._endpoint.accounts.prepare,
            behind_front=settings.behind_front,
        )
        self._registrations = Registrations(
            self._endpoint.account_config,
            self._endpoint.add_proxies,
            self._arrivals.receive,
            self.emit,
            settings.contact,
            accounts=self._endpoint.accounts,
        )
        self._queries = Queries(self._endpoint.send_request, self.emit)
        self._offers = Offers(lambda number: self._legs.get(number), self.emit)
        self._commands: dict[type[Message], Callable[[Any], None]] = {
            UaRinging: self._ring,
            UaAnswer: self._answer,
            UaReject: self._hang_up,
            UaHangup: self._hang_up,
            UaDial: self._dial,
            UaHold: self._offers.make,
            UaReinvite: self._offers.make,
            UaSendDigit: self._send_digit,
            UaRefer: self._refer,
            UaLimit: self._arrivals.limit,
            UaRegister: self._registrations.register,
            UaOptions: self._queries.ask,
            UaGate: self._inspection.guard.set_rules,
            UaTerms: self._inspection.terms.set_rules,
            UaVouch: self._inspection.guard.vouch,
            UaTlsNames: lambda message: self._endpoint.name_servers(message.names),
            UaRespond: self._respond,
            UaShutdown: self._shut_down,
        }

    # ------------------------------------------------------------ life

    def run(self) -> None:
        """Serve until control is gone or asks for the end.

        Raises:
            ListenError: a port cannot be bound.
        """
        self._endpoint.open()
        self._endpoint.answered(self._queries.receive)
        self._slots = self._endpoint.slots
        self._arrivals.open(self._slots)
        self._inspection.open(self._settings.address, self._endpoint.udp_port, self._endpoint.poll)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        gc.collect()
        gc.freeze()
        gc.disable()
        self.emit(
            UaReady(
                self._slots,
                self._arrivals.callers,
                self._endpoint.udp_port,
                self._endpoint.tcp_port,
                self._endpoint.version,
            )
        )
        while not self._stop and not self._control.lost.is_set():
            self._turn()
        self._say_goodbye()

    def _turn(self) -> None:
        self._endpoint.poll(POLL_MS)
        for message in self._control.receive():
            self._command(message)
        self._settle()
        now_ns = time.monotonic_ns()
        self._offers.pass_time(now_ns)
        if now_ns >= self._heartbeat_ns:
            self._heartbeat_ns = now_ns + HEARTBEAT_NS
            self._arrivals.tell_again()
            self.emit(UaHeartbeat(now_ns, len(self._legs), self._arrivals.refused))

    def _on_signal(self, *_: object) -> None:
        self._stop = True

    def _say_goodbye(self) -> None:
        self._arrivals.callers = 0
        for leg in list(self._legs.values()):
            self._end(leg, UaHangup(leg.number, 503, "Service Unavailable"))
        deadline = time.monotonic() + GOODBYE_S
        while (self._legs or self._arrivals.refused_legs) and time.monotonic() < deadline:
            self._endpoint.poll(POLL_MS)
            self._settle()
        self._control.close()

    # ------------------------------------------------------------ what legs ask for

    @property
    def behind_front(self) -> bool:
        """Whether a front translates what pjsip cannot say or understand."""
        return self._settings.behind_front

    def emit(self, message: Message) -> None:
        """Send a message to control."""
        self._control.send(message)

    def leg_changed(self, leg: Leg) -> None:
        """Have the leg settled once the callback is over."""
        if leg not in self._changed:
            self._changed.append(leg)

    def leg_failed(self, leg: Leg, error: Exception) -> None:
        """Log the fault and have the leg ended once the callback is over."""
        self._failed.append((leg, error))
        if isinstance(error, CordboardError):
            log.error("ua_callback_failed", leg=leg.number, reason=str(error))
        else:
            log.error("ua_callback_failed", leg=leg.number, exc_info=error)

    def offer_refused(self, leg: Leg, status: int, reason: str) -> None:
        """Try again or tell control, once the callback is over."""
        self._offers.refused(leg, status, reason)

    def answer_info(self, leg: Leg, rdata: Any) -> None:
        """Answer an INFO with 200.

        Raises:
            LocalError: pjsip would not send it.
        """
        pjsip.answer_in_dialog(int(rdata.pjRxData), 200)

    def replace(self, leg: Leg, text: SipText, source: str) -> Leg:
        """Make the leg that takes over another, on the same port of media."""
        new = Leg(leg.account, self._arrivals.next_number(), self)
        new.read_invite(text)
        new.audio = leg.audio
        new.keying = Keying(leg.keying.generation + 1)
        new.answered = True
        self._legs[new.number] = new
        self.emit(
            describe_invite(new.number, text, self._arrivals.source(text, source), leg.number)
        )
        return new

    # ------------------------------------------------------------ commands

    def _command(self, message: Message) -> None:
        perform = self._commands.get(type(message))
        if perform is None:
            log.warning("message_refused", reason=type(message).__name__)
            return
        try:
            perform(message)
        except Exception as error:
            ours = not isinstance(error, (pj.Error, CordboardError))
            reason = str(getattr(error, "reason", "") or error)
            name = type(message).__name__
            log.warning("ua_command_failed", command=name, reason=reason, exc_info=ours)
            number = int(getattr(message, "leg", 0))
            self.emit(UaCommandFailed(number, name, reason))
            leg = self._legs.get(number)
            if ours and leg is not None:
                self.leg_failed(leg, error)

    def _ring(self, message: UaRinging) -> None:
        leg = self._legs.get(message.leg)
        if leg is None or leg.answered or leg.ending:
            return
        # no call setting: with one, pjsua2 would write its offer to a late offer's INVITE now;
        # never 183: pjsua2 puts its own SDP into it, with an address that is not media's
        parameters = pj.CallOpParam()
        parameters.statusCode = 180
        leg.answer(parameters)

    def _answer(self, message: UaAnswer) -> None:
        leg = self._legs.get(message.leg)
        if leg is None or leg.answered or leg.ending:
            return
        if message.early and (leg.late_offer or leg.early):
            return
        leg.audio = local_audio(message)
        parameters = operation(183 if message.early else 200, "", {})
        try:
            if not leg.late_offer and not leg.early:
                parameters.sdp.wholeSdp = leg.first_answer()
            leg.answer(parameters)
        except (pj.Error, CordboardError):
            self._end(leg, UaHangup(leg.number, 488, "Not Acceptable Here"))
            raise
        leg.early = True
        leg.answered = not message.early

    def _hang_up(self, message: UaHangup | UaReject) -> None:
        leg = self._legs.get(message.leg)
        if leg is not None:
            self._end(leg, message)

    def _end(self, leg: Leg, message: UaHangup | UaReject) -> None:
        leg.ending = True
        status = 0 if leg.answered or leg.number < 0 else message.status
        try:
            operated = operation(
                status, message.reason if status else "", self._marked(status, message)
            )
            challenge(operated, getattr(message, "challenges", ()))
            leg.hangup(operated)
        except pj.Error as error:
            log.warning("hangup_failed", leg=leg.number, reason=error.reason)

    def _marked(self, status: int, message: UaHangup | UaReject) -> dict[str, str]:
        """Return the headers of a refusal; the front shall not ask another worker about it."""
        if not status or not self._settings.behind_front:
            return message.headers
        return {**message.headers, FINAL_HEADER: "1"}

    def _dial(self, message: UaDial) -> None:
        reserve = self._slots - self._arrivals.most if self._arrivals.callers else 0
        if message.leg >= 0 or message.leg in self._legs:
            raise LocalError(f"{message.leg} is no number for an outbound leg")
        if len(self._legs) >= self._slots - reserve:
            self.emit(UaDisconnected(message.leg, 503, "no free slot", EndedBy.LOCAL))
            return
        own = message.needs_account
        account = self._endpoint.make_account(message) if own else self._endpoint.own_account()
        leg = Leg(account, message.leg, self)
        leg.audio = local_audio(message)
        leg.rel100 = message.rel100 != OnOff.OFF
        leg.refresher = REFRESHERS.get(message.session_refresher, b"")
        parameters = operation(0, "", message.headers)
        parameters.opt.audioCount = 1
        parameters.opt.videoCount = 0
        parameters.txOption.localUri = (
            f"{quote_display(message.from_display)} <{message.from_uri}>"
            if message.from_display
            else message.from_uri
        )
        self._legs[message.leg] = leg
        try:
            leg.makeCall(message.to_uri, parameters)
        except pj.Error as error:
            del self._legs[message.leg]
            self.emit(UaDisconnected(message.leg, 500, str(error.reason), EndedBy.LOCAL))

    def _send_digit(self, message: UaSendDigit) -> None:
        leg = self._legs.get(message.leg)
        if leg is not None and not leg.ending:
            parameters = pj.CallSendDtmfParam()
            parameters.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
            parameters.digits = message.digit
            parameters.duration = message.duration_ms
            leg.sendDtmf(parameters)

    def _refer(self, message: UaRefer) -> None:
        leg = self._legs.get(message.leg)
        if leg is not None and not leg.ending:
            leg.xfer(message.refer_to, operation(0, "", message.headers))

    def _respond(self, message: UaRespond) -> None:
        self._inspection.send(message.text.encode(), message.address, message.port)

    def _shut_down(self, _: UaShutdown) -> None:
        self._stop = True

    # ------------------------------------------------------------ after callbacks

    def _settle(self) -> None:
        self._arrivals.settle()
        failed, self._failed = self._failed, []
        for leg, _ in failed:
            if not leg.ending and not leg.gone:
                self._end(leg, UaHangup(leg.number, 500, "Server Internal Error"))
        changed, self._changed = self._changed, []
        for leg in changed:
            leg.settle()
        for leg in changed:
            if leg.gone and leg.isActive():
                # A new call has taken the slot already, in the same poll. pjsua2's destructor goes
                # by the slot's number: it would hang up that call with 603. So it must not run.
                leg.this.disown()
        # dropping the last reference runs the destructor, so never inside a callback
        for number in [number for number, leg in self._legs.items() if leg.gone]:
            del self._legs[number]
        self._arrivals.forget_gone()
        for leg in changed:
            if leg.gone and leg.account is not self._endpoint.account:
                leg.account.shutdown()
        if not any(leg.gone for leg in changed):
            return
        self._endpoint.tick()
        now_ns = time.monotonic_ns()
        if now_ns >= self._collect_ns:
            self._collect_ns = now_ns + COLLECT_NS
            gc.collect()
