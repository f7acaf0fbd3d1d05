from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from tests.harness.outside_sip import sdp_audio
from tests.harness.service import Service
from tests.harness.sipp import run_sipp
from tests.integration.conftest import Dial

pytestmark = pytest.mark.integration

SDP_HEAD = "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
CALL = """<?xml version="1.0"?><scenario name="call">
<send retrans="500"><![CDATA[
INVITE sip:100@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:100@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: sip:sipp@[local_ip]:[local_port]
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="100" optional="true"/><recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:100@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<pause milliseconds="500"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:100@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


@pytest.mark.parametrize(
    "media",
    [
        "m=video {port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "m=audio {port} RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n",
        "m=audio {port} RTP/AVP 97\r\na=rtpmap:97 nonsense/8000\r\n",
    ],
    ids=["no audio", "G.729 only", "unknown codec"],
)
def test_an_offer_that_cannot_be_met_is_488(service: Service, phones: Dial, media: str) -> None:
    """Not acceptable here, and the service goes on."""
    phone = phones(service, sdp=SDP_HEAD + media)
    assert phone.call().status == 488


def test_a_call_by_another_stack_works(service: Service, tmp_path: Path) -> None:
    """SIPp calls three times, one after the other, and hangs up."""
    done = run_sipp(tmp_path, CALL, f"{service.host}:{service.port}", calls=3)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]


def test_garbage_on_the_sip_port_is_survived(service: Service, phones: Dial) -> None:
    """Random bytes, truncated messages and lies about lengths; then a call is answered."""
    rng = random.Random(4_475)
    invite = phones(service).dialog._request(
        "INVITE", f"sip:100@{service.host}:{service.port}", 1, "z9hG4bKx", SDP_HEAD
    )
    pids = service.pids()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(300):
            sender.sendto(rng.randbytes(rng.randrange(1, 1_400)), (service.host, service.port))
        for cut in range(0, len(invite), 23):
            sender.sendto(invite[:cut].encode(), (service.host, service.port))
        for lie in ("-1", "999999999", "0", "abc"):
            text = invite.replace("Content-Length: ", f"Content-Length: {lie}")
            sender.sendto(text.encode(), (service.host, service.port))
    phone = phones(service)
    assert phone.call(10).status == 200
    assert phone.greeting_ms() is not None
    assert service.pids() == pids, "a process died of it"


def test_garbage_on_the_rtp_port_is_not_heard(service: Service, phones: Dial) -> None:
    """Foreign and malformed packets are counted; the greeting goes to the caller alone."""
    rng = random.Random(3_550)
    phone = phones(service)
    answer = phone.call()
    target = sdp_audio(answer.body)[:2]
    assert phone.greeting_ms() is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.settimeout(0.5)
        for _ in range(300):
            sender.sendto(rng.randbytes(rng.randrange(0, 400)), target)
            sender.sendto(b"\x80\x00" + rng.randbytes(10) + b"\x00" * 160, target)
            sender.sendto(rng.randbytes(60), (target[0], target[1] + 1))
        with pytest.raises(TimeoutError):
            sender.recv(2_048)
    assert phone.wait_quiet()
    phone.hang_up()
    record = service.record(phone.dialog.call_id)
    assert record["packets_foreign"] + record["packets_malformed"] >= 300
    assert record["packets_lost"] < 5
