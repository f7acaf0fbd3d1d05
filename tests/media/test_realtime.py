import os
import threading

import pytest

from media.realtime import background_executor, step_back

pytestmark = pytest.mark.unit


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_a_thread_steps_back_alone() -> None:
    """Niceness is the thread's own and its children's; the loop's thread keeps its place."""
    before = niceness()
    seen: list[int] = []

    def work() -> None:
        step_back(before + 3)
        child = threading.Thread(target=lambda: seen.append(niceness()))
        child.start()
        child.join()
        step_back(before + 1)  # never forward again
        seen.append(niceness())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(before + 3, 19)] * 2
    assert niceness() == before


def test_background_work_has_ordinary_scheduling() -> None:
    """Threads for files are never scheduled in real time, whatever the sender has."""
    with background_executor() as pool:
        assert pool.submit(os.sched_getscheduler, 0).result() == os.SCHED_OTHER
