"""Phones on loopback that share nothing with the product: own SIP, own RTP, one tone each."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tests.harness.outside_sip import SipMessage, parse_sip, sdp_audio
from tests.transfer.rtp import CODECS, MS, Rtp

_tokens = itertools.count(random.randrange(1 << 20))


@dataclass
class Behaviour:
    """What a desk phone does with a call."""

    status: int = 200
    """Final answer; 0 never answers."""
    ring: bool = True
    answer_after_s: float = 0.1
    headers: tuple[str, ...] = ()
    dead: bool = False
    """Answers nothing at all, not even 100."""
    late: bool = False
    """Hears what is repeated of calls that came while it was dead."""
    speech: np.ndarray | None = None
    """Said at the pick-up, instead of the tone."""


@dataclass
class Dialog:
    """One call of a phone."""

    phone: Phone
    call_id: str
    invite: SipMessage | None = None
    """Of an inbound one."""
    source: tuple[str, int] = ("", 0)
    local_tag: str = field(default_factory=lambda: f"t{next(_tokens):x}")
    remote_tag: str = ""
    remote_uri: str = ""
    target: str = ""
    cseq: int = 100
    rtp: Rtp = field(init=False)
    invited_ns: int = 0
    answered_ns: int = 0
    acked_ns: int = 0
    ended_ns: int = 0
    cancelled_ns: int = 0
    end_reason: str = ""
    """``Reason`` of the BYE or CANCEL."""
    final_status: int = 0
    refused_ns: int = 0
    """When our final refusal left."""
    closed_ns: int = 0
    """When we learnt that the far end knows that it is over."""
    left: bool = False
    """We hung up, not the far end."""
    direction: str = "sendrecv"
    version: int = 1
    requests: list[SipMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the audio."""
        self.rtp = Rtp(self.phone.tone)
        self.codecs = self.phone.codecs
        if self.phone.behaviour.speech is not None:
            self.rtp.say(self.phone.behaviour.speech)

    # ------------------------------------------------------------ what is heard

    def heard(self, since_ns: int = 0, until_ns: int = 1 << 62) -> set[str]:
        """Return everybody heard in a span of time."""
        packets = [p for p in self.rtp.heard if since_ns <= p.at_ns < until_ns]
        return set().union(*(p.tones for p in packets)) if packets else set()

    def first_heard(self, name: str, since_ns: int) -> int | None:
        """Return when somebody was first heard after a time."""
        found = (p.at_ns for p in self.rtp.heard if p.at_ns >= since_ns and name in p.tones)
        return next(found, None)

    def hears(self, name: str) -> bool:
        """Say whether somebody, and nobody else, is heard right now (the last 100 ms)."""
        recent = self.rtp.heard[-5:]
        fresh = recent and time.monotonic_ns() - recent[-1].at_ns < 100 * MS
        return bool(fresh) and len(recent) == 5 and all(p.tones == {name} for p in recent)

    def hears_all(self, *names: str) -> bool:
        """Say whether these, and nobody else, are heard right now; nobody at all where empty."""
        recent = self.rtp.heard[-5:]
        fresh = recent and time.monotonic_ns() - recent[-1].at_ns < 100 * MS
        return bool(fresh) and len(recent) == 5 and all(p.tones == set(names) for p in recent)

    @property
    def up(self) -> bool:
        """Whether the dialog is there."""
        return bool(self.answered_ns) and not self.ended_ns

    @property
    def ringing(self) -> bool:
        """Whether it still rings."""
        return not (self.answered_ns or self.cancelled_ns or self.final_status)

    # ------------------------------------------------------------ what is done

    def close(self) -> None:
        """Note that both ends know that it is over."""
        self.closed_ns = self.closed_ns or time.monotonic_ns()

    def press(self, digit: str, info: bool = False) -> int:
        """Press a key; return when."""
        at_ns = time.monotonic_ns()
        if info:
            body = f"Signal={digit}\r\nDuration=160\r\n"
            self._request("INFO", body, content_type="application/dtmf-relay")
        else:
            self.rtp.press(digit)
        return at_ns

    def press_all(self, digits: str) -> int:
        """Press keys one after the other; return when."""
        for digit in digits:
            self.rtp.press(digit)
        return time.monotonic_ns()

    def hang_up(self) -> None:
        """Send BYE."""
        if self.up:
            self.left = True
            self.ended_ns = time.monotonic_ns()
            self.rtp.stop()
            self._request("BYE")

    def hold(self, direction: str = "sendonly") -> None:
        """Offer anew with another direction."""
        self.direction = direction
        self.version += 1
        self._request("INVITE", self.sdp())

    async def move(self) -> None:
        """Offer anew with another port, and send from there."""
        old, self.rtp = self.rtp, Rtp(self.phone.tone)
        self.rtp.codec = old.codec
        await self.rtp.open()
        old.stop()
        self.version += 1
        self._request("INVITE", self.sdp())

    def notify(self, sipfrag: str) -> None:
        """Say how a REFER ended."""
        headers = ("Event: refer", "Subscription-State: terminated;reason=noresource")
        self._request("NOTIFY", f"{sipfrag}\r\n", "message/sipfrag;version=2.0", headers)

    def refer(self, refer_to: str) -> None:
        """Ask the far end to call somebody."""
        self._request("REFER", headers=(f"Refer-To: <{refer_to}>",))

    def sdp(self) -> str:
        """Return our SDP."""
        types = [each for each, name in CODECS.items() if name in self.codecs]
        lines = [
            "v=0",
            f"o=phone 1 {self.version} IN IP4 127.0.0.1",
            "s=-",
            "c=IN IP4 127.0.0.1",
            "t=0 0",
            f"m=audio {self.rtp.port} RTP/AVP {' '.join(map(str, types))} 101",
            *(f"a=rtpmap:{each} {CODECS[each]}/8000" for each in types),
            "a=rtpmap:101 telephone-event/8000",
            f"a={self.direction}",
            "",
        ]
        return "\r\n".join(lines)

    # ------------------------------------------------------------ SIP

    def learn(self, message: SipMessage) -> None:
        """Take tags, target and audio of the far end."""
        if found := re.search(r"<([^>]+)>", message.header("contact")):
            self.target = found[1]
        if message.body:
            address, port, types, direction = sdp_audio(message.body)
            ours = [CODECS[each] for each in types if CODECS.get(each) in self.phone.codecs]
            self.rtp.codec = ours[0]
            self.codecs = (ours[0],)
            self.rtp.sending = direction in ("sendrecv", "recvonly")
            self.rtp.start((address, port))

    def _request(
        self,
        method: str,
        body: str = "",
        content_type: str = "application/sdp",
        headers: tuple[str, ...] = (),
        cseq: int | None = None,
    ) -> None:
        if cseq is None:
            self.cseq += 1
        number = self.cseq if cseq is None else cseq
        lines = [
            f"{method} {self.target} SIP/2.0",
            self.phone.via(),
            "Max-Forwards: 70",
            f"From: <{self.phone.uri}>;tag={self.local_tag}",
            f"To: <{self.remote_uri}>;tag={self.remote_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <{self.phone.uri}>",
            *headers,
        ]
        lines += [f"Content-Type: {content_type}"] if body else []
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body
        self.phone.send(text, self.source, repeat=method != "ACK")

    def answer(self, request: SipMessage, status: int, body: str = "", more: tuple = ()) -> None:
        """Answer a request."""
        to = request.header("to")
        if "tag=" not in to and status > 100:
            to += f";tag={self.local_tag}"
        lines = [f"SIP/2.0 {status} Whatever", *[f"Via: {each}" for each in request.all("via")]]
        lines += [f"From: {request.header('from')}", f"To: {to}", f"Call-ID: {self.call_id}"]
        lines += [f"CSeq: {request.header('cseq')}", f"Contact: <{self.phone.uri}>", *more]
        lines += ["Content-Type: application/sdp"] if body else []
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body
        self.phone.send(text, self.source)


