from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.edge.trunks.carrier import Carrier
from tests.harness.front_caller import SDP, TlsCaller, credentials
from tests.harness.fronted import TRUNK_ADDRESS, FrontedService
from tests.harness.outside_sip import Dialled, OutsideDialog, sdp_audio
from tests.sip_matrix.tones import CALLER_HZ, ToneCaller, purity

pytestmark = pytest.mark.integration

SIX = "::1"
TRUNKS = """\
  six: {servers: "[::1]:@PORT@", numbers: {outbound: as_is}, qualify: {interval_s: 0}}
  pbx: {digest: {username: pbx1, password: correct horse, accept_register: true},
        numbers: {outbound: as_is}}
"""
DIALPLAN = """\
  - {match: {called: "6000"}, number: "6000", trunk: six}
  - {match: {called: "7001"}, number: "7001", trunk: pbx}
  - announce: tone.wav
"""
TONE_HZ = 440
PURE = 0.9


@pytest.fixture(scope="module")
def far_end() -> Iterator[Carrier]:
    """A trunk that is reached over IPv6 alone."""
    made = Carrier(host=SIX, hz=TONE_HZ)
    yield made
    made.close()


@pytest.fixture(scope="module")
def fronted(far_end: Carrier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontedService]:
    """A service that listens on every address, its media configured for IPv4."""
    service = FrontedService(tmp_path_factory.mktemp("six"), 8, dialplan=DIALPLAN, address="::")
    text = service.config.read_text().replace(f"{TRUNK_ADDRESS}]", f'{TRUNK_ADDRESS}, "{SIX}"]')
    trunks = TRUNKS.replace("@PORT@", str(far_end.port))
    service.config.write_text(text.replace("agents:", trunks + "agents:"))
    with service.serving():
        yield service


def is_ours(contact: str, port: int, family: socket.AddressFamily) -> bool:
    """Say whether a Contact leads to an address of this machine, of that family, at a port."""
    found = re.search(r"@(\[[0-9a-f:]+\]|[0-9.]+):(\d+)", contact)
    assert found is not None, contact
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((found[1].strip("[]"), 0))
    return int(found[2]) == port


class Caller:
    """SIP and RTP of one caller.

    Args:
        port: of the service.
        address: of the caller, and of the service.
        number: to call.
    """

    def __init__(self, port: int, address: str, number: str) -> None:
        self.rtp = ToneCaller(address)
        self.address = address
        self.direction = "sendrecv"
        self.dialog = OutsideDialog(
            Dialled(address, port, number=number, local_address=address), self.sdp
        )

    def sdp(self) -> str:
        """Describe ourselves."""
        at = f"IN IP{6 if ':' in self.address else 4} {self.address}"
        return (
            f"v=0\r\no=six 1 {time.monotonic_ns()} {at}\r\ns=-\r\nc={at}\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtcp:{self.rtp.port + 1} {at}\r\na={self.direction}\r\n"
        )

    def offer(self) -> str:
        """Send an offer, first or later; return the answer's address."""
        answer = self.dialog.invite(15)
        assert answer.status == 200, answer.first_line
        assert "cordboard" not in answer.body
        address, port, _, _ = sdp_audio(answer.body)
        self.rtp.target = (address, port)
        return address

    def ask_for_offer(self) -> str:
        """Send INVITE without an offer, answer in the ACK; return the offer's address."""
        offer = self.dialog.invite(15, sdp="")
        assert offer.status == 200, offer.first_line
        assert "cordboard" not in offer.body
        address, port, _, _ = sdp_audio(offer.body)
        self.rtp.target = (address, port)
        return address

    def hears(self, hz: float) -> bool:
        """Say whether what comes now is a tone."""
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            since_ns = time.monotonic_ns()
            time.sleep(0.5)
            if purity(self.rtp.heard_since(since_ns), hz) > PURE:
                return True
        return False


@contextmanager
def calling(fronted: FrontedService, address: str, number: str) -> Iterator[Caller]:
    """Give a caller who hangs up at the end."""
    made = Caller(fronted.port, address, number)
    try:
        yield made
        assert made.dialog.bye().status == 200
    finally:
        made.rtp.close()
        made.dialog.close()
    fronted.wait_level()


