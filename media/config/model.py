"""Say what ``cordboard.yaml`` may hold: one frozen dataclass per mapping, defaults visible.

A field's type says how its YAML text is converted (phone numbers stay ``str``), its default makes
it optional, its attribute docstring is what ``cordboard schema`` shows to editors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from media.config.checks import (
    Address,
    Between,
    DatabaseUrl,
    EachKey,
    OneOf,
    PathText,
    Port,
)
from media.config.front import PHONE_NAME, FrontConfig, PhoneConfig
from media.config.handover import HandoverConfig
from media.config.queues import DeskConfig, FeatureKeys, PersonConfig, QueueConfig
from media.config.routing import HoursConfig
from media.config.routing import RuleConfig as RuleConfig
from media.config.trunks import TrunkConfig
from media.config.watch import LadderConfig, MetricsConfig


class UnknownSource(StrEnum):
    """What a caller from no trunk gets."""

    ACCEPT = "accept"
    """The dial plan, as anybody."""
    FORBID = "forbid"
    """403."""
    DROP = "drop"
    """Nothing, not even an answer."""


class Front(StrEnum):
    """What stands before the UA workers."""

    NONE = "none"
    KAMAILIO = "kamailio"


class LogFormat(StrEnum):
    """How log lines look; ``auto`` is console on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class SipConfig:
    """Where SIP is heard."""

    address: Address = "0.0.0.0"
    """Local address to listen on."""
    public_address: Address | None = None
    """Address put into Contact and SDP behind NAT; none takes the local one of the route."""
    udp_port: Port = 5060
    tcp_port: Port | None = 5060
    tls_port: Port | None = None
    """SIP over TLS 1.2 of the UA worker itself, for trusted networks; none listens for no TLS.
    With ``front: kamailio`` see ``front``."""
    tls_certificate: PathText | None = None
    """Certificate chain (PEM) of the UA workers; trunks with ``transport: tls`` need it, too."""
    tls_key: PathText | None = None
    """Private key (PEM) without passphrase."""
    tls_ca: PathText | None = None
    """Certificates (PEM) that vouch for trunks with ``transport: tls``."""
    front: Front = Front.NONE
    unknown_source: UnknownSource | None = None
    """None: ``accept`` while no trunk is configured, ``forbid`` as soon as one is."""
    user_agent: str = "Cordboard"
    answer_timeout_ms: Annotated[int, Between(500, 180_000, "ms")] = 10_000
    """How long a caller may hear ringing while the conversation gets ready, then 480."""


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """How much is taken on."""

    calls: Annotated[int, Between(1, 100_000)] | None = None
    """Callers at once; none takes what the UA worker's build allows less one slot for refusing."""
    retry_after_s: Annotated[int, Between(0, 3_600, "s")] = 10
    """Retry-After of the 503 that a caller beyond the limit gets (RFC 3261 section 21.5.4)."""
    max_call_s: Annotated[int, Between(1, 86_400, "s")] = 3_600


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """RTP."""

    address: Address = "0.0.0.0"
    """Local address of RTP sockets."""
    public_address: Address | None = None
    """Address advertised in SDP; none takes the local address the caller's packets come to."""
    port_min: Annotated[int, Between(1_024, 65_534)] = 16_384
    port_max: Annotated[int, Between(1_025, 65_535)] = 18_383
    """Even RTP ports in [port_min, port_max]; RTCP is the odd one above."""
    drain_s: Annotated[int, Between(0, 600, "s")] = 30
    """A closed port is not reused for so long."""
    rtp_timeout_s: Annotated[int, Between(1, 3_600, "s")] = 30
    """No RTP for so long from a leg that should send, and the call ends."""
    jitter_max_ms: Annotated[int, Between(20, 1_000, "ms")] = 120
    """The jitter buffer never waits longer for a missing packet."""
    record: bool = True
    recordings_dir: PathText = "var/recordings"
    apology_file: PathText | None = None
    """WAV played when the conversation dies; none plays the one that ships."""


