import pytest

from edge.backoff import Backoff
from edge.pool import Kill, Pool, SetLimit, Spawn, WorkerDown, WorkerState
from edge.ua.messages import UaHeartbeat, UaReady

pytestmark = pytest.mark.unit

MS = 1_000_000
READY = UaReady(4, 3, 5060, 5060, "2.15.1")


def ready_pool(callers: int | None = None, slots: int = 4) -> Pool:
    pool = Pool(1, callers)
    pool.open(True)
    assert pool.pass_time(0) == [Spawn(0, 1)]
    pool.spawned(0, 77)
    pool.receive_ready(0, 1, UaReady(slots, slots - 1, 5060, 5060, "2.15.1"), 10 * MS)
    return pool


def test_a_worker_is_started_and_told_its_limit() -> None:
    """One slot of the build is kept for refusing; the rest are callers."""
    pool = Pool()
    pool.open(True)
    assert pool.pass_time(0) == [Spawn(0, 1)]
    assert not pool.ready
    assert pool.receive_ready(0, 1, READY, 5) == [SetLimit(0, 3)]
    assert pool.ready
    assert pool.limit == 3


@pytest.mark.parametrize(("callers", "slots", "limit"), [(None, 32, 31), (2, 4, 2), (9, 4, 3)])
def test_the_limit_follows_build_and_configuration(
    callers: int | None, slots: int, limit: int
) -> None:
    """The smaller of the configured calls and the build's slots less one counts."""
    assert ready_pool(callers, slots).limit == limit


def test_a_closed_pool_refuses_all_callers() -> None:
    """While media or agent is away the workers take nobody; a later worker learns it at once."""
    pool = ready_pool()
    assert pool.open(False) == [SetLimit(0, 0)]
    assert pool.open(False) == []
    pool.receive_gone(0, 1, "exited", 20 * MS)
    assert pool.pass_time(20 * MS) == [Spawn(0, 2)]
    assert pool.receive_ready(0, 2, READY, 30 * MS) == [SetLimit(0, 0)]
    assert pool.open(True) == [SetLimit(0, 3)]


def test_a_hung_worker_is_killed_after_two_seconds() -> None:
    """Without a heartbeat of the SIP thread for 2 s the worker is killed and replaced."""
    pool = ready_pool()
    pool.receive_heartbeat(0, 1, UaHeartbeat(0, 2, 1), 500 * MS)
    assert pool.places[0].legs == 2
    assert pool.pass_time(2_499 * MS) == []
    assert pool.pass_time(2_500 * MS) == [Kill(0, 1), WorkerDown(0, 1, "SIP thread is silent")]
    assert pool.pass_time(2_500 * MS) == [Spawn(0, 2)]


def test_a_worker_that_never_gets_ready_is_killed() -> None:
    """Ten seconds without UaReady are a failed start."""
    pool = Pool()
    pool.pass_time(0)
    assert pool.pass_time(9_999 * MS) == []
    assert pool.pass_time(10_000 * MS) == [Kill(0, 1), WorkerDown(0, 1, "did not start")]


def test_news_of_an_earlier_life_change_nothing() -> None:
    """What a dead worker said last does not touch its successor."""
    pool = ready_pool()
    pool.receive_gone(0, 1, "killed", 20 * MS)
    pool.pass_time(20 * MS)
    assert pool.receive_gone(0, 1, "link closed", 21 * MS) == []
    assert pool.receive_ready(0, 1, READY, 21 * MS) == []
    pool.receive_heartbeat(0, 1, UaHeartbeat(0, 3), 21 * MS)
    assert pool.places[0].state is WorkerState.STARTING
    assert pool.places[0].legs == 0


def test_death_is_told_once() -> None:
    """Process exit and closed link are one loss."""
    pool = ready_pool()
    assert len(pool.receive_gone(0, 1, "killed by SIGKILL", 20 * MS)) == 2
    assert pool.receive_gone(0, 1, "link closed", 20 * MS) == []


def test_further_workers_take_no_callers() -> None:
    """Only the worker on the SIP port counts towards the callers' limit."""
    pool = Pool(2)
    pool.open(True)
    assert pool.pass_time(0) == [Spawn(0, 1), Spawn(1, 1)]
    assert pool.receive_ready(1, 1, READY, 1) == []
    assert not pool.ready
    pool.receive_ready(0, 1, READY, 1)
    assert pool.limit == 3


def test_restarts_are_spaced_out() -> None:
    """The first restart is immediate, then 0.5, 1, 2, 4 and at most 5 s; a long life forgives."""
    backoff = Backoff()
    backoff.started(0)
    assert [backoff.wait_ms(1) for _ in range(7)] == [0, 500, 1_000, 2_000, 4_000, 5_000, 5_000]
    backoff.started(0)
    assert backoff.wait_ms(30_000 * MS) == 0


def test_another_limit_is_told_to_those_who_take_callers() -> None:
    """A reload changes the limit of a ready worker at once, and of the pool."""
    pool = Pool(1, 3)
    pool.pass_time(0)
    pool.open(True)
    pool.receive_ready(0, 1, UaReady(4, 3, 5060, 5060, "2.15"), 0)
    assert pool.set_callers(1) == [SetLimit(0, 1)]
    assert pool.limit == 1
    assert pool.set_callers(None) == [SetLimit(0, 3)]
