import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from edge.offspring import signal_child

pytestmark = pytest.mark.integration


@pytest.fixture
def late_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have asyncio's watcher of children come late, as on a busy machine."""
    reap: Callable[[int, int], tuple[int, int]] = os.waitpid

    def reap_late(pid: int, options: int) -> tuple[int, int]:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        time.sleep(0.2)
        return reap(pid, options)

    monkeypatch.setattr(os, "waitpid", reap_late)


@pytest.mark.usefixtures("late_watcher")
async def test_a_child_that_has_just_died_keeps_its_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Killing what is dead and not reaped yet takes its exit status from nobody."""
    child = await asyncio.create_subprocess_exec("sh", "-c", "exit 7")
    # the loop must not reap it meanwhile, so it is what waits
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
    signal_child(child, signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 10) == 7
    assert not caplog.records


async def test_a_child_gets_the_signal() -> None:
    """It dies of the one that it was sent; afterwards nothing is sent to anybody."""
    child = await asyncio.create_subprocess_exec("sleep", "60")
    signal_child(child, signal.SIGTERM)
    assert await asyncio.wait_for(child.wait(), 10) == -signal.SIGTERM
    signal_child(child, signal.SIGKILL)
    assert child.returncode == -signal.SIGTERM
