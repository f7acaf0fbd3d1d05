"""A far end whose every time is known: greets, and answers each utterance after a fixed delay.

One UDP socket for SIP, one for RTP; it decides by the level of the packets, on its own clock, and
notes when each of its packets left, so that a phone's measurements can be checked against it.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

import numpy as np

from tests.harness import g711
from tests.harness.outside_phone import AUDIBLE_DBFS, MS, level_dbfs, tone
from tests.harness.outside_sip import parse_sip, sdp_audio


class AnsweringMachine:
    """Answer one call after another.

    Args:
        answer_delay_ms: last audible packet received to first packet of the answer.
        endpoint_ms: silence that ends the caller's utterance; at most the delay.
        answer_s: how long the answer (a tone) lasts.
        stop_ms: how long it talks on after an interruption began.
        status: final SIP status; other than 200 refuses every call, with Retry-After: 7.
        deaf_after: utterances that are answered; later ones are not.
    """

    def __init__(
        self,
        answer_delay_ms: int = 500,
        endpoint_ms: int = 300,
        answer_s: float = 1.0,
        stop_ms: int = 160,
        status: int = 200,
        deaf_after: int = 1_000,
    ) -> None:
        self.answer_delay_ms = answer_delay_ms
        self._endpoint_ns = endpoint_ms * MS
        self._answer_frames = int(answer_s * 50)
        self._stop_ns = stop_ms * MS
        self._status = status
        self._left = deaf_after
        self._sip = _bound_socket()
        self._rtp = _bound_socket()
        self.port = self._sip.getsockname()[1]
        self._remote: tuple[str, int] | None = None
        self._open = True
        self._talk_left = 0
        self._talk_at_ns = 0
        self._last_audible_ns = 0
        self._caller_began_ns = 0
        self._heard_caller = False
        self.digits: list[int] = []
        self.byes = 0
        self._confirmed_ns = 0
        self._threads = [
            threading.Thread(target=each, daemon=True)
            for each in (self._serve_sip, self._serve_rtp)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop."""
        self._open = False
        for thread in self._threads:
            thread.join(1)
        self._sip.close()
        self._rtp.close()

    # ------------------------------------------------------------ SIP

    def _serve_sip(self) -> None:
        while self._open:
            try:
                datagram, address = self._sip.recvfrom(65_535)
                request = parse_sip(datagram)
            except (TimeoutError, ValueError):
                continue
            if request.method == "ACK":
                self._confirm()
                continue
            status, body = "200 OK", ""
            extra: list[str] = []
            if request.method == "INVITE" and self._status != 200:
                status, extra = f"{self._status} Busy", ["Retry-After: 7"]
            elif request.method == "INVITE":
                self._remote = sdp_audio(request.body)[:2]
                body = self._sdp()
            elif request.method == "BYE":
                self.byes += 1
                self._remote = None
            to = request.header("to")
            lines = [f"SIP/2.0 {status}", *[f"Via: {each}" for each in request.all("via")]]
            lines += [f"From: {request.header('from')}"]
            lines += [f"To: {to}" if "tag=" in to else f"To: {to};tag=machine"]
            lines += [f"Call-ID: {request.header('call-id')}", f"CSeq: {request.header('cseq')}"]
            lines += [f"Contact: <sip:machine@127.0.0.1:{self.port}>", *extra]
            lines += ["Content-Type: application/sdp"] if body else []
            lines.append(f"Content-Length: {len(body)}")
            self._sip.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), address)

    def _sdp(self) -> str:
        return (
            "v=0\r\no=machine 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self._rtp.getsockname()[1]} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )

    def _confirm(self) -> None:
        if self._status == 200 and not self._confirmed_ns:
            self._confirmed_ns = time.monotonic_ns()
            self._talk_at_ns = self._confirmed_ns + 200 * MS
            self._talk_left = self._answer_frames

    # ------------------------------------------------------------ RTP

    def _serve_rtp(self) -> None:
        due = time.monotonic_ns()
        sequence = 0
        beep = tone(450, 0.02)  # whole periods, so that 20 ms join without a click
        while self._open:
            now = time.monotonic_ns()
            while due <= now:
                self._decide(now)
                talking = self._talk_left > 0 and now >= self._talk_at_ns
                self._talk_left -= int(talking)
                payload = g711.encode("PCMU", beep if talking else np.zeros(160, np.int16))
                head = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, 99)
                if self._remote is not None:
                    self._rtp.sendto(head + payload, self._remote)
                sequence, due = sequence + 1, due + 20 * MS
            self._rtp.settimeout(max(0.0005, (due - time.monotonic_ns()) / 1e9))
            try:
                datagram = self._rtp.recv(2_048)
            except (TimeoutError, OSError):
                continue
            self._hear(datagram, time.monotonic_ns())

    def _hear(self, datagram: bytes, now: int) -> None:
        if datagram[1] & 0x7F == 101:
            if datagram[1] & 0x80:
                self.digits.append(datagram[12])
            return
        if level_dbfs(g711.decode("PCMU", datagram[12:])) <= AUDIBLE_DBFS:
            return
        if now - self._last_audible_ns > self._endpoint_ns:
            self._caller_began_ns = now
        self._last_audible_ns = now
        self._heard_caller = True

    def _decide(self, now: int) -> None:
        """Stop for an interruption; plan the answer once the caller was quiet."""
        talking = self._talk_left > 0 and now >= self._talk_at_ns
        quiet = now - self._last_audible_ns > self._endpoint_ns
        if talking and self._heard_caller and now - self._caller_began_ns >= self._stop_ns:
            self._talk_left = 0
        if self._heard_caller and quiet and self._left:
            self._heard_caller = False
            self._left -= 1
            self._talk_at_ns = self._last_audible_ns + self.answer_delay_ms * MS
            self._talk_left = self._answer_frames


def _bound_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(0.1)
    return made
