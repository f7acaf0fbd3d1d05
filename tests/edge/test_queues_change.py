"""What a changed configuration does to the floor."""

import random
from dataclasses import replace

import pytest

from edge.queues.events import (
    Activity,
    CallerJoined,
    DeadlinePassed,
    GaveUp,
    MemberPaused,
    OfferAccepted,
    OfferEnded,
    OfferResult,
    Ring,
    SendBack,
    TalkEnded,
)
from edge.queues.floor import Floor
from edge.queues.members import SECOND_NS
from edge.queues.rules import build_floor, change_floor
from media.config.model import AgentConfig, Config, RuleConfig
from media.config.queues import AnnounceConfig, PersonConfig, QueueConfig, QueueStrategy, SeatConfig

pytestmark = pytest.mark.unit

S = SECOND_NS
LINEAR = QueueStrategy.LINEAR


def config(people: str, **queues: QueueConfig) -> Config:
    """Return a configuration with people by name."""
    everybody = {name: PersonConfig(f"sip:{name}@192.0.2.7") for name in people.split()}
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    return Config(agents, (RuleConfig(agent="desk"),), queues=queues, people=everybody)


def queue(members: str, **more: object) -> QueueConfig:
    """Return a queue that rings its members in order."""
    seats = {name: SeatConfig() for name in members.split()}
    return replace(QueueConfig(members=seats, strategy=LINEAR, wrap_up_s=0), **more)  # type: ignore[arg-type]  # test shorthand


def floor(given: Config) -> Floor:
    """Return the floor of a configuration."""
    return build_floor(given, random.Random(1))


def test_a_new_member_is_rung_for_who_waits_already() -> None:
    """Somebody who is added to a queue gets the caller that nobody was free for."""
    f = floor(config("ann", help=queue("ann")))
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    change_floor(f, config("ann bob", help=queue("ann bob", ring_timeout_s=7)))
    assert f.receive(DeadlinePassed(), S) == [Ring("b", "bob", 7_000)]


def test_a_member_who_is_removed_stays_until_the_talk_is_over() -> None:
    """The talk goes on; afterwards the person is gone and gets no further caller."""
    f = floor(config("ann bob", help=queue("ann bob", wrap_up_s=30)))
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "ann"), S)
    change_floor(f, config("bob", help=queue("bob")))
    f.receive(DeadlinePassed(), 2 * S)
    assert f.members["ann"].activity is Activity.BUSY
    assert f.receive(TalkEnded("ann"), 9 * S) == []
    assert list(f.members) == ["bob"]
    assert f.scores["help"].answered == 1


def test_a_ringing_phone_of_a_removed_member_rings_out() -> None:
    """The offer is kept until it ends; the caller then goes to who is left."""
    f = floor(config("ann bob", help=queue("ann")))
    f.receive(CallerJoined("a", "help"), 0)
    change_floor(f, config("bob", help=queue("bob")))
    assert f.receive(DeadlinePassed(), S) == []
    assert f.receive(OfferEnded("a", "ann", OfferResult.NO_ANSWER), 2 * S) == [
        Ring("a", "bob", 20_000)
    ]
    assert list(f.members) == ["bob"]


def test_a_member_who_comes_back_while_talking_was_never_gone() -> None:
    """Removed and added again within one talk: figures and duty are kept."""
    both = config("ann bob", help=queue("ann bob"))
    f = floor(both)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "ann"), S)
    change_floor(f, config("bob", help=queue("bob")))
    f.receive(DeadlinePassed(), 2 * S)
    change_floor(f, both)
    f.receive(TalkEnded("ann"), 9 * S)
    assert f.members["ann"].calls_taken == 1
    assert f.leaving == set()


def test_callers_of_a_removed_queue_are_sent_back() -> None:
    """Who waits is sent back at once, whose phone rings when it has rung out; talks go on."""
    f = floor(config("ann bob", help=queue("ann"), other=queue("bob")))
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    f.receive(CallerJoined("c", "other"), 0)
    change_floor(f, config("ann bob", other=queue("bob")))
    assert f.receive(DeadlinePassed(), S) == [SendBack("b", GaveUp.CLOSED)]
    assert f.receive(OfferEnded("a", "ann", OfferResult.BUSY), S) == [SendBack("a", GaveUp.CLOSED)]
    f.receive(OfferAccepted("c", "bob"), S)
    change_floor(f, config("ann bob", help=queue("ann")))
    f.receive(TalkEnded("bob"), 5 * S)
    assert f.members["bob"].activity is Activity.IDLE


def test_rules_of_waiting_callers_are_the_new_ones() -> None:
    """A shorter longest wait counts for those who wait already."""
    quiet = AnnounceConfig(every_s=0)
    f = floor(config("ann", help=queue("ann", max_wait_s=900, announce=quiet)))
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    f.receive(OfferAccepted("a", "ann"), 0)
    change_floor(f, config("ann", help=queue("ann", max_wait_s=60, announce=quiet)))
    assert f.receive(DeadlinePassed(), 59 * S) == []
    assert f.receive(DeadlinePassed(), 60 * S) == [SendBack("b", GaveUp.MAX_WAIT)]


def test_duty_and_figures_are_kept() -> None:
    """A pause outlives the change, and so do the queue's counters."""
    f = floor(config("ann bob", help=queue("ann bob")))
    f.receive(MemberPaused("ann", True), 0)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "bob"), S)
    change_floor(f, config("ann bob", help=queue("bob ann", service_level_s=1)))
    assert f.members["ann"].paused
    assert f.scores["help"].answered == 1
    assert f.scores["help"].service_level_ns == S


def test_round_robin_goes_on_where_it_was() -> None:
    """Whoever came after the one rung last is next, wherever they sit now."""
    turn = {"strategy": QueueStrategy.ROUND_ROBIN}
    f = floor(config("a b c d", help=queue("a b c d", **turn)))
    f.receive(CallerJoined("1", "help"), 0)
    f.receive(CallerJoined("2", "help"), 0)  # b was rung last
    change_floor(f, config("c a d", help=queue("d a c", **turn)))
    (ring,) = f.receive(CallerJoined("3", "help"), 0)
    assert isinstance(ring, Ring)
    assert ring.member == "c"  # a sits before, and is the last one rung who still has a seat
