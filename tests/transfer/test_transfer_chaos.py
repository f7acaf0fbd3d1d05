"""Random transfers, three callers at a time, workers killed in between."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.transfer.chaos import LANES, run_chaos
from tests.transfer.conftest import QUICK
from tests.transfer.rig import Rig

COUNT, SEED = 60, 20_261
pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def lanes(rig: Rig, ring_s: float = 2.0, accept_s: float = 1.0) -> Rig:
    """Start a switchboard with one queue and two phones for each lane.

    Args:
        rig: not started.
        ring_s: how long a phone rings; a test machine that is busy needs longer to answer.
        accept_s: how long the key is awaited.
    """
    people = {}
    for _, *names in LANES:
        for name in names:
            people[name] = {"phone": (await rig.phone(name)).uri}
    whisper = {"accept_timeout_s": accept_s}
    quick = {**QUICK, "ring_timeout_s": ring_s, "whisper": whisper}
    queues = {
        f"lane{at}": {**quick, "members": {name: {} for name in names}}
        for at, (_, *names) in enumerate(LANES)
    }
    await rig.start(people, queues)
    rig.agent.whisper_s = 0.2
    return rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Provide the lanes."""
    rig = Rig(tmp_path)
    try:
        yield await lanes(rig)
    finally:
        await rig.stop()


async def test_random_transfers(rig: Rig) -> None:
    """No caller is lost, every outcome is the script's, slots and ports are level at the end."""
    tally = await run_chaos(rig, SEED, COUNT, kill_every=20)
    print(f"{tally.done} transfers: {tally.results}, {tally.touched} met a dead worker")
    assert not tally.wrong, "\n".join(tally.wrong) + rig.log()
    assert tally.done == COUNT and len(tally.results) >= 3
    await rig.wait_ready()
    await rig.level(15)
