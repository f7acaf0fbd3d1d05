"""What the floor knows of a queue, a member and a waiting caller."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.queues.events import Activity
from edge.queues.strategy import Strategy

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in one queue."""

    member: str
    penalty: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What a queue does, as the floor needs it."""

    name: str
    seats: tuple[Seat, ...]
    strategy: Strategy = Strategy.LONGEST_IDLE
    ring_timeout_ms: int = 20_000
    wrap_up_ns: int = 10 * SECOND_NS
    max_waiting: int = 50
    max_wait_ns: int = 600 * SECOND_NS
    max_rounds: int = 3
    """How often everybody free is tried before the caller is sent back with NO_ANSWER."""
    retry_ns: int = 5 * SECOND_NS
    """Pause between two rounds."""
    announce_ns: int = 30 * SECOND_NS
    """Interval of position announcements; 0 for none."""
    service_level_ns: int = 20 * SECOND_NS


@dataclass(slots=True)
class Member:
    """One person's state on the floor."""

    name: str
    skills: frozenset[str] = frozenset()
    online: bool = True
    paused: bool = False
    activity: Activity = Activity.IDLE
    since_ns: int = 0
    """When the activity began."""
    duty_ns: int = 0
    """When duty or pause last changed."""
    idle_since_ns: int = 0
    """When the last call ended; declining or missing an offer does not change it."""
    queue: str = ""
    """The queue whose caller it took last."""
    wrap_up_ns: int = 0
    """How long the wrap-up of the talk under way will be."""
    next_wrap_up_ns: int | None = None
    """How long the wrap-up of the next talk will be; None takes the queue's."""
    wrap_up_until_ns: int = 0
    rest_until_ns: int = 0
    calls_taken: int = 0
    ticket: str | None = None

    @property
    def occupied(self) -> bool:
        """Whether a caller is being offered to it, or talks to it."""
        return self.activity in (Activity.RINGING, Activity.BUSY)

    def set_duty(self, online: bool, paused: bool, now_ns: int) -> None:
        """Change who may be offered callers."""
        if (online, paused) != (self.online, self.paused):
            self.online, self.paused, self.duty_ns = online, paused, now_ns

    def begin_talk(self, rules: QueueRules) -> None:
        """Take a caller of a queue."""
        self.calls_taken += 1
        self.queue = rules.name
        kept, self.next_wrap_up_ns = self.next_wrap_up_ns, None
        self.wrap_up_ns = rules.wrap_up_ns if kept is None else kept

    def set_wrap_up(self, wrap_up_ns: int, now_ns: int) -> None:
        """Change the wrap-up under way, else that of the talk under way, else of the next talk."""
        if self.activity is Activity.WRAP_UP:
            self.wrap_up_until_ns = now_ns + wrap_up_ns
        elif self.activity is Activity.BUSY:
            self.wrap_up_ns = wrap_up_ns
        else:
            self.next_wrap_up_ns = wrap_up_ns or None

    def available(self, now_ns: int) -> bool:
        """Whether a caller may be offered now."""
        return (
            self.online
            and not self.paused
            and self.activity is Activity.IDLE
            and now_ns >= self.rest_until_ns
        )


@dataclass(slots=True)
class Waiting:
    """One caller in a queue."""

    ticket: str
    rules: QueueRules
    priority: int
    skills: frozenset[str]
    joined_ns: int
    number: int
    """Order of arrival, breaks ties."""
    announce_ns: int
    only: str = ""
    """The one member who is wanted; empty for anybody."""
    offers: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)
    rounds: int = 0
    next_round_ns: int = 0