def test_a_call_over_ip6(fronted: FrontedService) -> None:
    """SIP and RTP on ::1: c=IN IP6 in the answer, our Contact of IPv6, and the tone is heard."""
    with calling(fronted, SIX, "100") as one:
        assert one.offer() == SIX
        assert is_ours(one.dialog.remote_target, fronted.port, socket.AF_INET6)
        assert any("[::1]" in each for each in one.dialog._route_set)
        assert one.hears(TONE_HZ)
        lines = fronted.log_text().splitlines()
        offered = [e for e in lines if '"call_offered"' in e and one.dialog.call_id in e]
        assert f'"source": "[::1]:{one.dialog.port}"' in offered[0]
        assert '"trunk": "carrier"' in offered[0]


def test_hold_and_move_over_ip6(fronted: FrontedService) -> None:
    """Hold is answered as such, silence follows; resumed on another port the tone is back."""
    with calling(fronted, SIX, "100") as one:
        one.offer()
        assert one.hears(TONE_HZ)
        one.direction = "sendonly"
        assert one.offer() == SIX
        time.sleep(0.3)
        since_ns = time.monotonic_ns()
        time.sleep(0.3)
        assert not one.rtp.packets_since(since_ns)
        one.direction = "sendrecv"
        one.rtp.move()
        assert one.offer() == SIX
        assert one.hears(TONE_HZ)


@pytest.mark.parametrize("address", [SIX, "127.0.0.1"])
def test_late_offers_over_ip6(fronted: FrontedService, far_end: Carrier, address: str) -> None:
    """Asked for an offer, first and later, we take audio where the ACK says; both tones go on."""
    with calling(fronted, address, "6000") as one:
        assert one.ask_for_offer() == address
        for _ in range(2):
            assert one.hears(TONE_HZ)
            assert far_end.hears(round(CALLER_HZ))
            one.rtp.sending = False  # media must go by what is written, not by where it hears from
            one.rtp.move()
            assert one.ask_for_offer() == address
            assert one.hears(TONE_HZ)
            one.rtp.sending = True
            assert far_end.hears(round(CALLER_HZ))


@pytest.mark.parametrize("address", [SIX, "127.0.0.1"])
def test_late_offers_of_the_far_end_over_ip6(
    fronted: FrontedService, far_end: Carrier, address: str
) -> None:
    """The same from the called side: its new port is in the ACK, and both tones go on."""
    with calling(fronted, address, "6000") as one:
        one.offer()
        for _ in range(2):
            assert "c=IN IP6 ::1" in far_end.ask_for_offer().body
            assert far_end.hears(round(CALLER_HZ))
            assert one.hears(TONE_HZ)


def test_a_call_over_ip6_without_route_set(fronted: FrontedService) -> None:
    """BYE by Contact alone finds the worker over IPv6, too."""
    with calling(fronted, SIX, "100") as one:
        assert one.offer() == SIX
        assert one.dialog._route_set
        one.dialog._route_set = []
        sip_call_id = one.dialog.call_id
    assert fronted.record(sip_call_id)["reason"] == "caller_hangup"


def test_ip4_is_as_before(fronted: FrontedService) -> None:
    """A caller over IPv4 of the same service gets addresses of IPv4."""
    with calling(fronted, "127.0.0.1", "100") as one:
        assert one.offer() == "127.0.0.1"
        assert is_ours(one.dialog.remote_target, fronted.port, socket.AF_INET)
        assert one.hears(TONE_HZ)


@pytest.mark.parametrize("address", [SIX, "127.0.0.1"])
def test_a_call_out_over_ip6(fronted: FrontedService, far_end: Carrier, address: str) -> None:
    """Both tones are heard at the other end, from a caller of either family."""
    before = len(far_end.seen("INVITE"))
    far_end.heard.clear()
    with calling(fronted, address, "6000") as one:
        assert one.offer() == address
        invite = far_end.wait("INVITE", before + 1)
        assert "c=IN IP6 ::1" in invite.body
        assert "cordboard" not in invite.body
        assert is_ours(invite.header("contact"), fronted.port, socket.AF_INET6)
        assert f"]:{fronted.port}" in invite.header("via")
        assert one.hears(TONE_HZ)
        assert far_end.tone_heard(round(CALLER_HZ))
    far_end.wait("BYE", len(far_end.seen("INVITE")))


