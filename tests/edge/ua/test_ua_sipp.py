from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ua_peer import ROOT, WorkerProcess

from edge.ua.messages import UaAnswer, UaDisconnected, UaHeartbeat, UaInvite, UaRinging, UaSettings

pytestmark = pytest.mark.integration

PORT = 21_400


@pytest.fixture
def own_worker() -> Iterator[WorkerProcess]:
    """A worker for one test only."""
    worker = WorkerProcess(UaSettings(address="127.0.0.1", udp_port=PORT, tcp_port=PORT))
    worker.ready()
    yield worker
    worker.stop()


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_flood_is_served_or_refused(
    own_worker: WorkerProcess, transport: str, tmp_path: Path
) -> None:
    """150 SIPp calls at 60 a second end in 200 or in 503 with Retry-After; all slots come back."""
    worker = own_worker
    scenario = ROOT / "sip-configs/sipp/uac_flood.xml"
    command = ["sipp", f"127.0.0.1:{PORT}", "-sf", str(scenario), "-t", transport, "-nostdin"]
    command += ["-i", "127.0.0.1", "-p", str(PORT + 10), "-mp", "21450", "-r", "60", "-m", "150"]
    command += ["-timeout", "30s", "-timeout_error"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as sipp:
        served = 0
        deadline = time.monotonic() + 40
        while sipp.poll() is None and time.monotonic() < deadline:
            worker.pump(0.005)
            for message in worker.pending:
                if isinstance(message, UaInvite):
                    served += 1
                    worker.send(UaRinging(message.leg))
                    worker.send(UaAnswer(message.leg, "127.0.0.1", 21_480))
            worker.pending.clear()
        output = sipp.stdout.read().decode() if sipp.stdout else ""
    assert sipp.returncode == 0, output[-3_000:]
    time.sleep(0.3)
    worker.pending.clear()
    heartbeat = worker.wait(UaHeartbeat)
    assert heartbeat.legs == 0
    assert served >= 10
    assert heartbeat.refused >= 1
    assert served + heartbeat.refused == 150
    assert sum(isinstance(each, UaDisconnected) for each in worker.seen) == served
    assert worker.stop()[0] == 0