@dataclass(frozen=True, slots=True)
class EnginesConfig:
    """Which engines are used; ``auto`` takes the first choice whose model is present."""

    recognizer: Annotated[str, OneOf(("auto", "vosk", "whisper"))] = "auto"
    """``auto``, ``vosk`` or ``whisper``."""
    language_model: str = "auto"
    """``auto`` or the manifest name of a GGUF model, or ``openai`` for ``language_model_url``."""
    language_model_url: str | None = None
    """Base URL of an OpenAI-compatible server inside the customer's network."""
    voice: str = "auto"
    turn_model: Annotated[str, OneOf(("smart-turn", "none"))] = "smart-turn"
    """``smart-turn`` or ``none``."""
    threads: Annotated[int, Between(1, 256)] = 2
    """Threads of the language model."""
    models_dir: PathText | None = None
    """None takes $CORDBOARD_MODELS, else ~/.cache/cordboard/models (shared by all set-ups)."""
    cache_dir: PathText = "var/cache"
    """8 kHz audio of known sentences."""


@dataclass(frozen=True, slots=True)
class ExampleConfig:
    """One exchange that shows the model how to answer."""

    caller: str
    agent: str


@dataclass(frozen=True, slots=True)
class FastLaneConfig:
    """A reviewed answer that needs no model."""

    when: tuple[str, ...]
    """Phrases; matched on the recognised words."""
    say: str
    then: str = "listen"
    """``listen``, ``goodbye`` or ``transfer:QUEUE``."""
    asks: Annotated[str, OneOf(("open", "yes_no", "digits", "spelling"))] | None = None
    """What the caller is asked for, where the sentence's own words (English) do not say it."""


