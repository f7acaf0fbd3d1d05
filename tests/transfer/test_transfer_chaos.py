"""Random transfers, three callers at a time, workers killed in between."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge.commands.calls_stats import transfer_lines
from edge.records.reader import RecordReader
from edge.records.transfer_statistics import summarize_transfers
from tests.transfer.chaos import LANES, PATIENT, run_chaos
from tests.transfer.chaos import QUICK as PATIENCE
from tests.transfer.conftest import QUICK
from tests.transfer.rig import Rig

COUNT, SEED = 40, 20_261
pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def lanes(rig: Rig) -> Rig:
    """Start a switchboard with two queues and two phones for each lane.

    Args:
        rig: not started.
    """
    people: dict[str, Any] = {}
    queues: dict[str, Any] = {}
    for at, (_, *names) in enumerate(LANES):
        for name in names:
            people[name] = {"phone": (await rig.phone(name)).uri}
        for suffix, patience in (("", PATIENCE), ("-patient", PATIENT)):
            times = {
                "ring_timeout_s": patience.ring_s,
                "whisper": {"accept_timeout_s": patience.key_s},
            }
            members = {name: {} for name in names}
            queues[f"lane{at}{suffix}"] = {**QUICK, **times, "members": members}
    await rig.start(people, queues)
    rig.agent.whisper_s = 0.2
    return rig


def summarized(rig: Rig) -> None:
    """Prove that nearly every first ring came with the caller's summary, and print the figures."""
    reader = RecordReader(rig.config.storage.url)
    try:
        found = summarize_transfers(reader.attempts_since(None))
    finally:
        reader.close()
    print("\n".join(transfer_lines(found)))
    assert found.two_way is not None and found.music is not None
    assert found.first_rings > COUNT / 2
    assert found.summarized >= 0.95 * found.first_rings


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
    print(tally)
    assert not tally.wrong, "\n".join(tally.wrong) + rig.log()
    assert tally.done == COUNT and len(tally.results) >= 3
    summarized(rig)
    await rig.wait_ready()
    await rig.level(15)
