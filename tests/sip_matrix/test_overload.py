from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.edge.ua.ua_peer import Peer
from tests.harness.service import ROOT
from tests.sip_matrix.changes import ChangingCall

pytestmark = pytest.mark.integration

LINES_LEFT = 2
"""Of three lines one is taken by the call that must not suffer."""
HOLD_MS = 1_000
RATE = 3 * LINES_LEFT
"""Calls a second, three times what two lines of one second each can take."""
SECONDS = 6
CARRIER = "trunks: {carrier: {sources: [127.0.0.1]}}\n"
"""Every call of a trunk has its record, however many are refused."""
OPTIONS_P99_MS = 250.0
"""For a machine of two cores that runs other things too; the figure itself is printed."""


def test_three_times_the_load_hurts_no_call_in_progress(tmp_path: Path) -> None:
    """Excess calls get 503 with Retry-After, OPTIONS is answered, a call's audio has no hole."""
    program = shutil.which("sipp")
    assert program, "sipp is not installed: apt-get install sip-tester"
    call = ChangingCall(tmp_path, (31_048, 31_049), play_s=30, more=CARRIER)
    try:
        call.invite()
        call.check_both_ways()
        began_ns = time.monotonic_ns()
        scenario = ROOT / "sip-configs" / "sipp" / "uac_overload.xml"
        command = [program, call.service.target, "-sf", str(scenario), "-r", str(RATE)]
        command += ["-m", str(RATE * SECONDS), "-i", "127.0.0.1", "-p", "31190", "-mp", "31192"]
        command += ["-d", str(HOLD_MS), "-nostdin", "-timeout", "30s", "-timeout_error"]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as sipp:
            options_ms = _ask_meanwhile(call.service.port, sipp)
            output = sipp.stdout.read().decode() if sipp.stdout else ""
        assert sipp.returncode == 0, output[-2_000:]
        packets = call.rtp.packets_since(began_ns)
        call.check_both_ways()
        call.hang_up()
        ends = Counter(each["sip_status"] for each in call.service.records())
    finally:
        call.close()
    lost = _missing([each[2] for each in packets])
    p99_ms = statistics.quantiles(options_ms, n=100)[98]
    print(
        f"{RATE} calls/s for {SECONDS} s on {LINES_LEFT} lines: {ends[200] - 1} served, "
        f"{ends[503]} refused; OPTIONS p99 {p99_ms:.1f} ms, median "
        f"{statistics.median(options_ms):.1f} ms of {len(options_ms)}; "
        f"call in progress: {len(packets)} packets, {lost} lost"
    )
    assert ends[503] >= 1
    assert ends[200] - 1 >= 1
    assert ends[200] - 1 + ends[503] == RATE * SECONDS
    assert lost == 0
    assert p99_ms < OPTIONS_P99_MS


def _ask_meanwhile(port: int, sipp: subprocess.Popen[bytes]) -> list[float]:
    asking = Peer(port)
    found: list[float] = []
    try:
        while sipp.poll() is None:
            began = time.monotonic()
            asking.request("OPTIONS", dialog=False)
            assert asking.response(None).status == 200
            found.append((time.monotonic() - began) * 1_000)
            time.sleep(0.03)
    finally:
        asking.close()
    return found


def _missing(sequences: list[int]) -> int:
    steps = [(b - a) & 0xFFFF for a, b in zip(sequences, sequences[1:], strict=False)]
    return sum(step - 1 for step in steps if 0 < step < 1_000)
