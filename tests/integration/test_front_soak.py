from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.fronted import FrontedService

CALLS = 2_000
SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="short call">
<send retrans="500"><![CDATA[INVITE sip:100@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:100@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 28198 RTP/AVP 0
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<pause milliseconds="300"/>
<send retrans="500"><![CDATA[BYE [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


def _run(folder: Path, port: int, calls: int) -> subprocess.CompletedProcess[str]:
    (folder / "short.xml").write_text(SCENARIO)
    command = ["sipp", f"127.0.0.1:{port}", "-sf", "short.xml", "-m", str(calls), "-l", "9"]
    command += ["-r", "12", "-i", "127.0.0.1", "-p", "28197", "-nostdin", "-timeout", "600s"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=700)


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_all_slots_are_level_after_three_hundred_calls(tmp_path: Path) -> None:
    """Nine at once, one after the other: each is answered and none leaves anything behind."""
    _calls_leave_nothing(tmp_path, 300)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_all_slots_are_level_after_two_thousand_calls(tmp_path: Path) -> None:
    """The same for 2,000, and the memory of the workers and of Kamailio stays where it was."""
    _calls_leave_nothing(tmp_path, CALLS)


def _calls_leave_nothing(folder: Path, calls: int) -> None:
    service = FrontedService(folder)
    service.start()
    try:
        assert _run(folder, service.port, 60).returncode == 0
        before = _resident_mb(service)
        done = _run(folder, service.port, calls)
        assert done.returncode == 0, done.stdout[-3_000:] + service.log_tail()
        service.wait_level()
        after = _resident_mb(service)
        assert after < before * 1.1 + 30, (before, after)
        assert all(each["starts"] == 1 for each in service.status()["workers"])
    finally:
        assert service.stop() == 0, service.log_tail()


def _resident_mb(service: FrontedService) -> float:
    total = 0
    for pid in service.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20
