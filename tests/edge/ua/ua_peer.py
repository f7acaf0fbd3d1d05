"""A fake control and a SIP peer for tests: plain sockets, no code shared with the worker's SIP."""

from __future__ import annotations

import itertools
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edge.ua.messages import (
    UaAnswer,
    UaConfirmed,
    UaDial,
    UaDisconnected,
    UaInvite,
    UaNegotiated,
    UaReady,
    UaSettings,
    settings_text,
)
from media.messages import Hello, Message, Ping, from_wire, to_wire
from media.wire import AudioFrame, FrameParser, encode_control

ROOT = Path(__file__).parents[3]
M = TypeVar("M", bound=Message)
_branches = itertools.count(1)


class WorkerProcess:
    """A real worker process, with the test in control's place."""

    def __init__(self, settings: UaSettings) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "edge.ua",
                "--fd",
                str(theirs.fileno()),
                "--settings",
                settings_text(settings),
            ],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        theirs.close()
        self.socket = ours
        self.parser = FrameParser()
        self.pending: list[Message] = []
        self.seen: list[Message] = []
        self.pinged = 0.0
        self.send(Hello("edge", os.getpid()))

    def send(self, message: Message) -> None:
        """Send a command."""
        try:
            self.socket.sendall(encode_control(to_wire(message)))
        except BrokenPipeError:
            code, errors = self.stop()
            raise AssertionError(f"worker ended with {code}: {errors}") from None

    def pump(self, timeout_s: float = 0.02) -> None:
        """Keep the link alive and read what came."""
        now = time.monotonic()
        if now - self.pinged > 0.4:
            self.pinged = now
            self.send(Ping())
        readable, _, _ = select.select([self.socket], [], [], timeout_s)
        if not readable:
            return
        octets = self.socket.recv(65_536)
        for frame in self.parser.receive(octets):
            assert not isinstance(frame, AudioFrame)
            message = from_wire(frame)
            if not isinstance(message, Ping | Hello):
                self.pending.append(message)
                self.seen.append(message)

    def wait(
        self, kind: type[M], timeout_s: float = 5.0, where: Callable[[M], bool] | None = None
    ) -> M:
        """Return the next message of a kind; those of other kinds stay for later."""
        deadline = time.monotonic() + timeout_s
        while True:
            for index, message in enumerate(self.pending):
                if isinstance(message, kind) and (where is None or where(message)):
                    del self.pending[index]
                    return message
            if time.monotonic() > deadline:
                raise AssertionError(f"no {kind.__name__}; got {self.pending}")
            self.pump()

    def ready(self) -> UaReady:
        """Wait until the worker takes calls."""
        return self.wait(UaReady, 10.0)

    def stop(self) -> tuple[int, str]:
        """End the process politely, return its exit code and what it said on stderr."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            _, errors = self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, errors = self.process.communicate()
        self.socket.close()
        return self.process.returncode, errors.decode()


def offer(
    address: str = "127.0.0.1",
    port: int = 21_950,
    formats: str = "0 8 101",
    lines: tuple[str, ...] = ("a=rtpmap:101 telephone-event/8000",),
    version: int = 1,
    tail: str = "",
) -> str:
    """Write a plain offer."""
    body = [
        "v=0",
        f"o=peer 77 {version} IN IP4 127.0.0.1",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        *lines,
    ]
    return "\r\n".join(body) + "\r\n" + tail


class SipMessage:
    """A received message."""

    def __init__(self, text: str) -> None:
        self.text = text
        head, _, self.body = text.partition("\r\n\r\n")
        self.start, *self.lines = head.split("\r\n")

    @property
    def status(self) -> int:
        """Status code, 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/") else 0

    def header(self, name: str) -> str:
        """First value of a header, empty without."""
        found = [
            line.partition(":")[2].strip()
            for line in self.lines
            if line.partition(":")[0].strip().lower() == name.lower()
        ]
        return found[0] if found else ""


