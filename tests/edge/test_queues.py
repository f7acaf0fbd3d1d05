import heapq
import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.queues.events import (
    Activity,
    Announce,
    CallerJoined,
    CallerLeft,
    DeadlinePassed,
    FloorAction,
    GaveUp,
    MemberLoggedIn,
    MemberPaused,
    OfferAccepted,
    OfferEnded,
    OfferPickedUp,
    OfferResult,
    Ring,
    SendBack,
    StopRinging,
    TalkEnded,
    WrapUpSet,
)
from edge.queues.floor import Floor, FloorError
from edge.queues.members import SECOND_NS, Member, QueueRules, Seat
from edge.queues.strategy import Candidate, Strategy, choose

pytestmark = pytest.mark.unit

S = SECOND_NS


def floor(
    strategy: Strategy = Strategy.LINEAR, count: int = 3, rest_s: int = 5, **rules: object
) -> Floor:
    names = [f"m{i}" for i in range(count)]
    queue = QueueRules("help", tuple(Seat(n) for n in names), strategy, **rules)  # type: ignore[arg-type]  # test shorthand
    return Floor([queue], [Member(n) for n in names], random.Random(1), rest_s * S)


def rung(actions: list[FloorAction]) -> list[tuple[str, str]]:
    return [(a.ticket, a.member) for a in actions if isinstance(a, Ring)]


def test_a_free_member_is_rung_at_once() -> None:
    """A caller who joins while somebody is free is offered in the same step."""
    assert floor().receive(CallerJoined("a", "help"), 0) == [Ring("a", "m0", 20_000)]


def test_two_callers_are_never_offered_the_same_member() -> None:
    """The second caller gets the next member; the fourth waits."""
    f = floor()
    got = [rung(f.receive(CallerJoined(t, "help"), 0)) for t in "abcd"]
    assert got == [[("a", "m0")], [("b", "m1")], [("c", "m2")], []]


def test_a_decline_goes_to_the_next_member() -> None:
    """The caller is offered to somebody else, not again to who declined."""
    f = floor()
    f.receive(CallerJoined("a", "help"), 0)
    again = f.receive(OfferEnded("a", "m0", OfferResult.DECLINED), 1 * S)
    assert rung(again) == [("a", "m1")]


def test_everybody_declining_ends_after_the_rounds() -> None:
    """After max_rounds of trying everybody the caller is sent back with the reason."""
    f = floor(count=1, max_rounds=2, retry_ns=5 * S)
    assert rung(f.receive(CallerJoined("a", "help"), 0))
    assert f.receive(OfferEnded("a", "m0", OfferResult.NO_ANSWER), 20 * S) == []
    assert f.next_deadline_ns() == 25 * S
    assert rung(f.receive(DeadlinePassed(), 25 * S)) == [("a", "m0")]
    ended = f.receive(OfferEnded("a", "m0", OfferResult.BUSY), 26 * S)
    assert ended == [SendBack("a", GaveUp.NO_ANSWER)]
    assert f.waiting == {}


def test_who_missed_a_call_is_rung_again_though_another_is_busy() -> None:
    """A member in a long call does not keep the round open for ever."""
    f = floor(count=2, retry_ns=5 * S)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "m0"), 1 * S)
    f.receive(CallerJoined("b", "help"), 2 * S)
    f.receive(OfferEnded("b", "m1", OfferResult.NO_ANSWER), 22 * S)
    assert rung(f.receive(DeadlinePassed(), 27 * S)) == [("b", "m1")]
    assert f.waiting["b"].rounds == 0


def test_ring_all_has_one_winner() -> None:
    """Who accepts first has the caller; the others stop ringing, told it was answered."""
    f = floor(Strategy.RING_ALL)
    assert len(rung(f.receive(CallerJoined("a", "help"), 0))) == 3
    stops = f.receive(OfferAccepted("a", "m1"), S)
    assert stops == [StopRinging("a", "m0", True), StopRinging("a", "m2", True)]
    assert f.receive(OfferAccepted("a", "m2"), S) == []
    assert f.members["m1"].activity is Activity.BUSY
    assert f.members["m2"].activity is Activity.IDLE