@pytest.mark.parametrize("address", [SIX, "127.0.0.1"])
def test_a_switchboard_that_registered_over_ip6_is_called(
    fronted: FrontedService, address: str
) -> None:
    """The dial plan reaches it where it registered from, with audio of that family."""
    pbx = Carrier(host=SIX, hz=TONE_HZ)
    try:
        uri, contact = f"sip:pbx1@[::1]:{fronted.port}", f"Contact: <sip:pbx1@[::1]:{pbx.port}>"
        challenge = pbx.ask("REGISTER", uri, fronted.port, contact, "Expires: 60")
        proof = credentials(challenge, "REGISTER", uri, "pbx1", "correct horse").rstrip()
        answer = pbx.ask("REGISTER", uri, fronted.port, contact, "Expires: 60", proof)
        assert answer.status == 200, answer
        with calling(fronted, address, "7001") as one:
            assert one.offer() == address
            invite = pbx.wait("INVITE")
            assert "c=IN IP6 ::1" in invite.body
            assert is_ours(invite.header("contact"), fronted.port, socket.AF_INET6)
            assert one.hears(TONE_HZ)
            assert pbx.hears(round(CALLER_HZ))
        pbx.wait("BYE")
    finally:
        pbx.close()


def test_the_far_end_ends_a_call_over_ip6(fronted: FrontedService, far_end: Carrier) -> None:
    """Its BYE finds the worker, and the caller is told."""
    one = Caller(fronted.port, SIX, "6000")
    try:
        one.offer()
        far_end.hang_up()
        assert one.dialog.wait_for(lambda each: each.method == "BYE", 5)
    finally:
        one.rtp.close()
        one.dialog.close()
    fronted.wait_level()


def test_a_call_over_tcp_and_ip6(fronted: FrontedService) -> None:
    """INVITE over TCP on ::1 is answered with IPv6."""
    with socket.create_connection((SIX, fronted.port), 5) as stream:
        stream.settimeout(10)
        own = f"[::1]:{stream.getsockname()[1]}"
        sdp = (
            "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\n"
            "m=audio 31696 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        target = f"sip:100@[::1]:{fronted.port};transport=tcp"

        def send(method: str, uri: str, to: str, number: int, text: str = "") -> None:
            lines = [
                f"{method} {uri} SIP/2.0",
                f"Via: SIP/2.0/TCP {own};branch=z9hG4bK{method}{number};rport",
                "Max-Forwards: 70",
                f"From: <sip:six@{own}>;tag=six",
                f"To: {to}",
                f"Call-ID: tcp-six-{own}",
                f"CSeq: {number} {method}",
                f"Contact: <sip:six@{own};transport=tcp>",
                *(["Content-Type: application/sdp"] if text else []),
                f"Content-Length: {len(text)}",
            ]
            stream.sendall(("\r\n".join(lines) + "\r\n\r\n" + text).encode())

        send("INVITE", target, f"<{target}>", 1, sdp)
        heard = ""
        while not re.search(r"SIP/2.0 200 .*m=audio", heard, re.DOTALL):
            heard += stream.recv(65_535).decode()
        answer = heard[heard.index("SIP/2.0 200") :]
        assert "c=IN IP6 ::1" in answer
        to = re.search(r"^To: (.*)\r", answer, re.MULTILINE)
        contact = re.search(r"^Contact: <([^>]+)>", answer, re.MULTILINE)
        assert to
        assert contact
        send("ACK", contact[1], to[1], 1)
        send("BYE", contact[1], to[1], 2)
        heard = ""
        while "2 BYE" not in heard:
            heard += stream.recv(65_535).decode()
        assert "SIP/2.0 200" in heard
    fronted.wait_level()


@pytest.mark.parametrize("family", ["IP4 127.0.0.1", "IP6 ::1"])
def test_a_call_over_tls_and_ip6(fronted: FrontedService, family: str) -> None:
    """Over TLS on ::1; the audio is of the family that the offer has, whatever SIP travels on."""
    authority = str(fronted.folder / "cert.pem")
    caller = TlsCaller(fronted.tls_port, authority, ssl.TLSVersion.TLSv1_3, SIX)
    try:
        answer = caller.call(SDP.replace("IP4 127.0.0.1", family))
        assert answer.status == 200
        assert f"c=IN {family}" in answer.body
        assert caller.hang_up().status == 200
    finally:
        caller.close()
    fronted.wait_level()
