from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.trunks.exchange import Exchange
from tests.edge.trunks.test_reload import plan, reload_under_load

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]


def test_a_thousand_reloads_under_calls(tmp_path: Path) -> None:
    """No call is lost, and the control process does not grow over the second half."""
    exchange = Exchange(tmp_path, plan(), rtp_ports=(30_850, 30_949))
    exchange.start()
    try:
        placed, memory = reload_under_load(exchange, 1_000)
    finally:
        exchange.stop()
    print(f"calls {placed}, memory kB {memory}")
    assert memory[-1] < memory[len(memory) // 2] * 1.03 + 1_000
