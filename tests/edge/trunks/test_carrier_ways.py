from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge.trunks.caller import calling
from tests.edge.trunks.carrier import Carrier
from tests.edge.trunks.conftest import TCP_PORT
from tests.edge.trunks.exchange import Exchange
from tests.harness.sipp import run_sipp

pytestmark = pytest.mark.integration

INVITE = """<?xml version="1.0"?>
<scenario name="a carrier's call with session timer, PRACK not needed">
  <send retrans="500"><![CDATA[

    INVITE sip:+4930{number}@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: "Caller" <sip:030555@[local_ip]:[local_port]>;tag=[call_number]
    To: <sip:+4930{number}@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Max-Forwards: 70
    Supported: timer
    Session-Expires: 1800
    P-Asserted-Identity: "Caller" <sip:+4930555@carrier.example>
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=sipp 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 [media_ip]
    t=0 0
    m=audio [media_port] RTP/AVP 8 0 101
    a=rtpmap:101 telephone-event/8000

  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  {answer}
</scenario>
"""
ACK = """<send><![CDATA[

    ACK {uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: "Caller" <sip:030555@[local_ip]:[local_port]>;tag=[call_number]
    [last_To:]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Max-Forwards: 70
    Content-Length: 0

  ]]></send>"""
ANSWERED = (
    '<recv response="200" rrs="true"/>'
    + ACK.format(uri="[next_url]")
    + """<pause milliseconds="300"/>
  <send retrans="500"><![CDATA[

    BYE [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: "Caller" <sip:030555@[local_ip]:[local_port]>;tag=[call_number]
    [last_To:]
    Call-ID: [call_id]
    CSeq: 2 BYE
    Max-Forwards: 70
    Content-Length: 0

  ]]></send>
  <recv response="200"/>"""
)
REFUSED = '<recv response="{status}"/>' + ACK.format(uri="sip:x@[remote_ip]:[remote_port]")

StartSipp = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def sipp_carrier(tmp_path: Path) -> Iterator[StartSipp]:
    """Provide a starter of SIPp as a carrier that answers calls."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*more: str) -> subprocess.Popen[bytes]:
        program = shutil.which("sipp")
        assert program, "sipp is not installed: apt-get install sip-tester"
        command = [program, "-sn", "uas", "-i", "127.0.0.1", "-nostdin", *more]
        running.append(
            subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        time.sleep(0.5)
        return running[-1]

    yield start
    for each in running:
        each.kill()
        each.wait()


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("100", ANSWERED),
        ("400", ANSWERED),
        ("300", REFUSED.format(status=410)),
        ("999", REFUSED.format(status=404)),
    ],
)
def test_sipp_calls_in(exchange: Exchange, tmp_path: Path, number: str, answer: str) -> None:
    """A persona and a number are reached, a rejected and an unknown number get their codes."""
    scenario = INVITE.format(number=number, answer=answer)
    done = run_sipp(tmp_path, scenario, f"127.0.0.1:{exchange.port}", calls=2)
    assert done.returncode == 0, (tmp_path / "sipp_errors.log").read_text()


def test_a_carrier_over_tcp(exchange: Exchange, sipp_carrier: StartSipp) -> None:
    """The call goes out over a TCP connection to SIPp, is answered and ended there."""
    sipp = sipp_carrier("-t", "t1", "-p", str(TCP_PORT), "-m", "1", "-rtp_echo")
    with calling(exchange.port, "+4930900") as caller:
        assert caller.call().status == 200
    assert exchange.record(caller.dialog.call_id)["reason"] == "caller_hangup"
    assert sipp.wait(15) == 0


def test_a_trunk_that_wants_it_plain(exchange: Exchange, carrier: Carrier) -> None:
    """One codec, no telephone-event, session timer as configured; keys go by INFO."""
    with calling(exchange.port, "+4930800") as caller:
        assert caller.call().status == 200
        invite = carrier.wait("INVITE")
        assert "PCMA" in invite.body
        assert "PCMU" not in invite.body
        assert "telephone-event" not in invite.body
        assert invite.header("session-expires") == "120"
        assert invite.header("min-se") == "100"
        assert invite.header("require") == ""
        assert caller.dialog.in_dialog("INFO", "Signal=5\r\nDuration=160\r\n").status == 200
        deadline = time.monotonic() + 3
        while not carrier.seen("INFO") and time.monotonic() < deadline:
            time.sleep(0.02)
    info = [each.body for each in carrier.seen("INFO")]
    assert [each.split()[0] for each in info] == ["Signal=5"]


def test_keys_in_audio_reach_the_far_end_as_it_wants_them(
    exchange: Exchange, carrier: Carrier
) -> None:
    """An INFO of the caller becomes RFC 4733 where the far end has agreed on it."""
    with calling(exchange.port, "+4930400") as caller:
        assert caller.call().status == 200
        assert caller.dialog.in_dialog("INFO", "Signal=7\r\nDuration=160\r\n").status == 200
        deadline = time.monotonic() + 3
        while not carrier.digits and time.monotonic() < deadline:
            time.sleep(0.02)
    assert set(carrier.digits) == {7}


@pytest.mark.parametrize(("number", "source"), [("+4930901", "127.0.0.1"), ("100", "127.0.0.5")])
def test_a_trunk_that_requires_srtp_carries_nothing_in_the_clear(
    exchange: Exchange, carrier: Carrier, number: str, source: str
) -> None:
    """Out and in: 488; the INVITE that leaves asks for SRTP, a plain answer to it is no call."""
    with calling(exchange.port, number, source=source) as caller:
        answer = caller.call()
        assert answer.status == 488
    offers = [each.body for each in carrier.seen("INVITE")]
    assert all("RTP/SAVP" in each and "a=crypto:1" in each for each in offers)
    if source == "127.0.0.1":
        assert len(offers) == 1
        carrier.wait("BYE")
        assert not carrier.heard
    else:
        assert answer.header("warning")[:3] == "302"
        assert not offers
