"""What edge and media, and agent and media, tell each other of streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from media.messages.base import CallId, Message

# ---------------------------------------------------------------- edge -> media


class Direction(StrEnum):
    """SDP direction from our side (RFC 3264 section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class StreamParameters(Message):
    """What one offer/answer round agreed for a leg's audio; media never sees SDP."""

    remote_address: str
    remote_port: int
    remote_rtcp_port: int
    codec: str
    """``PCMU`` or ``PCMA``."""
    payload_type: int
    ptime_ms: int = 20
    """Packet time that we send, 10 to 60; what arrives may differ and is taken as it is."""
    dtmf_payload_type: int | None = None
    """Payload type of telephone-event/8000 (RFC 4733), None where it was not agreed."""
    comfort_noise_payload_type: int | None = None
    direction: Direction = Direction.SENDRECV
    srtp_suite: str | None = None
    """SDES suite name (RFC 4568), None for plain RTP."""
    srtp_local_key: str | None = field(default=None, repr=False)
    """Base64 master key and salt that we send with."""
    srtp_remote_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AllocateStream(Message):
    """Ask for a port pair for one leg. Reply: StreamAllocated or Failed (503)."""

    call_id: CallId
    leg: str
    """``caller`` or ``agent-1``, ``agent-2`` ..."""
    address: str | None = None
    """Local address to bind and advertise; None takes ``media.address`` of the configuration."""


@dataclass(frozen=True, slots=True)
class StreamAllocated(Message):
    """The port is open and reserved; nothing is sent until ConfigureStream."""

    stream: int
    address: str
    """Address to put into the SDP (the public one behind NAT)."""
    port: int
    """RTP, even; RTCP is port + 1 (RFC 3550 section 11)."""
    srtp_secret: str = field(default="", repr=False)
    """What the keys that we send with are derived from, see :mod:`media.srtp_keys`."""


@dataclass(frozen=True, slots=True)
class ConfigureStream(Message):
    """Start or change a stream after an offer/answer round. Reply: Done or Failed."""

    stream: int
    parameters: StreamParameters
    record: bool = False
    """Record the call in stereo: this stream's caller left, what is played to it right."""


@dataclass(frozen=True, slots=True)
class CloseStream(Message):
    """Stop a stream; its port drains for 30 s. Reply: StreamClosed."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamQuality(Message):
    """What a leg's audio was like, both directions."""

    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    loss_ratio: float = 0.0
    packets_late: int = 0
    packets_duplicate: int = 0
    packets_foreign: int = 0
    """Dropped: from a source that is not the one latched on."""
    packets_malformed: int = 0
    packets_unauthentic: int = 0
    """Dropped: not from the holder of the SRTP key, as with a wrong key."""
    srtp_suite: str | None = None
    """SDES suite of the last offer/answer round, None for plain RTP."""
    jitter_ms: float = 0.0
    """Interarrival jitter (RFC 3550 A.8), last value."""
    jitter_max_ms: float = 0.0
    concealed_ms: int = 0
    remote_loss_ratio: float = 0.0
    """Loss the far end reports of what we send (RTCP RR); 0 when it never reported."""
    round_trip_ms: float | None = None
    mos: float | None = None
    """Estimated listening quality, ITU-T G.107 E-model mapped to MOS, 1 to 4.5; None where no
    packet came."""
    send_lateness_p99_ms: float = 0.0
    first_packet_ns: int | None = None
    last_packet_ns: int | None = None
    recording: str | None = None
    """Path of the stereo recording."""


@dataclass(frozen=True, slots=True)
class StreamClosed(Message):
    """A stream is gone."""

    stream: int
    quality: StreamQuality


@dataclass(frozen=True, slots=True)
class PlayFile(Message):
    """Play a WAV file of the machine (an apology, hold music), ahead of nothing else.

    The clips queued so far are dropped. Reply: Done or Failed; the end comes as ClipFinished.
    """

    stream: int
    path: str
    clip: int
    loop: bool = False


@dataclass(frozen=True, slots=True)
class StartRecording(Message):
    """Record what the far end says from now on to a file of its own. Reply: Done or Failed.

    Beside the recording of the whole call; WAV, 8 kHz, what is played to the leg on the right.
    """

    stream: int
    path: str


@dataclass(frozen=True, slots=True)
class StopRecording(Message):
    """End what StartRecording began. Reply: Done, whether there was one or not."""

    stream: int


@dataclass(frozen=True, slots=True)
class JoinStreams(Message):
    """Connect the audio of two legs or more, each hears the others; Reply: Done or Failed.

    Clips still play and mix over it; agents attached keep receiving the caller's audio. What the
    legs were joined to before and is not named here is left.
    """

    stream: int
    other: int
    more: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitStreams(Message):
    """Take a leg out of what it is joined to; the others stay together. Reply: Done."""

    stream: int


@dataclass(frozen=True, slots=True)
class ListenForMachine(Message):
    """Say by MachineHeard what speaks for an answering machine. Reply: Done or Failed."""

    stream: int


@dataclass(frozen=True, slots=True)
class SendDtmf(Message):
    """Send digits as RFC 4733 events. Reply: Done or Failed."""

    stream: int
    digits: str
    """0-9 * # A-D"""
    duration_ms: int = 100
    gap_ms: int = 100


# ---------------------------------------------------------------- media -> edge and agent


@dataclass(frozen=True, slots=True)
class DtmfReceived(Message):
    """One key press (RFC 4733), sent once, to edge and to the attached agent."""

    stream: int
    digit: str
    at_ns: int


class MachineSign(StrEnum):
    """What speaks for a machine at the far end; the rule is in :mod:`media.machine`."""

    SPEECH = "speech"
    """Talks on and on without listening: a machine, or a person who is not at the phone."""
    BEEP = "beep"
    """A steady tone, then silence: a machine that records."""


@dataclass(frozen=True, slots=True)
class MachineHeard(Message):
    """The answer to ListenForMachine; each sign is told once, BEEP is the last word."""

    stream: int
    sign: MachineSign


@dataclass(frozen=True, slots=True)
class VoiceStarted(Message):
    """The first packet with the joined leg's voice left at ``sent_ns``; once for each join.

    What stands in for audio that did not come (a pause, a key, a loss) is no voice.
    """

    stream: int
    sent_ns: int


@dataclass(frozen=True, slots=True)
class RtpTimedOut(Message):
    """No RTP for ``media.rtp_timeout_s`` on a stream that should receive; edge ends the call."""

    stream: int
    silent_ms: int


@dataclass(frozen=True, slots=True)
class StreamFailed(Message):
    """A fault of media's own ended a stream; edge ends the call."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class MediaStatus(Message):
    """Reply to MediaStatusRequest."""

    streams: int
    ports_free: int
    ports_draining: int
    send_lateness_p99_ms: float
    datagrams_dropped: int
    datagrams_unauthentic: int = 0
    """Of those, the ones that were not from the holder of the SRTP key."""


@dataclass(frozen=True, slots=True)
class MediaStatusRequest(Message):
    """Ask media how it is. Reply: MediaStatus."""


# ---------------------------------------------------------------- agent -> media


@dataclass(frozen=True, slots=True)
class AttachStream(Message):
    """Send this stream's caller audio and events to this link. Reply: Done or Failed."""

    stream: int


@dataclass(frozen=True, slots=True)
class DetachStream(Message):
    """Undo AttachStream. Reply: Done."""

    stream: int


@dataclass(frozen=True, slots=True)
class ClipEnded(Message):
    """The clip's last CLIP audio frame has been sent.

    A clip opens with its first audio frame; clips play in order of their opening. A clip that
    runs dry before its end is filled with comfort noise and goes on when more arrives.
    """

    stream: int
    clip: int


@dataclass(frozen=True, slots=True)
class ClearPlayback(Message):
    """Drop all that is queued, within one 20 ms frame. Reply: PlaybackCleared.

    Other processes attached to the stream are told by the same PlaybackCleared.
    """

    stream: int
    keep_loop: bool = False
    """A looping file goes on: only what was said over it is dropped."""


@dataclass(frozen=True, slots=True)
class PlaybackCleared(Message):
    """Where playback was when it was cleared."""

    stream: int
    clip: int
    """The clip being played, 0 if none was."""
    position_samples: int
    """How many samples of it have left as RTP."""
    at_ns: int


@dataclass(frozen=True, slots=True)
class PausePlayback(Message):
    """Hold playback where it is (comfort noise is sent). Reply: PlaybackCleared with position."""

    stream: int


@dataclass(frozen=True, slots=True)
class ResumePlayback(Message):
    """Go on from where PausePlayback stopped. Reply: Done."""

    stream: int


# ---------------------------------------------------------------- media -> agent


@dataclass(frozen=True, slots=True)
class ClipStarted(Message):
    """The clip's first packet left at ``sent_ns``."""

    stream: int
    clip: int
    sent_ns: int


@dataclass(frozen=True, slots=True)
class ClipFinished(Message):
    """The clip's last sample left."""

    stream: int
    clip: int
    sent_ns: int


@dataclass(frozen=True, slots=True)
class StreamGone(Message):
    """The attached stream was closed."""

    stream: int
