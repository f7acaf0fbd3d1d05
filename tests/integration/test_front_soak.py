from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.front_load import resident_mb, short_calls
from tests.harness.fronted import FrontedService

pytestmark = pytest.mark.soak

CALLS = 2_000


@pytest.mark.timeout(900)
def test_all_slots_are_level_after_two_thousand_calls(tmp_path: Path) -> None:
    """Each is answered; no slot, no worker and no memory is lost to any of them."""
    service = FrontedService(tmp_path)
    service.start()
    try:
        assert short_calls(tmp_path, service.port, 100).returncode == 0
        before = resident_mb(service)
        done = short_calls(tmp_path, service.port, CALLS)
        assert done.returncode == 0, done.stdout[-3_000:] + service.log_tail()
        service.wait_level()
        after = resident_mb(service)
        print(f"resident: {before:.0f} MB after 100 calls, {after:.0f} MB after {CALLS} more")
        assert after < before * 1.1 + 30, (before, after)
        assert all(each["starts"] == 1 for each in service.status()["workers"])
    finally:
        assert service.stop() == 0, service.log_tail()
