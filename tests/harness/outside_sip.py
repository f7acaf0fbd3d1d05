"""A tiny SIP user agent client over UDP (RFC 3261), sharing nothing with the product."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _token() -> str:
    return f"{random.randrange(1 << 48):012x}"


@dataclass
class SipMessage:
    """A parsed message; header names are lower case, repeated headers stay in order."""

    first_line: str
    headers: list[tuple[str, str]]
    body: str
    at_ns: int = 0

    @property
    def status(self) -> int:
        """Status code of a response, 0 for a request."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """Method of a request, or of the request a response answers."""
        if self.status:
            return self.header("cseq").split()[-1]
        return self.first_line.split()[0]

    def header(self, name: str, default: str = "") -> str:
        """Return the first header of that name."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return every header of that name."""
        return [value for key, value in self.headers if key == name]


_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


def parse_sip(datagram: bytes, at_ns: int = 0) -> SipMessage:
    """Parse one datagram.

    Raises:
        ValueError: no message.
    """
    head, _, body = datagram.decode("utf-8", "replace").partition("\r\n\r\n")
    first_line, *lines = head.split("\r\n")
    if "SIP/2.0" not in first_line:
        raise ValueError(f"not SIP: {first_line[:40]!r}")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers.append((_COMPACT.get(key, key), value.strip()))
    return SipMessage(first_line, headers, body, at_ns)


def sdp_audio(body: str) -> tuple[str, int, list[int], str]:
    """Return (address, port, payload types, direction) of the first audio stream of an SDP."""
    session, _, media = body.partition("m=audio ")
    if not media:
        raise ValueError("no audio in the SDP")
    first = media.split("\n", 1)[0].split()
    media = media.split("\nm=")[0]
    addresses = re.findall(r"c=IN IP[46] (\S+)", media) or re.findall(r"c=IN IP[46] (\S+)", session)
    found = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", media, re.MULTILINE)
    return (
        addresses[0],
        int(first[0]),
        [int(each) for each in first[2:]],
        (found.group(1) if found else "sendrecv"),
    )


@dataclass
class Dialled:
    """Where and as whom to call."""

    host: str
    port: int
    number: str = "100"
    caller: str = "outside"
    local_address: str = "127.0.0.1"
    local_port: int = 0