class Peer:
    """A SIP user agent on a UDP socket that does exactly what the test says."""

    def __init__(self, target_port: int, address: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.address, self.port = self.socket.getsockname()
        self.target = ("127.0.0.1", target_port)
        self.call_id = f"call-{next(_branches)}-{self.port}@test"
        self.tag = f"tag{self.port}"
        self.remote_tag = ""
        self.remote_uri = f"sip:100@127.0.0.1:{target_port}"
        self.sequence = 0
        self.branch = ""
        self.inbox: list[SipMessage] = []

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def __enter__(self) -> Peer:
        """Use it in a ``with``."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket."""
        self.close()

    def request(
        self,
        method: str,
        body: str = "",
        *,
        content_type: str = "application/sdp",
        headers: tuple[str, ...] = (),
        same_branch: bool = False,
        dialog: bool = True,
    ) -> None:
        """Send a request."""
        if method not in ("ACK", "CANCEL"):
            self.sequence += 1
        if not same_branch:
            self.branch = f"z9hG4bK-{next(_branches)}-{self.port}"
        to_tag = f";tag={self.remote_tag}" if self.remote_tag and dialog else ""
        uri = self.remote_uri
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address}:{self.port};branch={self.branch};rport",
            f'From: "Caller \\"One\\"" <sip:caller@{self.address}:{self.port}>;tag={self.tag}',
            f"To: <sip:100@127.0.0.1:{self.target[1]}>{to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} {method}",
            f"Contact: <sip:caller@{self.address}:{self.port}>",
            "Max-Forwards: 70",
            *headers,
        ]
        if body:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Content-Length: {len(body.encode())}")
        text = "\r\n".join(lines) + "\r\n\r\n" + body
        self.socket.sendto(text.encode(), self.target)

    def receive(self, timeout_s: float) -> SipMessage | None:
        """Return the next message, None when none came in time."""
        if not select.select([self.socket], [], [], timeout_s)[0]:
            return None
        octets = self.socket.recvfrom(65_536)[0]
        # a port that another test had before may still be sent RTCP
        return SipMessage(octets.decode()) if b"SIP/2.0" in octets else None

    def response(
        self, worker: WorkerProcess | None, *, final: bool = True, timeout_s: float = 5.0
    ) -> SipMessage:
        """Wait for a response to the last request; provisional ones only where asked."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if worker is not None:
                worker.pump(0)
            message = self.receive(0.02)
            if message is None:
                continue
            if not message.status:
                self.inbox.append(message)
                continue
            if f"{self.sequence} " not in message.header("CSeq"):
                continue
            if message.status > 100 and (message.status >= 200 or not final):
                found = re.search(r"tag=([^;>\s]+)", message.header("To"))
                self.remote_tag = found[1] if found else ""
                contact = re.search(r"<([^>]+)>", message.header("Contact"))
                if contact:
                    self.remote_uri = contact[1]
                return message
        raise AssertionError(f"no response; inbox {[m.start for m in self.inbox]}")

    def received_request(
        self, worker: WorkerProcess | None, method: str, timeout_s: float = 5.0
    ) -> SipMessage:
        """Wait for a request of a method."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for index, message in enumerate(self.inbox):
                if message.start.startswith(method + " "):
                    return self.inbox.pop(index)
            if worker is not None:
                worker.pump(0)
            message_or_none = self.receive(0.02)
            if message_or_none is not None:
                self.inbox.append(message_or_none)
        raise AssertionError(f"no {method}; inbox {[m.start for m in self.inbox]}")

    def respond(
        self,
        request: SipMessage,
        status: int,
        reason: str = "OK",
        body: str = "",
        headers: tuple[str, ...] = (),
    ) -> None:
        """Answer a request."""
        lines = [f"SIP/2.0 {status} {reason}"]
        lines += [
            line
            for line in request.lines
            if line.partition(":")[0].lower() in ("via", "from", "call-id", "cseq", "record-route")
        ]
        to = request.header("To")
        if "tag=" not in to and status > 100:
            to += f";tag={self.tag}"
        lines += [f"To: {to}", f"Contact: <sip:phone@{self.address}:{self.port}>", *headers]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        text = "\r\n".join(lines) + "\r\n\r\n" + body
        self.socket.sendto(text.encode(), self.target)


def answered(worker: WorkerProcess, peer: Peer, sdp: str = "", media_port: int = 21_800) -> int:
    """Set up a call from the peer and return its leg."""
    peer.request("INVITE", sdp or offer())
    leg = worker.wait(UaInvite, where=lambda m: m.sip_call_id == peer.call_id).leg
    worker.send(UaAnswer(leg, "127.0.0.1", media_port))
    response = peer.response(worker)
    assert response.status == 200, response.text
    peer.request("ACK")
    worker.wait(UaConfirmed, where=lambda m: m.leg == leg)
    worker.wait(UaNegotiated, where=lambda m: m.leg == leg)
    return leg


def dial_anna(leg: int, phone: Peer, **more: object) -> UaDial:
    """Return the order to call a phone.

    Args:
        leg: the call's number.
        phone: who is called.
        more: further fields of the order.
    """
    return UaDial(
        leg,
        f"sip:anna@127.0.0.1:{phone.port}",
        "sip:+4930123@127.0.0.1",
        "127.0.0.1",
        21_820,
        **more,  # type: ignore[arg-type]
    )


def hung_up(worker: WorkerProcess, peer: Peer, leg: int) -> UaDisconnected:
    """End a call from the peer's side."""
    peer.request("BYE")
    assert peer.response(worker).status == 200
    return worker.wait(UaDisconnected, where=lambda m: m.leg == leg)


def media_line(sdp: str, kind: str = "audio") -> str:
    """Return the m= line of a kind."""
    return next(line for line in sdp.splitlines() if line.startswith(f"m={kind} "))
