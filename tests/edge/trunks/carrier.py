"""A carrier over UDP: takes calls, registrations, OPTIONS; sends a tone. No product code in it."""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from tests.edge.trunks.srtp_keys import SrtpKeys
from tests.harness import g711
from tests.harness.outside_phone import tone
from tests.harness.outside_sip import SipMessage, parse_sip, sdp_audio

NONCE = "carriernonce"


@dataclass
class Carrier:
    """One server of a carrier.

    What it does with an INVITE is set by its fields; they may be changed between calls.
    """

    port: int = 0
    host: str = "127.0.0.1"
    status: int = 200
    """Final answer to INVITE."""
    ring: bool = True
    early: bool = False
    """183 with SDP and a tone before the final answer."""
    answer_after_s: float = 0.1
    mute: bool = False
    """Says nothing to an INVITE, not even 100, before the final answer."""
    dead: bool = False
    """Answers nothing."""
    user: str = ""
    password: str = ""
    """Given: INVITE and REGISTER are challenged."""
    register_status: int = 200
    expires_s: int = 60
    options_status: int = 200
    srtp: SrtpKeys | None = None
    """Given: answers a=crypto with these keys and talks SRTP."""
    headers: tuple[str, ...] = ()
    """Of answers to INVITE."""
    hz: int = 440
    requests: list[SipMessage] = field(default_factory=list)
    answers: list[SipMessage] = field(default_factory=list)
    """Responses to what :meth:`ask` sent."""
    digits: list[int] = field(default_factory=list)
    heard: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin to listen."""
        self._sip = _bound(self.host, self.port)
        self._rtp = _bound(self.host, 0)
        self.port = self._sip.getsockname()[1]
        self._peer: tuple[str, int] | None = None
        self._contact: dict[str, str] = {}
        self._dialogs: dict[str, tuple[SipMessage, tuple[str, int]]] = {}
        self._cancelled: set[str] = set()
        self._cseq = itertools.count(1)
        self._open = True
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._serve, self._talk)
        ]
        for each in self._threads:
            each.start()

    @property
    def _own(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self) -> None:
        """Stop."""
        self._open = False
        for each in self._threads:
            each.join(1)
        self._sip.close()
        self._rtp.close()

    def seen(self, method: str) -> list[SipMessage]:
        """Return the requests of a method, repetitions left out."""
        found: dict[tuple[str, str], SipMessage] = {}
        for each in list(self.requests):
            if each.method == method:
                found.setdefault((each.header("call-id"), each.header("cseq")), each)
        return list(found.values())

    def wait(self, method: str, count: int = 1, timeout_s: float = 5.0) -> SipMessage:
        """Wait for the nth request of a method and return it."""
        deadline = time.monotonic() + timeout_s
        while len(self.seen(method)) < count:
            if time.monotonic() > deadline:
                got = [each.first_line for each in self.requests]
                raise AssertionError(f"{method} came {len(self.seen(method))} times: {got}")
            time.sleep(0.01)
        return self.seen(method)[count - 1]

    def ask(self, method: str, uri: str, target: int, *more: str, body: str = "") -> SipMessage:
        """Send a request outside of calls to a port of loopback; return the final answer.

        Args:
            method: of the request.
            uri: Request-URI and To.
            target: port of 127.0.0.1.
            more: further headers.
            body: SDP.
        """
        token = f"{time.monotonic_ns()}"
        own = self._own
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{token};rport",
            f"From: <sip:carrier@{own}>;tag={token}",
            f"To: <{uri}>",
            f"Call-ID: {token}",
            f"CSeq: 1 {method}",
            "Max-Forwards: 70",
            *more,
        ]
        self._send(lines, ("::1" if ":" in self.host else "127.0.0.1", target), body)
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            for each in list(self.answers):
                if each.header("call-id") == token and each.status >= 200:
                    return each
            time.sleep(0.01)
        raise AssertionError(f"no answer to {method} {uri}")

    def hang_up(self) -> None:
        """End the last call that was answered."""
        self._send_in_dialog("BYE", 1_000)

    def ask_for_offer(self) -> SipMessage:
        """Send INVITE without an offer in the last call, answer from a new port in the ACK."""
        number = next(self._cseq)
        self._send_in_dialog("INVITE", number)
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            for each in list(self.answers):
                if each.header("cseq") == f"{number} INVITE" and each.status >= 200:
                    old, self._rtp = self._rtp, _bound(self.host, 0)
                    self._peer = sdp_audio(each.body)[:2]
                    self._send_in_dialog("ACK", number, self._sdp())
                    old.close()
                    return each
            time.sleep(0.01)
        raise AssertionError("no offer came")

    def _send_in_dialog(self, method: str, cseq: int, body: str = "") -> None:
        invite, address = list(self._dialogs.values())[-1]
        target = re.search(r"<([^>]+)>", invite.header("contact"))
        assert target is not None
        lines = [
            f"{method} {target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._own};branch=z9hG4bK{time.monotonic_ns()}",
            f"From: {invite.header('to')};tag=carrier",
            f"To: {invite.header('from')}",
            f"Call-ID: {invite.header('call-id')}",
            f"CSeq: {cseq} {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:carrier@{self._own}>",
        ]
        self._send(lines, address, body)

    def tone_heard(self, hz: int) -> bool:
        """Say whether what was heard last is a tone of this frequency."""
        return strongest_hz(self.heard[-25:]) in range(hz - 15, hz + 16)

    def hears(self, hz: int, timeout_s: float = 5.0) -> bool:
        """Say whether a tone of this frequency comes from now on."""
        self.heard.clear()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if len(self.heard) >= 25 and self.tone_heard(hz):
                return True
            time.sleep(0.05)
        return False

    # ------------------------------------------------------------ SIP

    def _serve(self) -> None:
        while self._open:
            try:
                datagram, address = self._sip.recvfrom(65_535)
                message = parse_sip(datagram, time.monotonic_ns())
            except (TimeoutError, ValueError):
                continue
            if message.status:
                self.answers.append(message)
                continue
            again = any(each.headers == message.headers for each in self.requests)
            self.requests.append(message)
            if self.dead or again or message.method == "ACK":
                continue
            self._answer(message, address)

    def _answer(self, request: SipMessage, address: tuple[str, int]) -> None:
        method = request.method
        if method in ("INVITE", "REGISTER") and self.user and not self._proved(request):
            proxy = method == "INVITE"
            name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
            ask = f'{name}: Digest realm="carrier", nonce="{NONCE}", qop="auth", algorithm=MD5'
            self._reply(request, address, 407 if proxy else 401, [ask])
        elif method == "REGISTER":
            contact = request.header("contact").split(";expires")[0]
            expires = request.header("expires") or "600"
            granted = min(int(expires), self.expires_s)
            more = [f"Contact: {contact};expires={granted}"] if self.register_status == 200 else []
            self._reply(request, address, self.register_status, more)
        elif method == "INVITE":
            threading.Thread(target=self._take, args=(request, address), daemon=True).start()
        elif method == "OPTIONS":
            more = ["Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE", "Supported: timer, 100rel"]
            self._reply(request, address, self.options_status, more)
        else:
            if method in ("BYE", "CANCEL"):
                self._peer = None
            self._reply(request, address, 200)
            if method == "CANCEL":
                self._cancelled.add(request.header("call-id"))
                invite = self._dialogs.get(request.header("call-id"))
                if invite is not None:
                    self._reply(invite[0], address, 487)

    def _take(self, request: SipMessage, address: tuple[str, int]) -> None:
        if not self.mute:
            self._reply(request, address, 100)
        self._dialogs[request.header("call-id")] = (request, address)
        sdp = self._sdp() if self.srtp is None else self.srtp.answer(self._sdp(), request.body)
        if self.early:
            self._peer = sdp_audio(request.body)[:2]
            self._reply(request, address, 183, [*self.headers], sdp)
        elif self.ring and not self.mute:
            self._reply(request, address, 180)
        time.sleep(self.answer_after_s)
        if request.header("call-id") in self._cancelled or not self._open:
            return
        if self.status != 200:
            self._peer = None
            self._reply(request, address, self.status)
            return
        self._peer = sdp_audio(request.body)[:2]
        self._reply(request, address, 200, [*self.headers], sdp)

    def _proved(self, request: SipMessage) -> bool:
        given = request.header("proxy-authorization") or request.header("authorization")
        pairs = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
        if pairs.get("nonce") != NONCE:
            return False

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        secret = md5(f"{self.user}:carrier:{self.password}")
        asked = md5(f"{request.method}:{pairs['uri']}")
        middle = f"{NONCE}:{pairs['nc']}:{pairs['cnonce']}:auth"
        return pairs["response"] == md5(f"{secret}:{middle}:{asked}")

    def _reply(
        self,
        request: SipMessage,
        address: tuple[str, int],
        status: int,
        more: list[str] | None = None,
        sdp: str = "",
    ) -> None:
        to = request.header("to")
        lines = [f"SIP/2.0 {status} X", *[f"Via: {each}" for each in request.all("via")]]
        lines += [f"From: {request.header('from')}"]
        lines += [f"To: {to}" if "tag=" in to or status == 100 else f"To: {to};tag=carrier"]
        lines += [f"Call-ID: {request.header('call-id')}", f"CSeq: {request.header('cseq')}"]
        if request.method == "INVITE" and status < 300:
            lines.append(f"Contact: <sip:carrier@{self._own}>")
            lines += [f"Record-Route: {each}" for each in request.all("record-route")]
        self._send([*lines, *(more or [])], address, sdp)

    def _send(self, lines: list[str], address: tuple[str, int], body: str = "") -> None:
        lines = [*lines, *(["Content-Type: application/sdp"] if body else [])]
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body
        self._sip.sendto(text.encode(), address)

    def _sdp(self) -> str:
        at = f"IN IP{6 if ':' in self.host else 4} {self.host}"
        return (
            f"v=0\r\no=carrier 1 1 {at}\r\ns=-\r\nc={at}\r\nt=0 0\r\n"
            f"m=audio {self._rtp.getsockname()[1]} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )

    # ------------------------------------------------------------ RTP

    def _talk(self) -> None:
        sequence, due = 0, time.monotonic()
        samples = tone(self.hz, 1.0)
        while self._open:
            frame = samples[sequence * 160 % 8_000 :][:160]
            head = struct.pack("!BBHII", 0x80, 8, sequence & 0xFFFF, sequence * 160, 77)
            if self._peer is not None:
                datagram = head + g711.encode("PCMA", frame)
                wrapped = datagram if self.srtp is None else self.srtp.wrap(datagram)
                self._rtp.sendto(wrapped, self._peer)
            sequence, due = sequence + 1, due + 0.02
            while (left := due - time.monotonic()) > 0:
                self._rtp.settimeout(left)
                try:
                    packet = self._rtp.recv(2_048)
                except (TimeoutError, OSError):
                    continue
                packet = packet if self.srtp is None else self.srtp.unwrap(packet)
                if packet[1] & 0x7F == 101:
                    if packet[1] & 0x80:
                        self.digits.append(packet[12])
                elif packet[1] & 0x7F == 8:
                    self.heard.append(g711.decode("PCMA", packet[12:]))


def strongest_hz(frames: list[np.ndarray]) -> int:
    """Return the frequency that is strongest in the frames, 0 for silence."""
    if not frames:
        return 0
    samples = np.concatenate(frames).astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    if spectrum.max() < 1_000:
        return 0
    return int(np.argmax(spectrum)) * 8_000 // len(samples)


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, port))
    made.settimeout(0.1)
    return made