def test_a_pick_up_stops_the_others_and_a_decline_rings_them_again() -> None:
    """While one listens to the whisper nobody else rings; if it declines, the others do."""
    f = floor(Strategy.RING_ALL, count=2)
    f.receive(CallerJoined("a", "help"), 0)
    assert f.receive(OfferPickedUp("a", "m1"), S) == [StopRinging("a", "m0", True)]
    assert f.receive(OfferPickedUp("a", "m0"), S) == []
    assert rung(f.receive(OfferEnded("a", "m1", OfferResult.DECLINED), 2 * S)) == [("a", "m0")]


def test_a_caller_who_leaves_stops_the_ringing() -> None:
    """Phones of a caller who hung up are cancelled, and free for the next one."""
    f = floor(count=1)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    assert f.receive(CallerLeft("a"), S) == [StopRinging("a", "m0", False), Ring("b", "m0", 20_000)]
    assert f.scores["help"].abandoned == 1


def test_wrap_up_is_kept_to_the_nanosecond() -> None:
    """A member in wrap-up is not rung before its end, and at its end at once."""
    f = floor(count=1, wrap_up_ns=10 * S)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "m0"), S)
    f.receive(CallerJoined("b", "help"), 2 * S)
    assert rung(f.receive(TalkEnded("m0"), 60 * S)) == []
    assert f.next_deadline_ns() == 70 * S
    assert rung(f.receive(DeadlinePassed(), 70 * S - 1)) == []
    assert rung(f.receive(DeadlinePassed(), 70 * S)) == [("b", "m0")]


def test_wrap_up_can_be_ended_and_prolonged() -> None:
    """A feature code changes the wrap-up under way, or the one that will come."""
    f = floor(count=1, wrap_up_ns=10 * S)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "m0"), 0)
    f.receive(WrapUpSet("m0", 60), S)
    f.receive(TalkEnded("m0"), 2 * S)
    assert f.next_deadline_ns() == 62 * S
    f.receive(WrapUpSet("m0", 0), 3 * S)
    assert f.members["m0"].activity is Activity.IDLE


@pytest.mark.parametrize(("seconds", "length_s"), [((60,), 60), ((60, 0), 10), ((), 10)])
def test_a_wrap_up_that_is_set_before_the_call_is_kept_for_it(
    seconds: tuple[int, ...], length_s: int
) -> None:
    """Of one who is idle, pauses or is rung the next talk's is set, of no later one; 0 forgets."""
    f = floor(count=1, wrap_up_ns=10 * S)
    for each in seconds:
        f.receive(WrapUpSet("m0", each), 0)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "m0"), 0)
    f.receive(TalkEnded("m0"), S)
    assert f.next_deadline_ns() == (1 + length_s) * S
    f.receive(WrapUpSet("m0", 0), 2 * S)
    f.receive(CallerJoined("b", "help"), 3 * S)
    f.receive(OfferAccepted("b", "m0"), 3 * S)
    f.receive(TalkEnded("m0"), 4 * S)
    assert f.next_deadline_ns() == 14 * S


def test_pause_and_log_out() -> None:
    """Who pauses or logs out is not rung; who comes back is, for callers who wait."""
    f = floor(count=2)
    f.receive(MemberPaused("m0", True), 0)
    f.receive(CallerJoined("a", "help"), 0)
    assert "m1" in f.waiting["a"].offers
    f.receive(CallerJoined("b", "help"), 0)
    assert rung(f.receive(MemberPaused("m0", False), S)) == [("b", "m0")]
    f.receive(CallerJoined("c", "help"), S)
    f.receive(OfferAccepted("a", "m1"), 2 * S)
    f.receive(MemberLoggedIn("m1", False), 3 * S)
    f.receive(TalkEnded("m1"), 4 * S)
    assert rung(f.receive(DeadlinePassed(), 100 * S)) == []


@pytest.mark.parametrize(
    ("event", "prepare", "reason"),
    [
        (CallerJoined("x", "help", open=False), "", GaveUp.CLOSED),
        (CallerJoined("x", "help"), "pause", GaveUp.NOBODY_HERE),
        (CallerJoined("x", "help"), "fill", GaveUp.FULL),
    ],
)
def test_refused_at_the_door(event: CallerJoined, prepare: str, reason: GaveUp) -> None:
    """A closed, deserted or full queue says so at once."""
    f = floor(count=1, max_waiting=1)
    if prepare == "pause":
        f.receive(MemberPaused("m0", True), 0)
    if prepare == "fill":
        f.receive(CallerJoined("a", "help"), 0)
    assert f.receive(event, S) == [SendBack("x", reason)]