@dataclass
class OutsideDialog:
    """One call's SIP: INVITE, ACK, BYE, CANCEL, re-INVITE; answers BYE, OPTIONS and re-INVITE.

    A thread receives; methods send and wait. UDP is loopback: requests are sent again each 500 ms.
    """

    dialled: Dialled
    sdp: Callable[[], str]
    """Returns our SDP, for the INVITE and for answering re-INVITEs."""
    on_bye: Callable[[], None] = lambda: None
    call_id: str = field(default_factory=lambda: f"{_token()}@outside")
    local_tag: str = field(default_factory=_token)
    remote_tag: str = ""
    remote_target: str = ""
    messages: list[SipMessage] = field(default_factory=list)
    """All that was received, in order."""
    ended_by_far_end: bool = False
    cseq: int = 0
    invited_ns: int = 0
    ok_ns: int = 0
    ack_ns: int = 0

    def __post_init__(self) -> None:
        """Open the socket and begin to listen."""
        six = ":" in self.dialled.local_address
        self._socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.dialled.local_address, self.dialled.local_port))
        self._socket.settimeout(0.1)
        self.port = self._socket.getsockname()[1]
        self._changed = threading.Condition()
        self._open = True
        self._route_set: list[str] = []
        self._branch = ""
        self._offerless = False
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ requests

    def invite(self, timeout_s: float = 10.0, sdp: str | None = None) -> SipMessage:
        """Send INVITE, wait for a final answer and ACK it; return the answer.

        Args:
            timeout_s: for the answer.
            sdp: the body instead of our own; empty asks for an offer, and our own is in the ACK.
        """
        self.cseq += 1
        self._branch = f"z9hG4bK{_token()}"
        body = self.sdp() if sdp is None else sdp
        self._offerless = not body
        target = self.remote_target or f"sip:{self.dialled.number}@{self._peer()}"
        request = self._request("INVITE", target, self.cseq, self._branch, body)
        if not self.invited_ns:
            self.invited_ns = time.monotonic_ns()
        answer = self._transact(request, "INVITE", self.cseq, timeout_s)
        if answer.status < 300:
            self.ok_ns = self.ok_ns or answer.at_ns
            self._learn(answer)
            self._ack(answer)
            self.ack_ns = self.ack_ns or time.monotonic_ns()
        else:
            self._ack(answer)
        return answer

    def cancel(self, timeout_s: float = 5.0) -> SipMessage:
        """Cancel the pending INVITE (from another thread than :meth:`invite`)."""
        target = f"sip:{self.dialled.number}@{self._peer()}"
        request = self._request("CANCEL", target, self.cseq, self._branch)
        return self._transact(request, "CANCEL", self.cseq, timeout_s)

    def bye(self, timeout_s: float = 5.0) -> SipMessage:
        """End the call."""
        return self.in_dialog("BYE", timeout_s=timeout_s)

    def in_dialog(self, method: str, body: str = "", timeout_s: float = 5.0) -> SipMessage:
        """Send a request inside the dialog and wait for its final answer."""
        self.cseq += 1
        request = self._request(method, self.remote_target, self.cseq, f"z9hG4bK{_token()}", body)
        return self._transact(request, method, self.cseq, timeout_s)

    def outside_dialog(self, method: str, timeout_s: float = 5.0) -> SipMessage:
        """Send a request outside any dialog (OPTIONS) and wait for its final answer."""
        self.cseq += 1
        target = f"sip:{self.dialled.number}@{self._peer()}"
        request = self._request(method, target, self.cseq, f"z9hG4bK{_token()}")
        return self._transact(request, method, self.cseq, timeout_s)

    def wait_for(self, wanted: Callable[[SipMessage], bool], timeout_s: float) -> SipMessage | None:
        """Wait until a message was received that is wanted; None when time is up."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((each for each in self.messages if wanted(each)), None)
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                self._changed.wait(left)

    def close(self) -> None:
        """Stop listening."""
        self._open = False
        self._thread.join(1)
        self._socket.close()

    # ------------------------------------------------------------ inside

    def _peer(self) -> str:
        return f"{_bracketed(self.dialled.host)}:{self.dialled.port}"

    def _contact(self) -> str:
        return f"sip:{self.dialled.caller}@{self._own()}"

    def _own(self) -> str:
        return f"{_bracketed(self.dialled.local_address)}:{self.port}"

    def _request(self, method: str, target: str, cseq: int, branch: str, body: str = "") -> str:
        to_tag = f";tag={self.remote_tag}" if self.remote_tag else ""
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._own()};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <{self._contact()}>;tag={self.local_tag}",
            f"To: <sip:{self.dialled.number}@{self._peer()}>{to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <{self._contact()}>",
            *[f"Route: {each}" for each in self._route_set],
            "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS",
            "User-Agent: outside",
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body.encode())}")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def _send(self, text: str, address: tuple[str, int] | None = None) -> None:
        self._socket.sendto(text.encode(), address or (self.dialled.host, self.dialled.port))

    def _transact(self, request: str, method: str, cseq: int, timeout_s: float) -> SipMessage:
        deadline = time.monotonic() + timeout_s

        def is_answer(message: SipMessage) -> bool:
            return message.status > 0 and message.header("cseq") == f"{cseq} {method}"

        while time.monotonic() < deadline:
            if not any(is_answer(each) for each in self.messages):
                self._send(request)
            wait_s = min(0.5, max(0.01, deadline - time.monotonic()))
            final = self.wait_for(lambda each: is_answer(each) and each.status >= 200, wait_s)
            if final is not None:
                return final
        raise TimeoutError(f"no final answer to {method} in {timeout_s} s")

    def _learn(self, answer: SipMessage) -> None:
        if found := re.search(r";tag=([^;>\s]+)", answer.header("to")):
            self.remote_tag = found.group(1)
        if found := re.search(r"<([^>]+)>", answer.header("contact")):
            self.remote_target = found.group(1)
        self._route_set = list(reversed(answer.all("record-route")))

    def _ack(self, answer: SipMessage) -> None:
        cseq = int(answer.header("cseq").split()[0])
        if answer.status < 300:
            body = self.sdp() if self._offerless else ""
            request = self._request("ACK", self.remote_target, cseq, f"z9hG4bK{_token()}", body)
        else:
            target = f"sip:{self.dialled.number}@{self._peer()}"
            request = self._request("ACK", target, cseq, self._branch)
            request = re.sub(r"\r\nTo: [^\r]*", lambda _: f"\r\nTo: {answer.header('to')}", request)
        self._send(request)

    def _receive(self) -> None:
        while self._open:
            try:
                datagram, address = self._socket.recvfrom(65_535)
                message = parse_sip(datagram, time.monotonic_ns())
            except (TimeoutError, ValueError, ConnectionError):
                continue
            with self._changed:
                repeated = message.status >= 200 and any(
                    each.first_line == message.first_line
                    and each.header("cseq") == message.header("cseq")
                    for each in self.messages
                )
                self.messages.append(message)
                self._changed.notify_all()
            if not message.status:
                self._answer(message, address)
            elif repeated and message.method == "INVITE" and message.status < 300:
                self._learn(message)
                self._ack(message)  # our ACK was lost or late

    def _answer(self, request: SipMessage, address: tuple[str, int]) -> None:
        if request.method == "ACK":
            return
        known = request.header("call-id") == self.call_id
        status = "200 OK" if known or request.method == "OPTIONS" else "481 Gone"
        body = self.sdp() if request.method == "INVITE" and known else ""
        lines = [f"SIP/2.0 {status}", *[f"Via: {each}" for each in request.all("via")]]
        lines += [f"{name}: {request.header(name.lower())}" for name in ("From", "To", "Call-ID")]
        lines += [f"CSeq: {request.header('cseq')}", f"Contact: <{self._contact()}>"]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body.encode())}")
        self._send("\r\n".join(lines) + "\r\n\r\n" + body, address)
        if request.method == "BYE" and known:
            self.ended_by_far_end = True
            self.on_bye()
