"""Every control message that crosses a process boundary, as frozen dataclasses.

A message travels as a JSON object: ``type`` is the class's wire name, the other keys are its
fields. ``to_wire`` and ``from_wire`` convert; an unknown type, a missing field or a value of the
wrong type is the peer's fault and raises :class:`MessageError`. Requests carry ``request_id`` and
their reply repeats it; :class:`media.link.Link` fills and matches it.

Times named ``*_ns`` are CLOCK_MONOTONIC of the one machine, comparable between its processes.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType, TypeVar

from media import RemoteError

CallId = NewType("CallId", str)
"""Ours, one for the whole call; ``sip_call_id`` is the header's."""

M = TypeVar("M", bound="Message")


class MessageError(RemoteError):
    """A peer process sent a control message that cannot be understood."""


_BY_NAME: dict[str, type[Message]] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """Base of every control message; subclasses register under ``wire_name``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # dataclass(slots=True) makes the class anew, so the second registration is the one kept
        super(Message, cls).__init_subclass__(**kwargs)
        _BY_NAME[cls.__name__] = cls


def to_wire(message: Message, request_id: int | None = None) -> dict[str, Any]:
    """Serialize a message to the JSON object that travels."""
    body: dict[str, Any] = {"type": type(message).__name__, **dataclasses.asdict(message)}
    if request_id is not None:
        body["request_id"] = request_id
    return body


def from_wire(body: dict[str, Any]) -> Message:
    """Parse a received JSON object.

    Raises:
        MessageError: unknown type, missing field, or a value of the wrong type.
    """
    cls = _BY_NAME.get(str(body.get("type")))
    if cls is None:
        raise MessageError(f"unknown message type {body.get('type')!r}")
    return _parse_dataclass(cls, {k: v for k, v in body.items() if k not in ("type", "request_id")})


def _parse_dataclass(cls: type[M], values: dict[str, Any]) -> M:
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {}
    for each in dataclasses.fields(cls):
        if each.name in values:
            known[each.name] = _convert(
                hints[each.name], values[each.name], f"{cls.__name__}.{each.name}"
            )
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise MessageError(f"{cls.__name__} has no {each.name}")
    return cls(**known)


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _convert(next(a for a in typing.get_args(hint) if a is not type(None)), value, path)
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise MessageError(f"{path} is not a list")
        items = [_convert(typing.get_args(hint)[0], item, path) for item in value]
        return tuple(items) if origin is tuple else items
    if origin is dict:
        if not isinstance(value, dict):
            raise MessageError(f"{path} is not an object")
        return {str(k): _convert(typing.get_args(hint)[1], v, path) for k, v in value.items()}
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise MessageError(f"{path} is not an object")
        return _parse_dataclass(typing.cast(Any, hint), value)
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        try:
            return hint(value)
        except ValueError as error:
            raise MessageError(f"{path}: {error}") from error
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise MessageError(f"{path} is {value!r}, not {getattr(hint, '__name__', hint)}")
    return value


# ---------------------------------------------------------------- any link


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """First message on a link, both ways: who is speaking."""

    role: str
    """``edge``, ``media``, ``agent``, ``worker`` or ``client``."""
    pid: int


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Sign of life; a peer silent for 2 s is down."""


@dataclass(frozen=True, slots=True)
class Done(Message):
    """Reply to a request that has nothing else to say."""


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """Reply to a request that could not be met."""

    reason: str
    sip_status: int = 500


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
    """The first packet with the joined leg's voice left at ``sent_ns``; once for each join."""

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


# ---------------------------------------------------------------- edge -> agent


@dataclass(frozen=True, slots=True)
class StartConversation(Message):
    """Get ready to talk on a stream. Reply: Done when a greeting could start at once, or Failed.

    Ready means: persona known, models loaded, prompt prefix in the cache, greeting synthesised.
    """

    call_id: CallId
    stream: int
    agent: str
    variables: dict[str, str] = field(default_factory=dict)
    """``caller``, ``called``, ``trunk`` and what the dial plan maps."""


@dataclass(frozen=True, slots=True)
class CallAnswered(Message):
    """The ACK came: greet."""

    call_id: CallId
    at_ns: int


@dataclass(frozen=True, slots=True)
class CallHeld(Message):
    """The caller put us on hold (or took us off): no prompts while held."""

    call_id: CallId
    held: bool


@dataclass(frozen=True, slots=True)
class CallDigit(Message):
    """A DTMF digit that came by SIP INFO; those in RTP come from media."""

    call_id: CallId
    digit: str