@dataclass(frozen=True, slots=True)
class TurnConfig:
    """When the caller's turn is over, and what interrupts the agent."""

    preset: Annotated[str, OneOf(("eager", "balanced", "patient"))] = "balanced"
    """``eager``, ``balanced`` or ``patient``: sets every field below that is not given."""
    provisional_ms: Annotated[int, Between(20, 10_000, "ms")] | None = None
    """Silence after which work on an answer begins."""
    complete_ms: Annotated[int, Between(20, 10_000, "ms")] | None = None
    """Silence that ends a turn whose words and melody sound finished."""
    incomplete_ms: Annotated[int, Between(20, 10_000, "ms")] | None = None
    """Silence that ends a turn that does not sound finished."""
    digits_ms: Annotated[int, Between(20, 10_000, "ms")] | None = None
    """Silence that ends digits or a spelled name."""
    barge_in_ms: Annotated[int, Between(20, 10_000, "ms")] | None = None
    """Caller speech that stops the agent."""
    yield_ms: Annotated[int, Between(200, 10_000, "ms")] | None = None
    """Caller speech that stops the agent for good although no word of it is recognised yet."""
    resume_ms: Annotated[int, Between(100, 10_000, "ms")] | None = None
    """Silence after which a stopped agent goes on although no word is recognised yet."""
    filler_ms: Annotated[int, Between(500, 3_000, "ms")] | None = None
    """Silence of a late answer before a filler is said."""
    words_weight: Annotated[float, Between(0, 3)] | None = None
    """How much words that look finished shorten the silence that ends a turn; 1 is usual."""
    melody_weight: Annotated[float, Between(0, 3)] | None = None
    """How much a voice that sounds finished shortens it; 0 does not ask the turn model."""
    grasp_weight: Annotated[float, Between(0, 3)] | None = None
    """How much it shortens it that facts are about the words."""
    barge_in: bool = True
    protect_greeting: bool = False
    backchannels: tuple[str, ...] = (
        "mm-hm", "uh-huh", "mm", "hm", "huh", "ah", "aha", "oh", "okay", "ok", "yeah", "yes", "yep",
        "yup", "right", "alright", "all right", "sure", "i see", "ic", "got it", "good", "great",
        "fine", "nice", "cool", "perfect", "exactly", "correct", "true", "of course", "really",
        "understood", "i understand", "makes sense", "thanks", "thank you",
    )  # fmt: skip
    """Words that do not interrupt while the agent speaks."""


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """How long things may last."""

    max_words: Annotated[int, Between(3, 500)] = 25
    """Words in one answer."""
    no_input_ms: Annotated[int, Between(1_000, 120_000, "ms")] = 8_000
    """Silence of the caller before being asked."""
    no_input_prompts: Annotated[int, Between(0, 10)] = 2
    """How often a silent caller is asked before the goodbye."""
    max_call_s: Annotated[int, Between(1, 86_400, "s")] = 1_800
    max_turn_s: Annotated[int, Between(2, 600, "s")] = 60
    """A caller who speaks without pause for so long is answered all the same."""
    stall_s: Annotated[float, Between(1, 60, "s")] | None = 8
    """A caller who waits so long for an answer is put through to a person, where the persona has a
    queue of people; so is one for whom two answers in a row were given up. None never does."""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """A persona."""

    greeting: str
    instructions: str
    language: str = "en"
    voice: str | None = None
    examples: tuple[ExampleConfig, ...] = ()
    knowledge: tuple[str, ...] = ()
    """Facts the agent may state; what is not here it does not know."""
    unknown: str = "I am not sure about that."
    """Said, in the model's own words or as it stands, when the answer is not in the knowledge."""
    fast_lane: tuple[FastLaneConfig, ...] = ()
    no_input: tuple[str, ...] = ("Are you still there?", "I can't hear you. Are you there?")
    not_heard: str = "Sorry, I did not catch that."
    """Said when the caller spoke but no word was understood."""
    goodbye: str = "Thank you for calling. Goodbye."
    filler: tuple[str, ...] = ("One moment.", "Let me see.")
    human_keys: FeatureKeys = field(default_factory=dict)
    """Key to the name of a queue: a caller who presses it is put through to people."""
    transfers: dict[str, str] = field(default_factory=dict)
    """Name of a queue to when it is the right one, in the words of callers: the language model may
    put callers through to these queues and to no others."""
    handover: HandoverConfig = field(default_factory=HandoverConfig)
    turn: TurnConfig = field(default_factory=TurnConfig)
    limits: AgentLimits = field(default_factory=AgentLimits)


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where call records are kept."""

    url: Annotated[str, DatabaseUrl()] = "sqlite:///var/calls.db"
    """An SQLAlchemy URL; a relative SQLite path starts at ``home``."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is logged."""

    format: LogFormat = LogFormat.AUTO
    level: Annotated[str, OneOf(("debug", "info", "warning", "error"))] = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    pii: bool = False
    """Keep numbers, transcripts and digits (``pii_*`` keys) in the log."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    agents: dict[str, AgentConfig]
    """Personas by name."""
    dialplan: tuple[RuleConfig, ...]
    """Rules in order; the first that matches a call is taken."""
    trunks: dict[str, TrunkConfig] = field(default_factory=dict)
    """Lines to carriers and other switchboards by name."""
    queues: dict[str, QueueConfig] = field(default_factory=dict)
    """Queues of people by name."""
    people: dict[str, PersonConfig] = field(default_factory=dict)
    """Those who sit in queues, by name."""
    desk: DeskConfig = field(default_factory=DeskConfig)
    """How people's phones are called and what they may dial."""
    hours: dict[str, HoursConfig] = field(default_factory=dict)
    """Opening hours by name."""
    phones: Annotated[dict[str, PhoneConfig], EachKey(PHONE_NAME)] = field(default_factory=dict)
    """Desk phones that register here, by the name they are called by (sip.front: kamailio)."""
    sip: SipConfig = field(default_factory=SipConfig)
    front: FrontConfig = field(default_factory=FrontConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    ladder: LadderConfig = field(default_factory=LadderConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    engines: EnginesConfig = field(default_factory=EnginesConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    log: LogConfig = field(default_factory=LogConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    run_dir: PathText = "var/run"
    """Where the processes' sockets are."""
    home: str = "."
    """Relative paths in this file start here; itself relative to the file's own folder."""
