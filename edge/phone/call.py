"""Place one call: put the script, the line and SIP together and follow it to its end."""

from __future__ import annotations

import queue
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from edge.phone.audio import PhoneError, Samples, write_stereo
from edge.phone.hearing import MS
from edge.phone.line import Line
from edge.phone.line_events import (
    FarEndQuiet,
    FarEndSpoke,
    LineEvent,
    LineOptions,
    PhoneBegan,
    PhoneFinished,
    ScriptEnded,
)
from edge.phone.report import CallReport, utterance_reports
from edge.phone.script import Disconnected, Item, ItemKind, Script
from edge.phone.speech import speak
from edge.phone.stopwatch import Spoken
from edge.phone.ua import (
    Accepted,
    Confirmed,
    Ended,
    MediaAgreed,
    PhoneAccount,
    PhoneUa,
    Ringing,
    UaEvent,
)


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What to do in one call."""

    uri: str
    items: list[Item]
    caller: str = "phone"
    voice: str = "slt"
    save: Path | None = None
    local_port: int = 0
    """SIP port, 0 for any."""
    timeout_s: float = 300.0
    """The call is hung up after so long, whatever happens."""
    ring_timeout_s: float = 30.0
    wait_greeting_ms: int = 10_000
    answer_ms: int = 15_000
    hangup_after_ms: int = 300
    line: LineOptions = field(default_factory=LineOptions)
    cache_dir: Path = Path("var/cache/phone")


@dataclass(frozen=True, slots=True)
class Progress:
    """One readable line about the call, as it happens."""

    at_ms: float
    """Since the ACK; since the INVITE before that."""
    text: str


def split_uri(uri: str) -> tuple[str, int, str]:
    """Return (host, port, transport) of a SIP URI.

    Raises:
        PhoneError: not a SIP URI with a host.
    """
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "sip" or not rest:
        raise PhoneError(f"{uri!r} is not a SIP URI such as sip:100@127.0.0.1:5060")
    address, _, parameters = rest.partition(";")
    hostport = address.rpartition("@")[2].partition("?")[0]
    host, _, port = unquote(hostport).partition(":")
    if not host or not (port or "5060").isdecimal():
        raise PhoneError(f"{uri!r} has no host, or a port that is no number")
    if not 0 < int(port or 5060) < 65_536:
        raise PhoneError(f"{uri!r}: there is no port {port}")
    transport = "tcp" if "transport=tcp" in parameters.lower() else "udp"
    return host, int(port or 5060), transport


def local_address_towards(host: str, port: int) -> str:
    """Return the local address that the route to a host takes.

    Raises:
        PhoneError: the host is unknown or there is no route.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))
        except OSError as error:
            raise PhoneError(f"cannot reach {host}: {error}") from error
        return str(probe.getsockname()[0])


