"""Short calls in great number through the front, by SIPp."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.harness.fronted import FrontedService

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


def short_calls(folder: Path, port: int, calls: int) -> subprocess.CompletedProcess[str]:
    """Place calls of 0.3 s, nine at once; exit code 0 means that each went as written."""
    (folder / "short.xml").write_text(SCENARIO)
    command = ["sipp", f"127.0.0.1:{port}", "-sf", "short.xml", "-m", str(calls), "-l", "9"]
    command += ["-r", "12", "-i", "127.0.0.1", "-p", "28197", "-nostdin", "-timeout", "600s"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=700)


def resident_mb(service: FrontedService) -> float:
    """Return the memory that all processes of the service hold."""
    total = 0
    for pid in service.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20
