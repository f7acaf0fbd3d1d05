"""Throw mutated SIP and SDP at a worker, and look after its health meanwhile."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from mutations import messages
from torture_table import TABLE
from ua_peer import Peer, WorkerProcess, answered, hung_up, offer

from edge.ua.messages import UaAnswer, UaHangup, UaHeartbeat, UaInvite, UaRinging, UaSettings

_ADDRESS = "127.0.0.1"
_BURST = 25
_MIRRORED = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
_SETTLE_S = 40.0
"""Legs whose ACK never comes go after 32 s (RFC 3261 timer H)."""


@dataclass(frozen=True)
class Health:
    """What a worker process holds."""

    resident_kb: int
    descriptors: int


@dataclass(frozen=True)
class Report:
    """What a run showed."""

    sent: int
    answered: int
    offered: int
    options_ms: list[float]
    before: Health
    after: Health
    legs_left: int


def health(pid: int) -> Health:
    """Return what a process holds now."""
    fields = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return Health(int(fields[0]), len(list(Path(f"/proc/{pid}/fd").iterdir())))


def _bases(port: int) -> list[bytes]:
    def request(method: str, body: str = "", *more: str) -> bytes:
        lines = [
            f"{method} sip:100@{_ADDRESS} SIP/2.0",
            f"Via: SIP/2.0/UDP {_ADDRESS}:{port};branch=z9hG4bK{{n}};rport",
            f'From: "A Caller" <sip:caller@{_ADDRESS}:{port}>;tag=t{{n}}',
            f"To: <sip:100@{_ADDRESS}>",
            "Call-ID: c{n}@fuzz",
            f"CSeq: 1 {method}",
            f"Contact: <sip:caller@{_ADDRESS}:{port}>",
            "Max-Forwards: 70",
            *more,
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    sdp = "Content-Type: application/sdp"
    long_offer = offer(
        formats="0 8 9 101 111",
        lines=(
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            "a=sendonly",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
            "m=video 4000 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
        ),
    )
    bases = [
        request("INVITE", offer(), sdp),
        request("INVITE", offer(), sdp),
        request("INVITE", long_offer, sdp, "Supported: timer, 100rel", "Session-Expires: 90"),
        request("INVITE"),
        request("INVITE", offer(), sdp, "Replaces: a@b;to-tag=1;from-tag=2", "Require: 100rel"),
        request("OPTIONS"),
        request("REGISTER"),
        request("INFO", "Signal=1\r\nDuration=100\r\n", "Content-Type: application/dtmf-relay"),
        request("REFER", "", "Refer-To: <sip:x@y?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>"),
        request("SUBSCRIBE", "", "Event: refer", "Expires: 60"),
        request("NOTIFY", "SIP/2.0 200 OK", "Event: refer", "Content-Type: message/sipfrag"),
        request("BYE"),
        request("CANCEL"),
        request("PRACK", "", "RAck: 1 1 INVITE"),
        request("UPDATE", offer(), sdp),
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{n}\r\nFrom: <sip:a@b>;tag=1"
        b"\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: c{n}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    ]
    return bases + [each.octets for each in TABLE]


def _inside(peer: Peer) -> list[bytes]:
    """Return requests of a dialog that is up; their faults reach the dialog's own code."""
    found = []
    for method, body, kind in (
        ("INVITE", offer(version=9), "application/sdp"),
        ("UPDATE", offer(version=9), "application/sdp"),
        ("INFO", "Signal=1\r\nDuration=1\r\n", "application/dtmf-relay"),
        ("REFER", "", ""),
        ("OPTIONS", "", ""),
    ):
        lines = [
            f"{method} {peer.remote_uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {peer.address}:{peer.port};branch=z9hG4bKin{{n}};rport",
            f"From: <sip:caller@{peer.address}:{peer.port}>;tag={peer.tag}",
            f"To: <sip:100@127.0.0.1>;tag={peer.remote_tag}",
            f"Call-ID: {peer.call_id}",
            f"CSeq: 5 {method}",
            f"Contact: <sip:caller@{peer.address}:{peer.port}>",
            "Refer-To: <sip:somebody@127.0.0.1>" if method == "REFER" else "Max-Forwards: 70",
            f"Content-Type: {kind}" if kind else "X-None: none",
            f"Content-Length: {len(body)}",
        ]
        found.append(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    return found


def _reply_to(octets: bytes) -> bytes:
    """Return the ACK of a final answer, the 200 of a BYE, or nothing."""
    start, *lines = octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
    kept = [each for each in lines if each.split(b":")[0] in _MIRRORED]
    if start.startswith(b"BYE "):
        return b"\r\n".join([b"SIP/2.0 200 OK", *kept, b"Content-Length: 0"]) + b"\r\n\r\n"
    final = start[8:9] in b"23456" and start.startswith(b"SIP/2.0")
    if not final or not any(b"INVITE" in each for each in kept if each[:4] == b"CSeq"):
        return b""
    kept = [each.replace(b"INVITE", b"ACK") if each[:4] == b"CSeq" else each for each in kept]
    ack = [b"ACK sip:100@127.0.0.1 SIP/2.0", *kept, b"Max-Forwards: 70", b"Content-Length: 0"]
    return b"\r\n".join(ack) + b"\r\n\r\n"


class Fuzzer:
    """One worker under fire.

    Args:
        port: for the worker's SIP.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._answered = self._offered = 0
        self._options_ms: list[float] = []

    def run(self, seed: int, count: int) -> Report:
        """Send ``count`` messages; fail where the worker dies or OPTIONS is not answered."""
        worker = WorkerProcess(UaSettings(_ADDRESS, udp_port=self._port, tcp_port=None))
        worker.ready()
        caller = Peer(self._port)
        leg = answered(worker, caller)
        hung_up(worker, caller, leg)  # whatever is made once has been made
        self._batch(worker, seed, 200)
        before = health(worker.process.pid)
        inside = Peer(self._port)
        leg = answered(worker, inside)
        self._batch(worker, seed + 1, count, _inside(inside))
        worker.send(UaHangup(leg))
        legs = self._settle(worker)
        after = health(worker.process.pid)
        caller.close()
        inside.close()
        code, errors = worker.stop()
        assert code == 0, errors
        return Report(count, self._answered, self._offered, self._options_ms, before, after, legs)

    def _batch(
        self, worker: WorkerProcess, seed: int, count: int, more: list[bytes] | None = None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            peer.bind((_ADDRESS, 0))
            bases = _bases(peer.getsockname()[1]) + (more or []) * 4
            for number, octets in enumerate(messages(seed, count, bases)):
                peer.sendto(octets, (_ADDRESS, self._port))
                if number % 3 == 0:
                    self._serve(worker)
                while select.select([peer], [], [], 0)[0]:
                    reply = _reply_to(peer.recv(65_535))
                    self._answered += 1
                    if reply:
                        peer.sendto(reply, (_ADDRESS, self._port))
                if number % _BURST == 0:
                    self._ask(worker)

    def _serve(self, worker: WorkerProcess) -> None:
        """Answer some of the calls that get through, end others."""
        worker.pump(0)
        for message in worker.pending:
            if isinstance(message, UaInvite):
                self._offered += 1
                worker.send(UaRinging(message.leg))
                if self._offered % 2:
                    worker.send(UaAnswer(message.leg, _ADDRESS, 31_700))
                worker.send(UaHangup(message.leg))
        worker.pending.clear()
        assert worker.process.poll() is None, worker.stop()

    def _ask(self, worker: WorkerProcess) -> None:
        asking = Peer(self._port)
        try:
            began = time.monotonic()
            asking.request("OPTIONS")
            status = asking.response(worker, timeout_s=5).status
            assert status == 200, status
            self._options_ms.append((time.monotonic() - began) * 1_000)
        finally:
            asking.close()

    def _settle(self, worker: WorkerProcess) -> int:
        deadline = time.monotonic() + _SETTLE_S
        legs = -1
        while time.monotonic() < deadline and legs != 0:
            worker.pump(0.05)
            for message in worker.pending:
                if isinstance(message, UaHeartbeat):
                    legs = message.legs
                elif isinstance(message, UaInvite):
                    worker.send(UaHangup(message.leg))
            worker.pending.clear()
        return legs
