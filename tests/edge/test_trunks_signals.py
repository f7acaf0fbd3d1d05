from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from edge.supervisor import Child, Supervisor, terminal_closed

pytestmark = pytest.mark.integration

CHILD = """
import pathlib, signal, sys, time
signal.signal(signal.SIGHUP, lambda *_: pathlib.Path(sys.argv[1]).write_text("reloaded"))
pathlib.Path(sys.argv[2]).touch()
while True:
    time.sleep(0.05)
"""


async def test_sighup_is_passed_on_to_the_edge_alone(tmp_path: Path) -> None:
    """The control process hears it and lives on; a role that does not run is passed over."""
    heard, up = tmp_path / "heard", tmp_path / "up"
    program = (sys.executable, "-c", CHILD, str(heard), str(up))
    supervisor = Supervisor((Child("edge", program),))
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    async with asyncio.timeout(20):
        while not up.exists():
            await asyncio.sleep(0.02)
        supervisor.pass_on("nobody", signal.SIGHUP)
        supervisor.pass_on("edge", signal.SIGHUP)
        while not heard.exists():
            await asyncio.sleep(0.02)
        stop.set()
        await running
    assert heard.read_text() == "reloaded"


def test_without_a_terminal_sighup_does_not_mean_the_end() -> None:
    """A daemon has none that could be closed, a running shell's is open."""
    assert not terminal_closed()
