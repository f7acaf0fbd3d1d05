"""One leg's RTP session: sockets and clock around the sans-IO halves (asyncio shell)."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from media.g711 import NS_PER_SAMPLE, RATE_HZ
from media.inbound import Heard, Inbound, InboundEvent, Pressed
from media.jitter import HeardFrame
from media.joining import split
from media.latch import Source
from media.lateness import Lateness
from media.leg_quality import leg_quality
from media.machine import MachineEar
from media.messages import StreamParameters, StreamQuality
from media.outbound import Outbound
from media.pacing import Pacer
from media.parameters import check_parameters
from media.playout import ClipEvent
from media.ports import PortPair
from media.recording import AGENT, CALLER, Recording, RecordingWriter, Tapes
from media.rtcp import RtcpSession, Sent
from media.srtp import SrtpError, SrtpReplayError, SrtpSession

MAX_BEHIND_NS = 100_000_000
"""After a standstill longer than this the packets of the past are not sent any more."""
_READS_PER_WAKE = 16
_DATAGRAM_BYTES = 2_048

log = structlog.get_logger()


class StreamListener(Protocol):
    """Who wants to know what happens on a stream."""

    def stream_heard(self, stream: Stream, frame: HeardFrame) -> None:
        """Audio of the far end, in order."""

    def stream_pressed(self, stream: Stream, digit: str, at_ns: int) -> None:
        """A key press of the far end."""

    def stream_clip(self, stream: Stream, event: ClipEvent, sent_ns: int) -> None:
        """A clip began or ended in the packet that has just left."""

    def stream_voice(self, stream: Stream, sent_ns: int) -> None:
        """A joined leg's voice is in the packet that has just left, for the first time."""

    def stream_silent(self, stream: Stream, silent_ns: int) -> None:
        """Nothing came for the time-out."""

    def stream_failed(self, stream: Stream, reason: str) -> None:
        """A fault of our own ended the stream."""


