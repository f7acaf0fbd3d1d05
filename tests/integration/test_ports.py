from __future__ import annotations

import os
import time

import pytest

from tests.harness.capture import Capture
from tests.harness.outside_sip import sdp_audio
from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="a packet capture needs root"),
]


def test_no_packet_leaves_from_a_port_that_no_sdp_names(service: Service, phones: Dial) -> None:
    """Answer, speech, hold, resume, BYE: only SIP and the advertised RTP and RTCP ports send."""
    own_ports: set[int] = set()
    with Capture() as capture:
        phone = phones(service)
        answer = phone.call()
        assert answer.status == 200
        rtp_port = sdp_audio(answer.body)[1]
        own_ports |= service.udp_ports()
        assert phone.wait_quiet()
        phone.say(speech("Hello?"))
        held = phone.reinvite("sendonly")
        own_ports |= service.udp_ports()
        time.sleep(6)  # RTCP is due every 5 s (RFC 3550 section 6.2)
        resumed = phone.reinvite("sendrecv")
        own_ports |= service.udp_ports()
        time.sleep(1)
        phone.hang_up()
        time.sleep(0.5)
    for each in (held, resumed):
        assert sdp_audio(each.body)[1] == rtp_port
    advertised = {service.port, rtp_port, rtp_port + 1}
    sent = {each.source[1] for each in capture.datagrams if each.source[1] in own_ports}
    assert rtp_port in sent, "the capture saw no RTP: it proves nothing"
    assert sent <= advertised, f"sent from {sent - advertised}"
    at_phone = {phone.rtp_port, phone.rtp_port + 1}
    arrived = {each.source[1] for each in capture.datagrams if each.target[1] in at_phone}
    assert arrived <= {rtp_port, rtp_port + 1}
