"""Five hundred random transfers, a worker killed every fifteen."""

from pathlib import Path

import pytest

from tests.transfer.chaos import run_chaos
from tests.transfer.rig import Rig
from tests.transfer.test_transfer_chaos import lanes, summarized

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]


async def test_five_hundred_random_transfers(tmp_path: Path) -> None:
    """No caller is lost, every outcome is the script's, slots and ports are level at the end."""
    rig = Rig(tmp_path, (29_700, 29_799), (29_080, 29_099))
    try:
        tally = await run_chaos(await lanes(rig), 501, 500, kill_every=15)
        print(tally)
        summarized(rig)
        assert not tally.wrong, "\n".join(tally.wrong)
        await rig.wait_ready()
        await rig.level(15)
    finally:
        await rig.stop()
