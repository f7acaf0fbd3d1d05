"""Many quick calls through the front, from addresses of choice, without audio."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.outside_sip import Dialled, OutsideDialog, SipMessage, parse_sip

SDP = (
    "v=0\r\no=front 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 28199 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def caller(port: int, address: str = "127.0.0.7", number: str = "100") -> OutsideDialog:
    """Return a caller that has not called yet."""
    return OutsideDialog(
        Dialled("127.0.0.1", port, number=number, local_address=address), lambda: SDP
    )


@contextmanager
def many(count: int, port: int, address: str = "127.0.0.7") -> Iterator[list[OutsideDialog]]:
    """Give callers; those still talking hang up at the end."""
    made = [caller(port, address) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            if each.remote_tag and not each.ended_by_far_end and each.ok_ns:
                each.bye()
            each.close()


def ask(
    method: str,
    port: int,
    address: str,
    *,
    user: str = "100",
    sender: str = "front",
    headers: str = "",
    contact: str = "",
    timeout_s: float = 1.0,
) -> SipMessage | None:
    """Send one request outside of a call; return the final answer, None if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind((address, 0))
        here.settimeout(0.1)
        token = f"{random.randrange(1 << 40):x}"
        own = f"{address}:{here.getsockname()[1]}"
        text = (
            f"{method} sip:{user}@127.0.0.1:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{token};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{sender}@{own}>;tag={token}\r\nTo: <sip:{user}@127.0.0.1:{port}>\r\n"
            f"Call-ID: {token}\r\nCSeq: 1 {method}\r\n"
            f"{contact or f'Contact: <sip:{sender}@{own}>'}\r\n{headers}Content-Length: 0\r\n\r\n"
        )
        here.sendto(text.encode(), ("127.0.0.1", port))
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                answer = parse_sip(here.recv(65_535))
            except TimeoutError:
                continue
            if answer.status >= 200:
                return answer
    return None


def burst(method: str, count: int, port: int, address: str, seconds: float = 1.5) -> int:
    """Send that many requests of different calls at once; return how many were answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind((address, 0))
        here.settimeout(0.1)
        own = f"{address}:{here.getsockname()[1]}"
        for number in range(count):
            token = f"{number}-{random.randrange(1 << 40):x}"
            text = (
                f"{method} sip:100@127.0.0.1:{port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{token};rport\r\nMax-Forwards: 70\r\n"
                f"From: <sip:front@{own}>;tag={token}\r\nTo: <sip:100@127.0.0.1:{port}>\r\n"
                f"Call-ID: {token}\r\nCSeq: 1 {method}\r\nContact: <sip:front@{own}>\r\n"
                "Content-Length: 0\r\n\r\n"
            )
            here.sendto(text.encode(), ("127.0.0.1", port))
        answered = set()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                answered.add(parse_sip(here.recv(65_535)).header("call-id"))
            except TimeoutError:
                continue
        return len(answered)


def credentials(challenge: SipMessage, method: str, uri: str, user: str, password: str) -> str:
    """Answer a digest challenge (RFC 7616, MD5, qop=auth)."""
    proxy = challenge.status == 407
    value = challenge.header("proxy-authenticate" if proxy else "www-authenticate")
    realm = re.search(r'realm="([^"]*)"', value)
    nonce = re.search(r'nonce="([^"]*)"', value)
    assert realm is not None
    assert nonce is not None
    ha1 = _md5(f"{user}:{realm[1]}:{password}")
    ha2 = _md5(f"{method}:{uri}")
    qop = 'qop="auth"' in value or "qop=auth" in value
    middle = ":00000001:c0ffee:auth:" if qop else ":"
    response = _md5(f"{ha1}:{nonce[1]}{middle}{ha2}")
    name = "Proxy-Authorization" if proxy else "Authorization"
    more = ', qop=auth, nc=00000001, cnonce="c0ffee"' if qop else ""
    return (
        f'{name}: Digest username="{user}", realm="{realm[1]}", nonce="{nonce[1]}", '
        f'uri="{uri}", response="{response}"{more}\r\n'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class TlsCaller:
    """A caller over one TLS connection of one protocol version.

    Args:
        port: of SIP over TLS.
        authority: certificate to trust.
        version: the only one that is offered.
        host: to connect to.
    """

    def __init__(
        self, port: int, authority: str, version: ssl.TLSVersion, host: str = "127.0.0.1"
    ) -> None:
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = context.maximum_version = version
        plain = socket.create_connection((host, port), 5)
        shown = f"[{host}]" if ":" in host else host
        self._stream = context.wrap_socket(plain, server_hostname=host)
        self._stream.settimeout(5)
        self._buffer = b""
        self._port = port
        self._call_id = f"tls-{random.randrange(1 << 40):x}"
        self._to = f"<sip:100@{shown}:{port}>"
        self._target = f"sip:100@{shown}:{port};transport=tls"
        self._routes: list[str] = []
        self.version = self._stream.version()

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def request(self, method: str, number: int, body: str = "") -> None:
        """Send a request of the one call."""
        address, own_port = self._stream.getsockname()[:2]
        own = f"[{address}]:{own_port}" if ":" in address else f"{address}:{own_port}"
        lines = [
            f"{method} {self._target} SIP/2.0",
            f"Via: SIP/2.0/TLS {own};branch=z9hG4bK{method}{number}{self._call_id};rport",
            "Max-Forwards: 70",
            f"From: <sip:front@{own}>;tag=front",
            f"To: {self._to}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:front@{own};transport=tls>",
            *[f"Route: {each}" for each in self._routes],
        ]
        lines += ["Content-Type: application/sdp"] if body else []
        lines.append(f"Content-Length: {len(body)}")
        self._stream.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def answer(self) -> SipMessage:
        """Return the next final answer."""
        while True:
            while b"\r\n\r\n" not in self._buffer:
                self._buffer += self._stream.recv(65_535)
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            found = re.search(rb"(?im)^(?:Content-Length|l)\s*:\s*(\d+)", head)
            size = int(found[1]) if found else 0
            while len(rest) < size:
                rest += self._stream.recv(65_535)
            message = parse_sip(head + b"\r\n\r\n" + rest[:size])
            self._buffer = rest[size:]
            if message.status >= 200:
                return message

    def call(self, sdp: str = SDP) -> SipMessage:
        """INVITE and ACK; return the final answer."""
        self.request("INVITE", 1, sdp)
        answer = self.answer()
        self._to = answer.header("to")
        if contact := re.search(r"<([^>]+)>", answer.header("contact")):
            self._target = contact[1]
        self._routes = list(reversed(answer.all("record-route")))
        self.request("ACK", 1)
        return answer

    def hang_up(self) -> SipMessage:
        """BYE; return its answer."""
        self.request("BYE", 2)
        return self.answer()
