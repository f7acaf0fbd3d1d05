from __future__ import annotations

import pytest

from agent.ladder import DEFAULTS, Allowance, Ladder, LadderChanged, Load, Step
from media.config.watch import LadderConfig, RungConfig

pytestmark = pytest.mark.unit

SECOND = 1_000_000_000
IDLE = Load(engine_wait_ms=200, loop_lag_ms=1, cpu_pressure=10)
CRUSHED = Load(engine_wait_ms=20_000, loop_lag_ms=2_000, cpu_pressure=100)


def feed(ladder: Ladder, load: Load, start_s: float, seconds: float) -> list[LadderChanged]:
    """Report the same load every half second."""
    changes = []
    for number in range(int(seconds * 2) + 1):
        changes += ladder.receive(load, int((start_s + number / 2) * SECOND))
    return changes


def test_load_that_lasts_climbs_one_step_at_a_time() -> None:
    """Every step is held for climb_ms before the next, whatever the load."""
    changes = feed(Ladder(LadderConfig()), CRUSHED, 0, 30)
    assert [each.after for each in changes] == list(Step)[1:]
    assert all(each.after == each.before + 1 for each in changes)


def test_a_burst_changes_nothing() -> None:
    """Load that lasts less than climb_ms leaves the ladder where it is."""
    ladder = Ladder(LadderConfig())
    assert feed(ladder, CRUSHED, 0, 1.5) == []
    assert feed(ladder, IDLE, 2, 1) == []
    assert feed(ladder, CRUSHED, 4, 1.5) == []
    assert ladder.step is Step.NORMAL


def test_calm_descends_to_the_floor() -> None:
    """When load is gone each step down takes descend_ms."""
    ladder = Ladder(LadderConfig())
    feed(ladder, CRUSHED, 0, 30)
    changes = feed(ladder, IDLE, 100, 40)
    assert [each.after for each in changes] == [
        Step.FAST_LANE_ONLY,
        Step.SHORT_ANSWERS,
        Step.NO_PROVISIONAL,
        Step.NORMAL,
    ]
    assert feed(ladder, IDLE, 200, 20) == []


def test_load_between_release_and_limit_keeps_the_step() -> None:
    """Load that hovers below the limit neither climbs nor descends."""
    ladder = Ladder(LadderConfig())
    limit = DEFAULTS[Step.NO_PROVISIONAL].loop_lag_ms
    feed(ladder, Load(loop_lag_ms=limit), 0, 3)
    assert feed(ladder, Load(loop_lag_ms=limit * 0.9), 10, 60) == []
    assert ladder.step is Step.NO_PROVISIONAL


def test_each_measure_decides_alone_and_is_named() -> None:
    """Any one limit is enough, and the change says which."""
    for load, name in [
        (Load(engine_wait_ms=1_500), "engine_wait_ms"),
        (Load(loop_lag_ms=60), "loop_lag_ms"),
        (Load(cpu_pressure=90), "cpu_pressure"),
    ]:
        (change,) = feed(Ladder(LadderConfig()), load, 0, 3)
        assert change.why.startswith(name)
        assert change.load == load


def test_pressure_alone_refuses_nobody() -> None:
    """What others do to the machine shortens answers at most."""
    ladder = Ladder(LadderConfig())
    feed(ladder, Load(cpu_pressure=100), 0, 60)
    assert ladder.step is Step.SHORT_ANSWERS


def test_the_operator_moves_limits() -> None:
    """A limit of the file counts; 0 takes a measure out; others keep their defaults."""
    config = LadderConfig(no_provisional=RungConfig(engine_wait_ms=0, loop_lag_ms=500))
    ladder = Ladder(config)
    assert feed(ladder, Load(engine_wait_ms=60_000, loop_lag_ms=499), 0, 10) == []
    assert [each.after for each in feed(ladder, Load(cpu_pressure=91), 20, 3)] == [
        Step.NO_PROVISIONAL
    ]


def test_a_ladder_that_is_off_stays_on_the_floor() -> None:
    """``enabled: false`` gives up nothing."""
    assert feed(Ladder(LadderConfig(enabled=False)), CRUSHED, 0, 60) == []


def test_changes_are_counted_both_ways() -> None:
    """The counter for the metrics counts steps up and down."""
    ladder = Ladder(LadderConfig())
    feed(ladder, CRUSHED, 0, 30)
    feed(ladder, IDLE, 100, 40)
    assert ladder.changes == 8


@pytest.mark.parametrize(
    ("step", "provisional", "words", "model"),
    [
        (Step.NORMAL, True, 25, True),
        (Step.NO_PROVISIONAL, False, 25, True),
        (Step.SHORT_ANSWERS, False, 12, True),
        (Step.FAST_LANE_ONLY, False, 12, False),
        (Step.REFUSE_CALLS, False, 12, False),
    ],
)
def test_each_step_gives_up_more(step: Step, provisional: bool, words: int, model: bool) -> None:
    """A step takes away what it names and all before it."""
    allowance = Allowance()
    allowance.follow(Step.REFUSE_CALLS, 12)
    allowance.follow(step, 12)
    assert (allowance.provisional, allowance.words(25), allowance.model) == (
        provisional,
        words,
        model,
    )
    assert allowance.words(5) == 5
