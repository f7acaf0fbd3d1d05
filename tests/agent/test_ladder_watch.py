from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.ladder import Step
from agent.ladder_watch import LadderWatch, cpu_pressure, parse_pressure
from media.config.watch import LadderConfig, RungConfig

pytestmark = pytest.mark.unit

SECOND = 1_000_000_000


def test_pressure_is_the_share_of_the_last_ten_seconds() -> None:
    """The kernel's "some avg10" is what counts."""
    text = "some avg10=12.50 avg60=3.00 avg300=1.00 total=5\nfull avg10=0.00 avg60=0.00\n"
    assert parse_pressure(text) == 12.5


@pytest.mark.parametrize("text", ["", "full avg10=1.0", "some avg60=1.0", "some avg10=much"])
def test_what_is_no_pressure_is_refused(text: str) -> None:
    """A file of another shape is not taken for calm."""
    with pytest.raises(ValueError):
        parse_pressure(text)


def test_without_the_kernels_word_the_load_average_speaks(tmp_path: Path) -> None:
    """Where /proc/pressure is missing there is still a figure between 0 and 100."""
    assert 0 <= cpu_pressure(tmp_path / "missing") <= 100


def test_a_step_is_carried_out_logged_and_told() -> None:
    """A climb changes what is allowed, is one log line with its reason, and reaches the process."""
    told: list[Step] = []
    now = [0]
    watch = LadderWatch(
        LadderConfig(), lambda: told.append(watch.step), lambda: now[0], lambda: 99.0
    )
    with capture_logs() as logs:
        for _ in range(6):
            watch.look()
            now[0] += SECOND // 2
    assert told == [Step.NO_PROVISIONAL]
    assert not watch.allowance.provisional
    (line,) = [each for each in logs if each["event"] == "ladder_changed"]
    assert (line["step"], line["before"], line["log_level"]) == (
        "no_provisional",
        "normal",
        "warning",
    )
    assert line["why"].startswith("cpu_pressure")
    figures = watch.figures(2)
    assert (figures.ladder_step, figures.ladder_changes, figures.conversations) == (1, 1, 2)


def test_a_long_wait_for_an_engine_is_load() -> None:
    """The longest wait of any engine is what the ladder sees."""
    now = [0]
    watch = LadderWatch(LadderConfig(), lambda: None, lambda: now[0], lambda: 0.0)
    watch.waits.begin("voice")
    now[0] = 3 * SECOND
    watch.look()
    assert watch.load.engine_wait_ms == 3_000


async def test_a_busy_event_loop_is_seen() -> None:
    """Code that keeps the event loop to itself shows as lag and climbs the ladder."""
    config = LadderConfig(no_provisional=RungConfig(loop_lag_ms=20), climb_ms=100)
    watch = LadderWatch(config, lambda: None, pressure=lambda: 0.0)
    running = asyncio.create_task(watch.run())
    deadline = time.monotonic() + 5
    while watch.step is Step.NORMAL and time.monotonic() < deadline:
        time.sleep(0.12)  # noqa: ASYNC251 - blocks the loop on purpose
        await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert watch.step >= Step.NO_PROVISIONAL
    assert watch.load.loop_lag_ms > 20


def test_short_answers_are_heard_twice_only_while_there_is_room() -> None:
    """The first step of the ladder gives it up; what was allowed is counted."""
    watch = LadderWatch(LadderConfig(), lambda: None, lambda: 0, lambda: 0.0)
    assert watch.allow_second_hearing() and watch.allow_second_hearing()
    watch.allowance.follow(Step.NO_PROVISIONAL, 12)
    assert not watch.allow_second_hearing()
    assert watch.figures(0).second_hearings == 2