class Stream:
    """One leg.

    Args:
        number: ours, unique in the process.
        name: for logs and file names.
        pair: the leg's two sockets; nothing is ever sent from any other.
        pacer: calls at packet times.
        listener: told what happens.
        jitter_max_ms: see :class:`media.jitter.EagerJitterBuffer`.
        timeout_ns: silence after which the listener is told.
        lateness: of the whole process.
    """

    def __init__(
        self,
        number: int,
        name: str,
        pair: PortPair,
        pacer: Pacer,
        listener: StreamListener,
        *,
        jitter_max_ms: int,
        timeout_ns: int,
        lateness: Lateness,
    ) -> None:
        self.number = number
        self.name = name
        self.pair = pair
        self.start_ns = time.monotonic_ns()
        self.inbound = Inbound(self.start_ns, jitter_max_ms)
        self.outbound = Outbound(
            random.getrandbits(32), random.getrandbits(15), random.getrandbits(32)
        )
        self.parameters: StreamParameters | None = None
        self.tapes = Tapes()
        self.joined_to: list[Stream] = []
        self.ear: MachineEar | None = None
        """Listens for an answering machine, where somebody wants to know."""
        self.closed = False
        self.send_errors = 0
        self._pacer = pacer
        self._listener = listener
        self._jitter_max_ms = jitter_max_ms
        self._timeout_ns = timeout_ns
        self._lateness = Lateness()
        self._process_lateness = lateness
        self._rtcp: RtcpSession | None = None
        self._srtp: SrtpSession | None = None
        """The last one, also while the far end has gone back to plain RTP."""
        self._rtcp_source: Source | None = None
        self._rtcp_foreign = 0
        self._heard_since_ns = 0
        self._timed_out = False
        self._failed = False
        self.voice_told = False
        """Whether the listener knows that the far end is sent somebody who was joined since."""
        self._housekeeping_ns = 0
        self._gap_armed_ns: int | None = None
        self._mapped = pair.rtp.family == socket.AF_INET6
        loop = asyncio.get_running_loop()
        loop.add_reader(pair.rtp, self._read, pair.rtp, self._receive_rtp)
        loop.add_reader(pair.rtcp, self._read, pair.rtcp, self._receive_rtcp)

    def configure(self, parameters: StreamParameters, recording: Recording | None) -> None:
        """Start, or take the result of another offer/answer round.

        Raises:
            BadParametersError: the stream goes on as it was.
        """
        check_parameters(parameters, self.pair.rtp.family)
        srtp = self._srtp_for(parameters)
        now_ns = time.monotonic_ns()
        first = self.parameters is None
        if first:
            self.start_ns = now_ns
            self.inbound = Inbound(now_ns, self._jitter_max_ms)
            self._rtcp = RtcpSession(
                self.outbound.ssrc,
                f"{random.getrandbits(96):024x}",
                random.random,
                time.time_ns() - now_ns,
                now_ns,
            )
        elif self._address(parameters) != self._address(self.parameters):
            self._rtcp_source = None
        was_expecting = self.inbound.expects
        self.parameters = parameters
        self.inbound.configure(parameters, srtp)
        self.outbound.configure(parameters)
        if not was_expecting:
            self._heard_since_ns = now_ns
        self.tapes.set_call(recording, self._samples_at(now_ns))
        if first:
            self._housekeeping_ns = now_ns
            self._pacer.add(now_ns, self._send_due)
            self._pacer.run_due()

    def start_message(self, path: Path, writer: RecordingWriter) -> None:
        """Record into another file, from now on."""
        now_samples = self._samples_at(time.monotonic_ns())
        self.tapes.set_message(Recording(path, writer, now_samples), now_samples)

    def stop_message(self) -> None:
        """End that file."""
        self.tapes.set_message(None, self._samples_at(time.monotonic_ns()))

    def close(self) -> StreamQuality:
        """Say goodbye, stop, and return what it was like; the sockets stay open to drain."""
        if self.closed:
            return self.quality()
        now_ns = time.monotonic_ns()
        split(self)
        if self._rtcp is not None:
            self._send_rtcp(self._rtcp.bye(self._sent(), self.inbound.reception, now_ns))
        self.tapes.close(self._samples_at(now_ns))
        self.closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.pair.rtp)
        loop.remove_reader(self.pair.rtcp)
        return self.quality()

    @property
    def datagrams_dropped(self) -> int:
        """Datagrams that were not used."""
        inbound = self.inbound
        unused = inbound.malformed + inbound.unauthentic + inbound.replayed
        return unused + inbound.latch.foreign + self._rtcp_foreign

    def quality(self) -> StreamQuality:
        """Return the figures of both directions so far."""
        return leg_quality(
            self.inbound,
            self.outbound,
            self._rtcp,
            self._lateness,
            srtp_suite=self.parameters.srtp_suite if self.parameters else None,
            recording=self.tapes.path,
        )

    # ------------------------------------------------------------ receiving

    def _read(self, sock: socket.socket, receive: Callable[[bytes, Source, int], None]) -> None:
        self._pacer.run_due()
        for _ in range(_READS_PER_WAKE):
            try:
                datagram, source = sock.recvfrom(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                # an ICMP error about what we sent; whether the far end lives is for the time-out
                continue
            if self.closed or self._failed:
                return
            try:
                receive(datagram, (str(source[0]), int(source[1])), time.monotonic_ns())
            except Exception as error:
                self._fail(error)
                return

    def _receive_rtp(self, datagram: bytes, source: Source, now_ns: int) -> None:
        self._handle_events(self.inbound.receive(datagram, source, now_ns))
        self._arm_gap()

    def _handle_events(self, events: list[InboundEvent]) -> None:
        for event in events:
            if isinstance(event, Heard):
                self._hear(event.frame)
            elif isinstance(event, Pressed):
                self._listener.stream_pressed(self, event.digit, event.at_ns)

    def _hear(self, frame: HeardFrame) -> None:
        self._listener.stream_heard(self, frame)
        for other in self.joined_to:
            spread_ms = self.inbound.jitter.delay.spread_ms
            other.outbound.voices[self.number].receive(frame, spread_ms)
        if self.ear is not None:
            self.ear.receive(frame.samples)
        self.tapes.add(CALLER, frame.position_samples, frame.samples)

    def _arm_gap(self) -> None:
        deadline_ns = self.inbound.jitter.gap_deadline_ns
        if deadline_ns is not None and deadline_ns != self._gap_armed_ns:
            self._gap_armed_ns = deadline_ns
            self._pacer.add(deadline_ns, self._gap_due)

    def _gap_due(self, _: int, now_ns: int) -> int | None:
        if not self.closed:
            self._gap_armed_ns = None
            self._handle_events(self.inbound.poll(now_ns))
            self._arm_gap()
        return None

    def _receive_rtcp(self, datagram: bytes, source: Source, now_ns: int) -> None:
        if self._rtcp is None or not self.inbound.latch.accepts_rtcp(source):
            self._rtcp_foreign += 1
            return
        if self.inbound.srtp is not None:
            try:
                datagram = self.inbound.srtp.unprotect_rtcp(datagram)
            except SrtpReplayError:
                self.inbound.replayed += 1
                return
            except SrtpError:
                self.inbound.unauthentic += 1
                return
        before = self._rtcp.malformed
        self._rtcp.receive(datagram, now_ns)
        if self._rtcp.malformed == before:
            self._rtcp_source = source

    # ------------------------------------------------------------ sending

    def _fail(self, error: Exception) -> None:
        """End this one call on a fault of our own: edge hears that its media is over."""
        log.exception("stream_failed", stream=self.number, leg=self.name)
        self._failed = True
        self._listener.stream_failed(self, repr(error))

    def _send_due(self, deadline_ns: int, now_ns: int) -> int | None:
        if self.closed or self._failed:
            return None
        try:
            return self._send_packet(deadline_ns, now_ns)
        except Exception as error:
            self._fail(error)
            return None

    def _send_packet(self, deadline_ns: int, now_ns: int) -> int:
        packet = self.outbound.pop()
        if packet.datagram is not None:
            sent_ns = self._send_rtp(packet.datagram)
            self._lateness.receive(sent_ns - deadline_ns)
            self._process_lateness.receive(sent_ns - deadline_ns)
            for event in packet.events:
                self._listener.stream_clip(self, event, sent_ns)
            if packet.voice and not self.voice_told:
                self.voice_told = True
                self._listener.stream_voice(self, sent_ns)
        self.tapes.add(AGENT, self._samples_at(deadline_ns), packet.samples)
        self._handle_events(self.inbound.poll(now_ns))
        if now_ns >= self._housekeeping_ns:
            self._keep_house(now_ns)
        period_ns = self.outbound.packet_samples * NS_PER_SAMPLE
        following_ns = deadline_ns + period_ns
        behind_ns = now_ns - following_ns
        if behind_ns > MAX_BEHIND_NS:
            missed = behind_ns // period_ns
            self.outbound.skip(missed)
            following_ns += missed * period_ns
        return following_ns

    def _send_rtp(self, datagram: bytes) -> int:
        srtp = self.inbound.srtp
        self._send_to(
            self.pair.rtp,
            datagram if srtp is None else srtp.protect(datagram),
            self.inbound.latch.target,
        )
        return time.monotonic_ns()

    def _send_to(self, sock: socket.socket, datagram: bytes, target: Source) -> None:
        host = f"::ffff:{target[0]}" if self._mapped and ":" not in target[0] else target[0]
        try:
            sock.sendto(datagram, (host, target[1]))
        except OSError:
            self.send_errors += 1

    def _keep_house(self, now_ns: int) -> None:
        self._housekeeping_ns = now_ns + 500_000_000
        self.tapes.flush(self._samples_at(now_ns))
        assert self._rtcp is not None
        if now_ns >= self._rtcp.next_report_ns:
            self._send_rtcp(self._rtcp.report(self._sent(), self.inbound.reception, now_ns))
        last_ns = max(self.inbound.last_packet_ns or 0, self._heard_since_ns)
        silent_ns = now_ns - last_ns
        if not self.inbound.expects or silent_ns < self._timeout_ns:
            self._timed_out = False
        elif not self._timed_out:
            self._timed_out = True
            self._listener.stream_silent(self, silent_ns)

    def _send_rtcp(self, compound: bytes) -> None:
        assert self.parameters is not None
        target = self._rtcp_source or (
            self.inbound.latch.target[0],
            self.parameters.remote_rtcp_port,
        )
        if target[1] == 0 or target[0] in ("0.0.0.0", "::"):
            return
        srtp = self.inbound.srtp
        self._send_to(
            self.pair.rtcp, compound if srtp is None else srtp.protect_rtcp(compound), target
        )

    # ------------------------------------------------------------ small things

    def _sent(self) -> Sent:
        return Sent(self.outbound.packets, self.outbound.octets, self.outbound.timestamp)

    def _samples_at(self, now_ns: int) -> int:
        return (now_ns - self.start_ns) * RATE_HZ // 1_000_000_000

    def _srtp_for(self, parameters: StreamParameters) -> SrtpSession | None:
        if parameters.srtp_suite is None:
            return None
        self._srtp = SrtpSession(
            parameters.srtp_suite,
            parameters.srtp_local_key or "",
            parameters.srtp_remote_key or "",
            self._srtp,
        )
        return self._srtp

    @staticmethod
    def _address(parameters: StreamParameters | None) -> tuple[str, int] | None:
        return None if parameters is None else (parameters.remote_address, parameters.remote_port)