def test_the_last_member_leaving_sends_callers_back() -> None:
    """A caller does not wait for people who went home."""
    f = floor(count=1)
    for ticket in "ab":
        f.receive(CallerJoined(ticket, "help"), 0)
    f.receive(OfferAccepted("a", "m0"), S)
    assert f.receive(MemberLoggedIn("m0", False), 2 * S) == [SendBack("b", GaveUp.NOBODY_HERE)]


def test_max_wait_lets_a_ringing_phone_finish() -> None:
    """The wait ends on time, but a phone that rings just then may still be picked up."""
    f = floor(count=1, max_wait_ns=30 * S)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "m0"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    assert f.receive(DeadlinePassed(), 30 * S) == [SendBack("b", GaveUp.MAX_WAIT)]
    f.receive(CallerJoined("c", "help"), 31 * S)
    f.receive(TalkEnded("m0"), 50 * S)
    assert rung(f.receive(DeadlinePassed(), 60 * S)) == [("c", "m0")]
    assert f.receive(DeadlinePassed(), 62 * S) == []
    assert f.receive(OfferAccepted("c", "m0"), 63 * S) == []
    assert f.members["m0"].activity is Activity.BUSY


def test_priority_and_skills() -> None:
    """A higher priority is served first, and only by who has every skill."""
    f = floor(count=2, wrap_up_ns=0)
    f.members["m1"].skills = frozenset({"de"})
    assert rung(f.receive(CallerJoined("a", "help", skills=frozenset({"de"})), 0)) == [("a", "m1")]
    f.receive(OfferAccepted("a", "m1"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    f.receive(OfferAccepted("b", "m0"), 0)
    f.receive(CallerJoined("c", "help"), 1)
    f.receive(CallerJoined("d", "help", priority=5), 2)
    assert f.position("d") == 1
    assert rung(f.receive(TalkEnded("m0"), 9 * S)) == [("d", "m0")]


def test_position_and_expected_wait_are_announced() -> None:
    """The caller hears a position, and a wait once talks have been measured."""
    f = floor(count=1, announce_ns=30 * S, wrap_up_ns=0)
    f.receive(CallerJoined("a", "help"), 0)
    f.receive(OfferAccepted("a", "m0"), 0)
    f.receive(CallerJoined("b", "help"), 0)
    assert f.receive(DeadlinePassed(), 30 * S) == [Announce("b", 1, None)]
    f.receive(TalkEnded("m0"), 40 * S)
    f.receive(OfferAccepted("b", "m0"), 41 * S)
    f.receive(CallerJoined("c", "help"), 41 * S)
    assert f.receive(DeadlinePassed(), 71 * S) == [Announce("c", 1, 40)]


def test_a_member_of_two_queues_takes_one_call() -> None:
    """One call per member holds over all queues."""
    queues = [QueueRules(n, (Seat("m"),), Strategy.LINEAR) for n in ("x", "y")]
    f = Floor(queues, [Member("m")], random.Random(1))
    assert rung(f.receive(CallerJoined("a", "x"), 0)) == [("a", "m")]
    assert rung(f.receive(CallerJoined("b", "y"), 0)) == []


@pytest.mark.parametrize(
    "event",
    [CallerJoined("a", "nowhere"), TalkEnded("nobody"), MemberPaused("nobody", True)],
)
def test_unknown_names_are_our_fault(event: CallerJoined | TalkEnded | MemberPaused) -> None:
    """An event about something the floor does not know is an error, not a guess."""
    with pytest.raises(FloorError, match="unknown"):
        floor().receive(event, 0)


def candidate(name: str, order: int, **more: int) -> Candidate:
    values = {"penalty": 0, "weight": 1, "idle_since_ns": 0, "calls_taken": 0, **more}
    return Candidate(name, order, **values)


@pytest.mark.parametrize(
    ("strategy", "last", "chosen"),
    [
        (Strategy.RING_ALL, None, ["a", "b", "c"]),
        (Strategy.LINEAR, 0, ["a"]),
        (Strategy.LONGEST_IDLE, None, ["c"]),
        (Strategy.FEWEST_CALLS, None, ["b"]),
        (Strategy.ROUND_ROBIN, None, ["a"]),
        (Strategy.ROUND_ROBIN, 0, ["b"]),
        (Strategy.ROUND_ROBIN, 2, ["a"]),
    ],
)
def test_strategies(strategy: Strategy, last: int | None, chosen: list[str]) -> None:
    """Each strategy rings whom it promises, in the lowest penalty only."""
    people = [
        candidate("a", 0, idle_since_ns=30, calls_taken=2),
        candidate("b", 1, idle_since_ns=20, calls_taken=1),
        candidate("c", 2, idle_since_ns=10, calls_taken=3),
        candidate("d", 3, penalty=1),
    ]
    assert choose(strategy, people, last, random.Random(1)) == chosen


def test_random_weighted_follows_the_weights() -> None:
    """A member of weight 3 is rung about three times as often as one of weight 1."""
    dice = random.Random(7)
    people = [candidate("a", 0, weight=3), candidate("b", 1, weight=1)]
    tally = Counter(choose(Strategy.RANDOM_WEIGHTED, people, None, dice)[0] for _ in range(4000))
    assert 2.6 < tally["a"] / tally["b"] < 3.4


def gini(values: list[int]) -> float:
    ordered = sorted(values)
    weighted = sum((i + 1) * v for i, v in enumerate(ordered))
    count = len(ordered)
    return 2 * weighted / (count * sum(ordered)) - (count + 1) / count


def wins(f: Floor, event: OfferAccepted) -> bool:
    caller = f.waiting.get(event.ticket)
    return caller is not None and event.member in caller.offers


def simulate(strategy: Strategy, calls: int, members: int, seed: int) -> Floor:
    """Play a day of calls; every step checks that no member has two callers."""
    dice = random.Random(seed)
    f = floor(strategy, members, wrap_up_ns=30 * S, announce_ns=0)
    counter = itertools.count()
    agenda: list[tuple[int, int, object]] = []

    def put(at_ns: int, event: object) -> None:
        heapq.heappush(agenda, (at_ns, next(counter), event))

    for index in range(calls):
        put(dice.randrange(8 * 3600) * S, CallerJoined(f"t{index}", "help"))
    idle_at: dict[str, int] = {}
    while agenda:
        now_ns, _, event = heapq.heappop(agenda)
        if isinstance(event, OfferAccepted) and wins(f, event):
            end_ns = now_ns + dice.randrange(60, 240) * S
            idle_at[event.member] = end_ns + 30 * S
            put(end_ns, TalkEnded(event.member))
        for action in f.receive(event, now_ns):  # type: ignore[arg-type]  # events only
            if not isinstance(action, Ring):
                continue
            assert now_ns >= idle_at.get(action.member, 0), "wrap-up was not respected"
            answer_ns = now_ns + dice.randrange(2, 10) * S
            if dice.random() < 0.1:
                put(answer_ns, OfferEnded(action.ticket, action.member, OfferResult.DECLINED))
                continue
            put(answer_ns, OfferAccepted(action.ticket, action.member))
        offered = [name for w in f.waiting.values() for name in w.offers]
        assert len(offered) == len(set(offered))
        deadline = f.next_deadline_ns()
        if deadline is not None and (not agenda or agenda[0][0] > deadline):
            assert deadline > now_ns, "a deadline that has passed was not dealt with"
            put(deadline, DeadlinePassed())
    return f


@pytest.mark.parametrize("strategy", [Strategy.LONGEST_IDLE, Strategy.ROUND_ROBIN])
def test_a_simulated_day_is_fair(strategy: Strategy) -> None:
    """2,000 calls over 20 members are shared with a Gini coefficient below 0.1."""
    f = simulate(strategy, 2_000, 20, seed=3)
    taken = [m.calls_taken for m in f.members.values()]
    assert sum(taken) + f.scores["help"].sent_back == 2_000
    assert sum(taken) > 1_900
    assert gini(taken) < 0.1
    assert f.waiting == {}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(Strategy)))
def test_nobody_is_forgotten(seed: int, strategy: Strategy) -> None:
    """Whatever happens, at the end nobody waits, rings or is busy without a call."""
    f = simulate(strategy, 40, 3, seed)
    assert f.waiting == {}
    assert {m.activity for m in f.members.values()} <= {Activity.IDLE, Activity.WRAP_UP}
    score = f.scores["help"]
    assert score.offered == 40 == score.answered + score.sent_back + score.abandoned
