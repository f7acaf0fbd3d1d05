"""Carry out what edge and agent ask of the media process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from media import CordboardError, RemoteError, messages
from media.config.model import MediaConfig
from media.joining import join, split
from media.lateness import Lateness
from media.legs import Leg, Totals, UnknownStreamError
from media.link import Link
from media.machine import MachineEar
from media.messages import Message
from media.pacing import Pacer
from media.playout import PlayoutPosition
from media.ports import PortPair, PortPool, PortsExhaustedError, local_address
from media.recording import Recording, RecordingWriter
from media.sounds import Sounds
from media.srtp_keys import new_secret
from media.stream import Stream
from media.stream_news import StreamNews
from media.wire import AudioFrame, AudioKind

ORPHAN_S = 2.0
"""How long streams outlive the link of the process that asked for them."""

log = structlog.get_logger()


class Bridge:
    """Every stream of the process.

    Args:
        config: the ``media`` section; its paths are absolute.
        pacer: calls streams at packet times.
        writer: writes recordings.
    """

    def __init__(self, config: MediaConfig, pacer: Pacer, writer: RecordingWriter) -> None:
        self._config = config
        self._pacer = pacer
        self._writer = writer
        self._ports = PortPool(config.port_min, config.port_max, config.drain_s * 1_000_000_000)
        self._legs: dict[int, Leg] = {}
        self._news = StreamNews(self._legs)
        self._numbers = itertools.count(1)
        self._lateness = Lateness()
        self._totals = Totals()
        self._sounds = Sounds()
        self._links: set[Link] = set()
        self._orphans: dict[Link, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[type[Message], Callable[[Link, Any], Message]] = {
            messages.AllocateStream: self._allocate,
            messages.ConfigureStream: self._configure,
            messages.CloseStream: self._close,
            messages.JoinStreams: self._join,
            messages.SplitStreams: self._split,
            messages.ListenForMachine: self._listen,
            messages.SendDtmf: self._send_dtmf,
            messages.StartRecording: self._start_recording,
            messages.StopRecording: self._stop_recording,
            messages.MediaStatusRequest: self._report_status,
            messages.AttachStream: self._attach,
            messages.DetachStream: self._detach,
            messages.ClipEnded: self._end_clip,
            messages.ClearPlayback: self._clear,
            messages.PausePlayback: self._pause,
            messages.ResumePlayback: self._resume,
        }

    # ------------------------------------------------------------ links

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        link = Link(
            reader,
            writer,
            role="media",
            on_message=self.receive,
            on_audio=self.receive_audio,
            on_closed=self._lose,
        )
        self._links.add(link)
        link.start()

    def receive(self, link: Link, message: Message, request_id: int | None) -> None:
        """Carry out one message; what is wrong with it is answered, never raised."""
        self._pacer.run_due()
        self._adopt(link)
        if isinstance(message, messages.PlayFile):
            task = asyncio.create_task(self._play_file(link, message, request_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        try:
            if (carry_out := self._answers.get(type(message))) is None:
                raise RemoteError(f"media does not take {type(message).__name__}")
            link.reply(request_id, carry_out(link, message))
        except RemoteError as error:
            link.reply(request_id, messages.Failed(str(error), error.sip_status))
        except Exception as error:
            log.exception("request_failed", request=type(message).__name__)
            link.reply(request_id, messages.Failed(f"{type(error).__name__}: {error}", 500))

    def receive_audio(self, link: Link, frame: AudioFrame) -> None:
        """Queue a clip's audio."""
        self._pacer.run_due()
        leg = self._legs.get(frame.stream)
        if leg is None or frame.kind is not AudioKind.CLIP or frame.clip <= 0:
            return
        if leg.stream.outbound.playout.append(frame.clip, frame.samples):
            leg.clip_owners[frame.clip] = link

    def _lose(self, link: Link, reason: str) -> None:
        self._links.discard(link)
        log.info("link_lost", peer=link.peer_role, peer_pid=link.peer_pid, reason=reason)
        for leg in self._legs.values():
            self._let_go(leg, link)
        if any(leg.owner is link for leg in self._legs.values()):
            with contextlib.suppress(RuntimeError):
                self._orphans[link] = asyncio.create_task(self._close_orphans(link))

    def _let_go(self, leg: Leg, link: Link) -> None:
        """Forget a link that played or listened; what it has queued still plays."""
        if link in leg.agents:
            leg.agents.remove(link)
        mine = [clip for clip, owner in leg.clip_owners.items() if owner is link]
        if mine:
            leg.stream.outbound.playout.end_all()
            leg.stream.outbound.playout.paused = False

    def _adopt(self, link: Link) -> None:
        """Give the streams of a lost link to a new one of the same process."""
        me = (link.peer_role, link.peer_pid)
        for lost in [each for each in self._orphans if (each.peer_role, each.peer_pid) == me]:
            self._orphans.pop(lost).cancel()
            for leg in self._legs.values():
                if leg.owner is lost:
                    leg.owner = link

    async def _close_orphans(self, link: Link) -> None:
        await asyncio.sleep(ORPHAN_S)
        self._orphans.pop(link, None)
        for number in [n for n, leg in self._legs.items() if leg.owner is link]:
            log.warning("stream_orphaned", stream=number, call_id=self._legs[number].call_id)
            self._remove(number)

    def close(self) -> None:
        """End everything."""
        for number in list(self._legs):
            self._remove(number)
        for link in list(self._links):
            link.close("media ends")
        for task in [*self._orphans.values(), *self._tasks]:
            task.cancel()
        self._ports.close()

    def poll_ports(self, deadline_ns: int, now_ns: int) -> int:
        """Empty resting sockets; for the pacer."""
        self._ports.poll(now_ns)
        return deadline_ns + 250_000_000

    # ------------------------------------------------------------ requests

    def _leg(self, stream: int) -> Leg:
        if stream not in self._legs:
            raise UnknownStreamError(stream)
        return self._legs[stream]

    def _allocate(self, link: Link, message: messages.AllocateStream) -> Message:
        now_ns = time.monotonic_ns()
        pair, address = self._open_ports(message.address, now_ns)
        number = next(self._numbers)
        stream = Stream(
            number,
            message.leg,
            pair,
            self._pacer,
            self._news,
            jitter_max_ms=self._config.jitter_max_ms,
            timeout_ns=self._config.rtp_timeout_s * 1_000_000_000,
            lateness=self._lateness,
        )
        self._legs[number] = Leg(stream, link, message.call_id, message.leg)
        log.debug("media_allocated", call_id=message.call_id, leg=message.leg, port=pair.port)
        return messages.StreamAllocated(number, address, pair.port, new_secret())

    def _open_ports(self, wanted: str | None, now_ns: int) -> tuple[PortPair, str]:
        own = self._config.address
        public = self._config.public_address
        if wanted and public and (":" in wanted) != (":" in public):
            public = None  # the NAT is one of the other family
        if wanted is None:
            return self._ports.allocate(own, now_ns), public or local_address(own)
        try:
            return self._ports.allocate(wanted, now_ns), public or wanted
        except PortsExhaustedError:
            if not self._ports.free:
                raise
            # not an address of this machine: it is what NAT shows of it
            return self._ports.allocate(own, now_ns), public or wanted

    def _configure(self, _: Link, message: messages.ConfigureStream) -> Message:
        leg = self._leg(message.stream)
        recording = leg.stream.tapes.call
        if not message.record:
            recording = None
        elif recording is None:
            path = leg.recording_path(Path(self._config.recordings_dir))
            recording = Recording(path, self._writer)
        leg.stream.configure(message.parameters, recording)
        return messages.Done()

    def _close(self, _: Link, message: messages.CloseStream) -> Message:
        self._leg(message.stream)
        return self._remove(message.stream)

    def _remove(self, number: int) -> Message:
        leg = self._legs.pop(number)
        quality = leg.stream.close()
        self._totals.add(leg, quality)
        self._ports.release(leg.stream.pair, time.monotonic_ns())
        for agent in leg.agents:
            agent.send(messages.StreamGone(number))
            agent.forget_stream(number)
        return messages.StreamClosed(number, quality)

    def _join(self, _: Link, message: messages.JoinStreams) -> Message:
        numbers = (message.stream, message.other, *message.more)
        if len(set(numbers)) < len(numbers):
            raise RemoteError("a stream cannot be joined to itself", sip_status=400)
        join(*(self._leg(each).stream for each in numbers))
        return messages.Done()

    def _split(self, _: Link, message: messages.SplitStreams) -> Message:
        split(self._leg(message.stream).stream)
        return messages.Done()

    def _listen(self, link: Link, message: messages.ListenForMachine) -> Message:
        self._leg(message.stream).stream.ear = MachineEar(
            lambda sign: link.send(messages.MachineHeard(message.stream, sign))
        )
        return messages.Done()

    def _send_dtmf(self, _: Link, message: messages.SendDtmf) -> Message:
        stream = self._leg(message.stream).stream
        if stream.parameters is None or stream.parameters.dtmf_payload_type is None:
            raise RemoteError("telephone-event was not agreed", sip_status=488)
        try:
            stream.outbound.dtmf.send(message.digits, message.duration_ms, message.gap_ms)
        except ValueError as error:
            raise RemoteError(str(error), sip_status=400) from error
        return messages.Done()

    def _start_recording(self, _: Link, message: messages.StartRecording) -> Message:
        self._leg(message.stream).stream.start_message(Path(message.path), self._writer)
        return messages.Done()

    def _stop_recording(self, _: Link, message: messages.StopRecording) -> Message:
        self._leg(message.stream).stream.stop_message()
        return messages.Done()

    def _report_status(self, _: Link, __: messages.MediaStatusRequest) -> Message:
        self._ports.poll(time.monotonic_ns())
        return self._totals.status(self._legs.values(), self._ports, self._lateness)

    def _attach(self, link: Link, message: messages.AttachStream) -> Message:
        leg = self._leg(message.stream)
        if link not in leg.agents:
            leg.agents.append(link)
        return messages.Done()

    def _detach(self, link: Link, message: messages.DetachStream) -> Message:
        leg = self._legs.get(message.stream)
        if leg is not None:
            self._let_go(leg, link)
        link.forget_stream(message.stream)
        return messages.Done()

    # ------------------------------------------------------------ playback

    async def _play_file(
        self, link: Link, message: messages.PlayFile, request_id: int | None
    ) -> None:
        try:
            self._leg(message.stream)
            samples = await self._sounds.load(message.path)
            leg = self._leg(message.stream)
        except CordboardError as error:
            status = error.sip_status if isinstance(error, RemoteError) else 500
            link.reply(request_id, messages.Failed(str(error), status))
            return
        position = leg.stream.outbound.playout.position
        self._forget_clips(leg, position)
        leg.clip_owners = {message.clip: link}
        leg.stream.outbound.playout.play(message.clip, samples, loop=message.loop)
        link.reply(request_id, messages.Done())

    def _forget_clips(self, leg: Leg, position: PlayoutPosition) -> None:
        """Tell the agents whose clips are dropped by someone else."""
        owners = set(leg.clip_owners.values())
        for agent in leg.agents:
            if agent in owners:
                agent.send(self._cleared(leg, position))

    def _end_clip(self, link: Link, message: messages.ClipEnded) -> Message:
        leg = self._leg(message.stream)
        leg.clip_owners.setdefault(message.clip, link)
        leg.stream.outbound.playout.end(message.clip)
        return messages.Done()

    def _clear(self, link: Link, message: messages.ClearPlayback) -> Message:
        leg = self._leg(message.stream)
        playout = leg.stream.outbound.playout
        reply = self._cleared(leg, playout.clear(keep_loop=message.keep_loop))
        leg.clip_owners = {
            clip: owner for clip, owner in leg.clip_owners.items() if clip == playout.looping
        }
        playout.paused = False
        # also those with nothing queued: what they are about to send would come after this
        for agent in leg.agents:
            if agent is not link:
                agent.send(reply)
        return reply

    def _pause(self, _: Link, message: messages.PausePlayback) -> Message:
        leg = self._leg(message.stream)
        leg.stream.outbound.playout.paused = True
        return self._cleared(leg, leg.stream.outbound.playout.position)

    def _resume(self, _: Link, message: messages.ResumePlayback) -> Message:
        self._leg(message.stream).stream.outbound.playout.paused = False
        return messages.Done()

    def _cleared(self, leg: Leg, position: PlayoutPosition) -> Message:
        at = (position.clip, position.position_samples, time.monotonic_ns())
        return messages.PlaybackCleared(leg.stream.number, *at)