@dataclass(frozen=True, slots=True)
class EndConversation(Message):
    """The call is over. Reply: Done after the last Turn was sent."""

    call_id: CallId
    reason: str


@dataclass(frozen=True, slots=True)
class AgentStatusRequest(Message):
    """Ask the agent process how it is. Reply: AgentStatus."""


@dataclass(frozen=True, slots=True)
class AgentStatus(Message):
    """What the agent process has loaded; also sent unasked whenever it changes."""

    ready: bool
    detail: str
    """One line for people: what is missing, or which engines answer."""
    engines: dict[str, str] = field(default_factory=dict)
    conversations: int = 0
    ladder: str = "normal"
    """What is given up for load: ``normal``, ``no_provisional`` ... ``refuse_calls``."""
    refusing: bool = False
    """Calls in progress are kept, no more should be taken."""


@dataclass(frozen=True, slots=True)
class SuspendConversation(Message):
    """A human is being looked for: stop listening, prompting and speaking. Reply: Done.

    What is being said is finished by media or cleared by the edge's PlayFile; the history is kept.
    """

    call_id: CallId


@dataclass(frozen=True, slots=True)
class ResumeConversation(Message):
    """The caller is back with the AI, the history kept. Reply: Done, or Failed.

    The first words come at once and speak about the reason.
    """

    call_id: CallId
    reason: str
    """``nobody_here``, ``no_answer``, ``max_wait``, ``full``, ``closed`` (see ``GaveUp``), or
    ``human_finished``, ``human_lost``, ``cancelled``."""


@dataclass(frozen=True, slots=True)
class SummarizeConversation(Message):
    """Ask for the whisper: who, why, what was tried, what is known. Reply: ConversationSummary.

    Answered within ``within_ms`` with the best there is; never Failed while the call is known.
    """

    call_id: CallId
    within_ms: int = 2_000
    max_spoken_s: float = 8.0


@dataclass(frozen=True, slots=True)
class ConversationSummary(Message):
    """Reply to SummarizeConversation."""

    text: str
    """To be spoken to the human before the caller is put through."""
    short_reason: str
    """At most 40 characters for a desk phone's display."""


@dataclass(frozen=True, slots=True)
class SpeakText(Message):
    """Say a text on any stream (a desk phone's whisper, a queue's announcement).

    Replaces what the same process is saying there; a PlayFile loop underneath goes on afterwards.
    Reply: Done when the last sample left, or Failed (stream gone, voice missing, replaced).
    """

    stream: int
    text: str
    agent: str
    """The persona whose voice and language are used."""


# ---------------------------------------------------------------- agent -> edge


class Speaker(StrEnum):
    """Who spoke a turn."""

    CALLER = "caller"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Turn(Message):
    """One thing said, sent as soon as it is over; the call record keeps it.

    Durations are on the wire clock from the caller's last speech packet (``ended_ns`` of the
    caller's turn that this answers); None where they do not apply (greeting, caller).
    """

    call_id: CallId
    number: int
    speaker: Speaker
    text: str
    """What was said; for the agent only the words that were heard."""
    started_ns: int
    ended_ns: int
    interrupted: bool = False
    endpointing_ms: int | None = None
    """Last speech packet to end-of-turn decision."""
    recognition_ms: int | None = None
    """Last speech packet to final transcript."""
    first_token_ms: int | None = None
    first_audio_ms: int | None = None
    """Last speech packet to first synthesised audio in hand."""
    response_ms: int | None = None
    """Last speech packet to first RTP packet of the answer: what the caller feels."""
    barge_in_ms: int | None = None
    """Agent turn that was interrupted: caller's first speech packet to our last audio packet."""
    source: str = "model"
    """``greeting``, ``model``, ``fast_lane``, ``prompt`` (no-input), ``filler``, ``goodbye`` ..."""
    detail: dict[str, float] = field(default_factory=dict)
    """Further figures: wasted_provisional_ms, cut_offs, tokens ..."""


@dataclass(frozen=True, slots=True)
class HangupRequested(Message):
    """The conversation is over and its last word has been played: end the call."""

    call_id: CallId
    reason: str
    """``agent_goodbye``, ``no_input``, ``max_duration``, ``failed`` ..."""


@dataclass(frozen=True, slots=True)
class TransferRequested(Message):
    """The conversation wants a human."""

    call_id: CallId
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConversationFailed(Message):
    """The conversation cannot go on; edge plays the apology and ends the call."""

    call_id: CallId
    reason: str