class Phone(asyncio.DatagramProtocol):
    """A phone with any number of dialogs.

    Args:
        name: user part, and the tone it speaks with unless ``tone`` says otherwise.
        host: the loopback address of its SIP.
    """

    def __init__(self, name: str, tone: str | None = None, host: str = "127.0.0.1") -> None:
        self.name = name
        self.host = host
        self.tone = tone or name
        self.codecs: tuple[str, ...] = ("PCMU",)
        self.behaviour = Behaviour()
        self.dialogs: list[Dialog] = []
        self.on_request: Callable[[Dialog, SipMessage], bool] = lambda dialog, request: False
        """Answers a request itself where it returns True."""
        self.statuses: list[tuple[str, int]] = []
        """(method, status) of every final answer."""
        self._unheard: set[str] = set()
        """Calls that came while it was dead."""
        self._repeats: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> Phone:
        """Bind a port."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.host, 0)
        )
        self.port = self.transport.get_extra_info("sockname")[1]
        self.uri = f"sip:{self.name}@{self.host}:{self.port}"
        return self

    def via(self) -> str:
        """Return the Via of a new request."""
        branch = f"z9hG4bK{next(_tokens):x}"
        return f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport"

    def close(self) -> None:
        """Pull the plug."""
        for task in [*self._repeats.values(), *self._tasks]:
            task.cancel()
        for each in self.dialogs:
            each.rtp.close()
        self.transport.close()

    @property
    def last(self) -> Dialog:
        """The newest dialog."""
        return self.dialogs[-1]

    # ------------------------------------------------------------ calling

    async def call(self, port: int, number: str = "100") -> Dialog:
        """Call the service; return when answered or refused."""
        return await self.call_uri(f"sip:{number}@127.0.0.1:{port}")

    async def call_uri(self, uri: str, headers: tuple[str, ...] = ()) -> Dialog:
        """Call a SIP address; return when answered or refused."""
        dialog = Dialog(self, f"c{next(_tokens):x}@{self.name}")
        await dialog.rtp.open()
        self.dialogs.append(dialog)
        host, _, port = uri.partition("@")[2].partition(";")[0].partition(":")
        dialog.source = (host, int(port or 5060))
        dialog.target = dialog.remote_uri = uri
        dialog.invited_ns = time.monotonic_ns()
        dialog.cseq += 1
        self.send(self._invite(dialog, headers), dialog.source, repeat=True)
        async with asyncio.timeout(15):
            while not dialog.answered_ns and not dialog.final_status:
                await asyncio.sleep(0.005)
        return dialog

    def _invite(self, dialog: Dialog, headers: tuple[str, ...]) -> str:
        body = dialog.sdp()
        lines = [
            f"INVITE {dialog.target} SIP/2.0",
            self.via(),
            "Max-Forwards: 70",
            f"From: <{self.uri}>;tag={dialog.local_tag}",
            f"To: <{dialog.target}>",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {dialog.cseq} INVITE",
            f"Contact: <{self.uri}>",
            "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY",
            "Supported: replaces",
            *headers,
            "Content-Type: application/sdp",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines) + "\r\n\r\n" + body

    # ------------------------------------------------------------ messages

    def send(self, text: str, address: tuple[str, int], repeat: bool = False) -> None:
        """Send; a request is repeated until it is answered."""
        if self.transport.is_closing():
            return
        self.transport.sendto(text.encode(), address)
        if repeat:
            message = parse_sip(text.encode())
            key = (message.header("call-id"), message.header("cseq"))
            self._repeats[key] = asyncio.create_task(self._repeat(text, address))

    async def _repeat(self, text: str, address: tuple[str, int]) -> None:
        for wait_s in (0.5, 1, 2, 4, 4, 4):
            await asyncio.sleep(wait_s)
            if not self.transport.is_closing():
                self.transport.sendto(text.encode(), address)

    def datagram_received(self, datagram: bytes, address: tuple[str, int]) -> None:
        """Take a message."""
        try:
            message = parse_sip(datagram, time.monotonic_ns())
        except ValueError:
            return
        if self.behaviour.dead:
            self._unheard.add(message.header("call-id"))
        if message.status:
            self._take_answer(message)
        elif self.behaviour.late or message.header("call-id") not in self._unheard:
            self._spawn(self._take_request(message, address))

    def error_received(self, _: Exception) -> None:
        """Pass over a closed port."""

    def _spawn(self, work) -> None:  # noqa: ANN001
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _dialog(self, call_id: str) -> Dialog | None:
        return next((each for each in self.dialogs if each.call_id == call_id), None)

    def _take_answer(self, message: SipMessage) -> None:
        repeat = self._repeats.pop((message.header("call-id"), message.header("cseq")), None)
        if repeat is not None:
            repeat.cancel()
        dialog = self._dialog(message.header("call-id"))
        if dialog is None or message.status < 200:
            return
        self.statuses.append((message.method, message.status))
        if message.method == "BYE":
            dialog.close()
        if message.method != "INVITE":
            return
        if found := re.search(r";tag=([^;>\s]+)", message.header("to")):
            dialog.remote_tag = found[1]
        if message.status >= 300:
            if not dialog.answered_ns:
                dialog.final_status = message.status
            dialog.target = dialog.target or dialog.remote_uri
        else:
            dialog.learn(message)
            dialog.answered_ns = dialog.answered_ns or time.monotonic_ns()
            dialog.acked_ns = dialog.acked_ns or time.monotonic_ns()
        dialog._request("ACK", cseq=int(message.header("cseq").split()[0]))

    async def _take_request(self, request: SipMessage, address: tuple[str, int]) -> None:
        dialog = self._dialog(request.header("call-id"))
        if dialog is not None:
            dialog.requests.append(request)
            if self.on_request(dialog, request):
                return
        match request.method:
            case "INVITE" if dialog is None:
                await self._take_invite(request, address)
            case "INVITE" if dialog is not None and dialog.invite is not request:
                if request.header("cseq") != (dialog.invite or request).header("cseq") or (
                    dialog.invite is None
                ):
                    dialog.learn(request)
                    dialog.answer(request, 200, dialog.sdp())
            case "ACK" if dialog is not None:
                dialog.acked_ns = dialog.acked_ns or time.monotonic_ns()
                if dialog.final_status:
                    dialog.close()
            case "CANCEL" if dialog is not None and dialog.invite is not None:
                dialog.close()
                dialog.answer(request, 200)
                if dialog.ringing:
                    dialog.cancelled_ns = time.monotonic_ns()
                    dialog.end_reason = request.header("reason")
                    dialog.answer(dialog.invite, 487)
            case "BYE" if dialog is not None:
                dialog.close()
                if not dialog.ended_ns:
                    dialog.ended_ns = time.monotonic_ns()
                    dialog.end_reason = request.header("reason")
                dialog.rtp.stop()
                dialog.answer(request, 200)
            case "ACK":
                pass
            case _:
                orphan = dialog or Dialog(self, request.header("call-id"), source=address)
                orphan.answer(request, 200 if request.method == "OPTIONS" or dialog else 481)

    async def _take_invite(self, request: SipMessage, address: tuple[str, int]) -> None:
        dialog = Dialog(self, request.header("call-id"), request, address)
        self.dialogs.append(dialog)
        dialog.requests.append(request)
        dialog.invited_ns = time.monotonic_ns()
        origin = request.header("from")
        dialog.remote_tag = re.search(r";tag=([^;>\s]+)", origin)[1]  # type: ignore[index]
        dialog.remote_uri = re.search(r"<([^>]+)>", origin)[1]  # type: ignore[index]
        await dialog.rtp.open()
        mine = self.behaviour
        dialog.answer(request, 100)
        if mine.ring:
            dialog.answer(request, 180)
        await asyncio.sleep(mine.answer_after_s)
        if not dialog.ringing or not mine.status:
            return
        if mine.status >= 300:
            dialog.final_status, dialog.refused_ns = mine.status, time.monotonic_ns()
            dialog.answer(request, mine.status, more=mine.headers)
            return
        self.pick_up(dialog)

    def pick_up(self, dialog: Dialog) -> None:
        """Answer a call that rings."""
        assert dialog.invite is not None
        dialog.learn(dialog.invite)
        dialog.answered_ns = time.monotonic_ns()
        self._spawn(self._answer_until_acked(dialog))

    async def _answer_until_acked(self, dialog: Dialog) -> None:
        assert dialog.invite is not None
        for wait_s in (0.5, 1, 2, 4):
            dialog.answer(dialog.invite, 200, dialog.sdp())
            await asyncio.sleep(wait_s)
            if dialog.acked_ns:
                return