class PhoneCall:
    """One call, followed from one thread.

    Args:
        plan: what to do.
        progress: called with each line worth showing.
    """

    def __init__(self, plan: CallPlan, progress: Callable[[Progress], None]) -> None:
        self._plan = plan
        self._progress = progress
        self._events: queue.SimpleQueue[LineEvent | UaEvent] = queue.SimpleQueue()
        host, port, transport = split_uri(plan.uri)
        address = local_address_towards(host, port)
        audio = _prepare(plan)
        self._script = Script(
            plan.items, plan.wait_greeting_ms, plan.answer_ms, plan.hangup_after_ms
        )
        self._line = Line(address, self._script, plan.items, audio, plan.line, self._events.put)
        account = PhoneAccount(
            plan.caller, address, self._line.port, plan.line.codec, plan.local_port, transport
        )
        self._ua = PhoneUa(account, plan.uri, self._events.put)
        self._spoken: dict[int, Spoken] = {}
        self._last_item: int | None = None
        self._greeted = False
        self._hung_up = False
        self.report = CallReport(plan.uri, plan.line.codec)

    @property
    def sip_call_id(self) -> str:
        """The Call-ID header's value, empty before the INVITE is on its way."""
        return self._ua.sip_call_id

    def run(self) -> CallReport:
        """Place the call and follow it to its end."""
        self._ua.start()
        deadline = time.monotonic() + self._plan.ring_timeout_s
        try:
            while True:
                try:
                    event = self._events.get(timeout=max(0.01, deadline - time.monotonic()))
                except queue.Empty:
                    if self._hung_up:
                        self._show(time.monotonic_ns(), "no end of the call after BYE")
                        break
                    self._give_up()
                    deadline = time.monotonic() + 5
                    continue
                if isinstance(event, Confirmed) and not self.report.answered:
                    deadline = time.monotonic() + self._plan.timeout_s
                self._take(event)
                if isinstance(event, Ended):
                    break
        except KeyboardInterrupt:
            self._hang_up()
            self._ua.join(2)
            raise
        self._close()
        return self.report

    def _take(self, event: LineEvent | UaEvent) -> None:
        if isinstance(event, (Ringing, MediaAgreed, Accepted, Confirmed, Ended)):
            self._take_sip(event)
        elif isinstance(event, PhoneBegan):
            item = self._plan.items[event.index]
            self._last_item = event.index
            what = "interrupts" if item.kind is ItemKind.INTERRUPT else "says"
            what = "dials" if item.kind is ItemKind.DTMF else what
            self._show(event.at_ns, f"phone {what}: {item.text}")
        elif isinstance(event, PhoneFinished):
            self._spoken[event.index] = event.spoken
        elif isinstance(event, FarEndSpoke):
            self._far_end_spoke(event.at_ns)
        elif isinstance(event, FarEndQuiet):
            self._show(event.last_ns, "agent is quiet")
        elif isinstance(event, ScriptEnded):
            self._hang_up()

    def _take_sip(self, event: UaEvent) -> None:
        report = self.report
        if isinstance(event, MediaAgreed):
            self._line.start((event.address, event.port))
        elif isinstance(event, Ringing):
            if report.invite_to_ringing_ms is None:
                report.invite_to_ringing_ms = self._since_invite(event.at_ns)
                self._show(event.at_ns, f"{event.status} ringing")
        elif isinstance(event, Accepted):
            report.invite_to_ok_ms = self._since_invite(event.at_ns)
        elif isinstance(event, Confirmed):
            if not report.answered:
                report.answered = True
                if report.invite_to_ok_ms is None:
                    report.invite_to_ok_ms = self._since_invite(event.at_ns)
                self._show(event.at_ns, f"200 answered, {report.invite_to_ok_ms:.0f} ms")
                self._line.connect(event.at_ns)
        else:
            report.sip_status, report.reason = event.status, event.reason
            report.retry_after_s = event.retry_after_s
            report.ended_by = "far_end" if event.by_far_end or not self._hung_up else "phone"

    def _far_end_spoke(self, at_ns: int) -> None:
        if not self._greeted and self._last_item is None:
            self._greeted = True
            since_ms = (at_ns - self._line.answered_ns) / MS
            self._show(at_ns, f"agent greets, {since_ms:.0f} ms after the ACK")
            return
        spoken = self._spoken.get(self._last_item) if self._last_item is not None else None
        if spoken is None or any(
            each.first_ns > spoken.last_ns and each.first_ns < at_ns for each in self._line.bursts
        ):
            return  # it goes on after a breath
        self._show(at_ns, f"agent answers after {(at_ns - spoken.last_ns) / MS:.0f} ms")

    def _give_up(self) -> None:
        what = "time is up" if self.report.answered else "no answer"
        self._show(time.monotonic_ns(), f"{what}, hanging up")
        self._hang_up()

    def _hang_up(self) -> None:
        self._hung_up = True
        self._ua.hang_up()

    def _close(self) -> None:
        ended_ns = time.monotonic_ns()
        self._script.receive(Disconnected(), ended_ns)
        self._line.stop()
        self._ua.join(3)
        report, line = self.report, self._line
        if report.answered:
            report.duration_ms = (ended_ns - line.answered_ns) / MS
            first = min(self._spoken.values(), key=lambda each: each.first_ns, default=None)
            greeting = line.bursts[0] if line.bursts else None
            if greeting and (first is None or greeting.first_ns < first.first_ns):
                report.ack_to_greeting_ms = (greeting.first_ns - line.answered_ns) / MS
            report.utterances = utterance_reports(
                self._plan.items, self._spoken, line.bursts, line.answered_ns
            )
            report.unsaid = len(self._plan.items) - len(self._spoken)
            report.far_end_speech_ms = [
                ((each.first_ns - line.answered_ns) / MS, (each.last_ns - line.answered_ns) / MS)
                for each in line.bursts
            ]
        report.packets_sent = line.counts.sent
        report.packets_received = line.counts.sequence.received
        report.packets_lost = line.counts.sequence.lost
        report.send_lateness_max_ms = line.counts.lateness_max_ms
        if self._plan.save is not None and report.answered:
            try:
                write_stereo(self._plan.save, line.left.samples(), line.right.samples())
            except OSError as error:
                raise PhoneError(f"cannot write {self._plan.save}: {error.strerror}") from error
            report.recording = str(self._plan.save)

    def _since_invite(self, at_ns: int) -> float:
        return (at_ns - self._ua.invited_ns) / MS

    def _show(self, at_ns: int, text: str) -> None:
        origin_ns = self._line.answered_ns or self._ua.invited_ns
        self._progress(Progress((at_ns - origin_ns) / MS, text))


def _prepare(plan: CallPlan) -> dict[int, Samples]:
    return {
        index: speak(item.text, plan.voice, plan.cache_dir)
        for index, item in enumerate(plan.items)
        if item.kind is not ItemKind.DTMF
    }


def random_caller() -> str:
    """Return a caller name that differs from call to call, for finding it in the records."""
    return f"phone-{random.randrange(0x1_0000_0000):08x}"
