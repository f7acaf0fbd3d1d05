"""Say what the people and the queues may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from media.config.checks import Address, Between, EachKey, Matching, OneOf, PathText
from media.config.routing import ActionConfig

Key = Annotated[str, Matching(r"[0-9*#]", "one key of a telephone, as 1")]
Code = Annotated[str, Matching(r"[0-9*#]{2,8}", "a feature code, as *61")]
Fallback = Annotated[
    str,
    Matching(
        r"agent|voicemail|callback|end|queue \S.*|number [+0-9*#A-Za-z:@.-]+( trunk \S+)?",
        "agent, queue NAME, number NUMBER [trunk NAME], voicemail, callback or end",
    ),
]


Outside = Annotated[
    str,
    Matching(
        r"tel:\+?[0-9*#.()-]{2,32}|sips?:[^\s<>?@]+@[^\s<>?@]+",
        "an address, as tel:+4930123456 or sip:team@192.0.2.9",
    ),
]


class QueueStrategy(StrEnum):
    """Who is rung next."""

    RING_ALL = "ring_all"
    """Everybody who is free, at once."""
    LONGEST_IDLE = "longest_idle"
    """Whose last call ended first."""
    FEWEST_CALLS = "fewest_calls"
    ROUND_ROBIN = "round_robin"
    """In turn, remembering who was rung last."""
    LINEAR = "linear"
    """Always from the top of the list."""
    RANDOM_WEIGHTED = "random_weighted"


class QueueConnect(StrEnum):
    """How caller and human are connected."""

    AUTO = "auto"
    """REFER where the caller's trunk is known to take it, the bridge elsewhere."""
    BRIDGE = "bridge"
    REFER = "refer"
    """REFER with Replaces, unless the trunk says ``bridge`` or has refused REFER lately."""
    BLIND_REFER = "blind_refer"
    """The carrier is asked to call the person's phone; no ringing by us, no whisper, no key."""


@dataclass(frozen=True, slots=True)
class PersonConfig:
    """Somebody who answers callers, and the phone that rings."""

    phone: str
    """``sip:ann@192.0.2.7:5060``, a number that goes out over ``trunk``, or a name under
    ``phones`` that registers here."""
    trunk: str | None = None
    """Name under ``trunks`` that a number goes out over."""
    skills: tuple[str, ...] = ()
    on_duty: bool = True
    """Logged in when the service starts; feature codes and ``cordboard queue`` change it."""


@dataclass(frozen=True, slots=True)
class SeatConfig:
    """A person's place in a queue."""

    penalty: Annotated[int, Between(0, 1_000)] = 0
    """People with a higher one are rung when nobody below is free."""
    weight: Annotated[int, Between(1, 1_000)] = 1
    """For ``random_weighted``: who has 2 is rung twice as often."""


@dataclass(frozen=True, slots=True)
class WhisperConfig:
    """What the human hears before the caller is put through, and the keys."""

    accept: Annotated[str, OneOf(("key", "pick_up"))] = "key"
    """``key``, or ``pick_up`` for no whisper at all."""
    accept_key: Key = "1"
    decline_key: Key = "2"
    repeat_key: Key = "3"
    accept_timeout_s: Annotated[float, Between(0.5, 120, "s")] = 15
    """From the end of the whisper to the key; then the next person is rung."""
    timeout_s: Annotated[float, Between(0.5, 120, "s")] = 20
    """A whisper that takes longer counts as over."""
    hear_machines: bool = True
    """Tell mailboxes by their greeting and their beep; off where phones beep at every pick-up, as
    call recorders do."""
    prompt: str = "Press {accept} to take the call, {decline} to decline, {repeat} to repeat."
    """Spoken after the summary."""
    fallback: str = "A call from {caller} for {queue}. Reason: {reason}."
    """Spoken when no summary came in time."""
    summary_wait_ms: Annotated[int, Between(0, 5_000, "ms")] = 800
    """How long the first ring may wait for the few words on the phone's display."""


@dataclass(frozen=True, slots=True)
class AnnounceConfig:
    """What waiting callers are told over the music."""

    every_s: Annotated[int, Between(0, 3_600, "s")] = 30
    """0 says nothing."""
    position: str = "You are number {position} in line."
    wait: str = "The expected wait is about {minutes} minutes."
    """Added where the wait can be estimated."""
    soon: str = "The expected wait is less than a minute."


