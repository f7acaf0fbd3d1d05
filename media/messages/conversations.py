"""What edge and agent tell each other of conversations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from media.messages.base import CallId, Message

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
