from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge.ua.ua_peer import Peer
from tests.harness.service import ROOT
from tests.sip_matrix.changes import ChangingCall

pytestmark = pytest.mark.integration

LINES_LEFT = 2
"""Of three lines one is taken by the call that must not suffer."""
HOLD_MS = 1_000
PER_SECOND = 2
"""Calls a second that the trunk may bring."""
BRIEF_MS = 200
"""So brief that never more than two are there at once: lines are not what is short."""
RATE = 3 * LINES_LEFT
"""Calls a second: three times what two lines of one second each take, or the trunk may bring."""
SECONDS = 6
CARRIER = "trunks: {carrier: {sources: [127.0.0.1]}}\n"
"""Every call of a trunk has its record, however many are refused."""
LIMITED = (
    "trunks: {carrier: {sources: [127.0.0.1], "
    f"limits: {{calls_per_second: {PER_SECOND}}}, full: {{status: 486}}}}}}\n"
)
OPTIONS_P99_MS = 250.0
"""For a machine of two cores that runs other things too; the figure itself is printed."""


@dataclass(frozen=True, slots=True)
class Flooded:
    """What a flood of calls did."""

    ends: Counter[int]
    """Calls of the flood by final status."""
    length_s: float
    options_ms: list[float]
    packets: int
    """That the call in progress got meanwhile."""
    lost: int

    def check(self, refused: int, what: str) -> None:
        """Print the figures; prove that every call was served or refused, and nobody suffered."""
        p99_ms = statistics.quantiles(self.options_ms, n=100)[98]
        print(
            f"{RATE} calls/s for {self.length_s:.1f} s on {what}: {self.ends[200]} served, "
            f"{self.ends[refused]} refused with {refused}; OPTIONS p99 {p99_ms:.1f} ms, median "
            f"{statistics.median(self.options_ms):.1f} ms of {len(self.options_ms)}; "
            f"call in progress: {self.packets} packets, {self.lost} lost"
        )
        assert self.ends[refused] >= 1
        assert self.ends[200] >= 1
        assert self.ends[200] + self.ends[refused] == RATE * SECONDS
        assert self.lost == 0
        assert p99_ms < OPTIONS_P99_MS


def test_three_times_the_load_hurts_no_call_in_progress(tmp_path: Path) -> None:
    """Excess calls get 503 with Retry-After, OPTIONS is answered, a call's audio has no hole."""
    _flood(tmp_path, CARRIER, HOLD_MS).check(503, f"{LINES_LEFT} lines")


def test_three_times_the_calls_per_second_are_refused_as_the_trunk_wants(tmp_path: Path) -> None:
    """What is above the trunk's rate gets its ``full`` status, and the call's audio has no hole."""
    flooded = _flood(tmp_path, LIMITED, BRIEF_MS)
    flooded.check(486, f"a trunk of {PER_SECOND} calls/s")
    # the trunk's bucket holds one second's worth of calls at the beginning
    assert flooded.ends[200] <= PER_SECOND * (flooded.length_s + 1)


def _flood(folder: Path, trunks: str, hold_ms: int) -> Flooded:
    program = shutil.which("sipp")
    assert program, "sipp is not installed: apt-get install sip-tester"
    call = ChangingCall(folder, (31_048, 31_049), play_s=30, more=trunks)
    try:
        call.invite()
        call.check_both_ways()
        began_ns = time.monotonic_ns()
        scenario = ROOT / "sip-configs" / "sipp" / "uac_overload.xml"
        command = [program, call.service.target, "-sf", str(scenario), "-r", str(RATE)]
        command += ["-m", str(RATE * SECONDS), "-i", "127.0.0.1", "-p", "31190", "-mp", "31192"]
        command += ["-d", str(hold_ms), "-nostdin", "-timeout", "30s", "-timeout_error"]
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as sipp:
            options_ms = _ask_meanwhile(call.service.port, sipp)
            output = sipp.stdout.read().decode() if sipp.stdout else ""
        length_s = (time.monotonic_ns() - began_ns) / 1e9
        assert sipp.returncode == 0, output[-2_000:]
        packets = call.rtp.packets_since(began_ns)
        call.check_both_ways()
        call.hang_up()
        ends = Counter(each["sip_status"] for each in call.service.records())
    finally:
        call.close()
    ends[200] -= 1  # the call in progress
    lost = _missing([each[2] for each in packets])
    return Flooded(ends, length_s, options_ms, len(packets), lost)


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