@dataclass(frozen=True, slots=True)
class VoicemailConfig:
    """A message of a caller whom nobody could serve."""

    prompt: str = "Nobody can take your call right now. Please leave a message after the tone."
    max_s: Annotated[int, Between(1, 1_800, "s")] = 120
    folder: PathText = "var/voicemail"
    """Message files, and ``messages.jsonl`` with one line for each."""
    webhook: Annotated[str, Matching(r"https?://\S+", "a URL, as http://crm.lan/hook")] | None = (
        None
    )
    """Told of each message and call-back request by POST, tried again until it takes it."""
    callback_said: str = "We will call you back as soon as we can. Goodbye."
    """Said to a caller whose number was put down for a call back."""


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """People who answer callers one after the other."""

    description: str = ""
    members: dict[str, SeatConfig] = field(default_factory=dict)
    """Names under ``people``, in order; ``ann: {}`` or ``ann: {penalty: 1}``."""
    hours: str | None = None
    """Name under ``hours``; outside them the queue is closed. None is always open."""
    strategy: QueueStrategy = QueueStrategy.LONGEST_IDLE
    skills: tuple[str, ...] = ()
    """What a member must be able to do, all of it, to get callers of this queue."""
    priority: Annotated[int, Between(-1_000, 1_000)] = 0
    """Callers of a queue with a higher one are served first where people sit in both."""
    ring_timeout_s: Annotated[float, Between(1, 300, "s")] = 20
    wrap_up_s: Annotated[int, Between(0, 3_600, "s")] = 10
    max_callers: Annotated[int, Between(1, 10_000)] = 50
    """Callers who wait; one more is refused."""
    max_wait_s: Annotated[float, Between(1, 86_400, "s")] = 900
    rounds: Annotated[int, Between(1, 1_000)] = 3
    """How often everybody free is tried before the caller is sent back."""
    retry_s: Annotated[float, Between(0, 600, "s")] = 5
    """Pause between two rounds."""
    rest_s: Annotated[float, Between(0, 600, "s")] = 5
    """How long a person who was busy or did not answer is left alone; the longest of all queues
    counts."""
    service_level_s: Annotated[float, Between(1, 3_600, "s")] = 20
    """A caller who is answered within this time was answered in time."""
    music: PathText | None = None
    """WAV, played again and again; none plays the one that ships."""
    alert_info: str = "<urn:alert:source:external>"
    """``Alert-Info`` of the call to the phone (RFC 7462); phones choose their ring tone by it."""
    call_info: str = "<urn:cordboard:call:{call_id}>;purpose=info"
    """``Call-Info`` of the call to the phone; {call_id}, {caller} and {queue} are filled in."""
    whisper: WhisperConfig = field(default_factory=WhisperConfig)
    announce: AnnounceConfig = field(default_factory=AnnounceConfig)
    voicemail: VoicemailConfig = field(default_factory=VoicemailConfig)
    connect: QueueConnect = QueueConnect.AUTO
    second_line: str | None = None
    """Queue whose people are asked to join a talk or to be consulted; none takes this one."""
    outside: Outside | None = None
    """A number or SIP address that serves the callers of this queue, which has no members then:
    ``tel:+4930123456`` or ``sip:team@192.0.2.9``. By REFER where the trunk's ``transfer`` or
    ``connect`` says so, else called and joined here."""
    refer_news_s: Annotated[float, Between(0.1, 60, "s")] = 10
    """REFER to the carrier's first word about it; then the bridge takes over."""
    refer_s: Annotated[float, Between(0.1, 120, "s")] = 40
    """REFER to the carrier's last word about it."""
    after_hangup: Annotated[str, OneOf(("end", "agent"))] = "end"
    """What follows when the human hangs up: ``end``, or the ``agent`` takes the caller back."""
    on_nobody: Fallback | None = None
    """Nobody is there, or the queue is closed or full: ``agent``, ``queue NAME``,
    ``number NUMBER``, ``number NUMBER trunk NAME``, ``voicemail``, ``callback`` or ``end``. None
    takes ``on_failure``, else the agent, who is told the reason. A number without a trunk goes out
    over the caller's, where that has servers, else over the first that has."""
    on_no_answer: Fallback | None = None
    """Nobody answers, or the longest wait is over; as ``on_nobody``."""
    on_failure: ActionConfig | None = None
    """Taken when the queue is closed, full, empty of people or too slow."""


@dataclass(frozen=True, slots=True)
class FeatureCodes:
    """What people dial from their own phones; recognised by the phone's address."""

    join: Code = "*61"
    leave: Code = "*62"
    pause: Code = "*63"
    unpause: Code = "*64"
    wrap_up: Code = "*65"
    """Followed by seconds, as *6530; 0 or nothing ends the wrap-up."""


Sequence = Annotated[str, Matching(r"[*#][0-9*#]{1,7}", "keys that begin with * or #, as *3")]


@dataclass(frozen=True, slots=True)
class TalkKeys:
    """What a person presses while talking with a caller; the caller does not hear it."""

    consult: Sequence = "*2"
    """Look for a second person and talk to them; the caller hears music."""
    three_way: Sequence = "*3"
    """Look for a second person, or bring the one consulted in: all three hear each other."""
    complete: Sequence = "*1"
    """Leave: caller and second person go on. Hanging up does the same."""
    cancel: Sequence = "*0"
    """Release the second person and go on with the caller."""
    wait_s: Annotated[float, Between(0, 600, "s")] = 30
    """How long nobody may be free for it."""
    nobody_said: str = "Nobody can join you right now. You are with the caller again."
    """Said to the person who asked."""


FeatureKeys = Annotated[dict[str, str], EachKey(Matching(r"[0-9*#]", "one key, as 0"))]


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """How people's phones are called and what they may dial."""

    workers: Annotated[int, Between(0, 64)] | None = None
    """UA workers for calls to people, beside the one that listens; None takes 2 where there are
    queues. Each carries as many legs as its build of pjsua2 allows."""
    codes: FeatureCodes = field(default_factory=FeatureCodes)
    keys: TalkKeys = field(default_factory=TalkKeys)
    address: Address | None = None
    """Address of our own RTP toward people's phones; none takes ``media.address``."""
