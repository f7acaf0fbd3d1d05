from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.edge.trunks.caller import HeaderDialog
from tests.edge.trunks.carrier import Carrier
from tests.harness.front_caller import SDP, credentials, many
from tests.harness.fronted import TRUNK_ADDRESS, FrontedService
from tests.harness.outside_sip import Dialled, SipMessage

pytestmark = pytest.mark.integration

PASSWORD = "correct horse"
PROVIDER = "127.0.0.60"
TRUNKS = """\
  pbx: {digest: {username: pbx1, password: correct horse, accept_register: true},
        numbers: {outbound: as_is}, full: {status: 480}, limits: {calls: 3}}
  roaming: {digest: {username: roamer, password: open sesame}, session_timers: {expires_s: 700}}
  timed: {sources: 127.0.0.61, session_timers: {expires_s: 600, min_s: 300, refresher: uas}}
  bare: {sources: 127.0.0.62, session_timers: {mode: "off"}, rel100: required}
  provider: {register: {username: "4930555", password: cord, domain: provider.example},
             servers: "127.0.0.60:@PORT@", numbers: {outbound: as_is}, qualify: {interval_s: 1}}
"""
DIALPLAN = """\
  - {match: {called: "7001", trunk: carrier}, number: "7001", trunk: pbx}
  - {match: {called: "8001", trunk: carrier}, number: "8001", trunk: provider}
  - {match: {trunk: pbx}, announce: tone.wav}
  - {match: {trunk: roaming}, announce: tone.wav}
  - {match: {trunk: timed}, announce: tone.wav}
  - {match: {trunk: provider, called: "4930555"}, announce: tone.wav}
  - reject: 604
"""


TIMED = "Supported: timer", "Session-Expires: 3600"


@pytest.fixture(scope="module")
def provider() -> Iterator[Carrier]:
    """A carrier at which we register."""
    made = Carrier(host=PROVIDER, user="4930555", password="cord")
    yield made
    made.close()


@pytest.fixture(scope="module")
def fronted(
    provider: Carrier, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontedService]:
    """A service whose trunks prove themselves, or register, in either direction."""
    folder = tmp_path_factory.mktemp("trunks")
    service = FrontedService(folder, 8, dialplan=DIALPLAN)
    text = service.config.read_text().replace("[127.0.0.1, 127.0.0.7]", f"[{TRUNK_ADDRESS}]")
    trunks = TRUNKS.replace("@PORT@", str(provider.port))
    service.config.write_text(text.replace("agents:", trunks + "agents:"))
    with service.serving():
        yield service


@pytest.fixture
def pbx(fronted: FrontedService) -> Iterator[Carrier]:
    """A switchboard that is not registered yet, and is taken off at the end."""
    made = Carrier()
    yield made
    register(made, fronted, expires_s=0)
    made.close()
    fronted.wait_level()


def register(pbx: Carrier, fronted: FrontedService, expires_s: int = 120) -> SipMessage:
    """Register the switchboard with its password."""
    uri = f"sip:pbx1@127.0.0.1:{fronted.port}"
    contact = f"Contact: <sip:pbx1@127.0.0.1:{pbx.port}>", f"Expires: {expires_s}"
    challenge = pbx.ask("REGISTER", uri, fronted.port, *contact)
    assert challenge.status == 401
    proof = credentials(challenge, "REGISTER", uri, "pbx1", PASSWORD).rstrip()
    return pbx.ask("REGISTER", uri, fronted.port, *contact, proof)


def call(pbx: Carrier, fronted: FrontedService, number: str, *more: str) -> SipMessage:
    """Call from the switchboard's own port, and hang up at once if somebody answers."""
    uri = f"sip:{number}@127.0.0.1:{fronted.port}"
    own = f"Contact: <sip:pbx1@127.0.0.1:{pbx.port}>"
    answer = pbx.ask("INVITE", uri, fronted.port, own, *more, body=SDP)
    head = [f"Call-ID: {answer.header('call-id')}", f"From: {answer.header('from')}"]
    head += [f"To: {answer.header('to')}", "Max-Forwards: 70"]
    via = f"Via: SIP/2.0/UDP 127.0.0.1:{pbx.port};rport;branch="
    target = re.search(r"<([^>]+)>", answer.header("contact"))
    if answer.status == 200 and target is not None:
        for cseq, method in ((1, "ACK"), (2, "BYE")):
            first = f"{method} {target[1]} SIP/2.0"
            lines = [first, f"{via}z9hG4bK{method}{time.monotonic_ns()}", f"CSeq: {cseq} {method}"]
            pbx._send(lines + head, ("127.0.0.1", fronted.port))
            time.sleep(0.2)
    return answer


def record_of(fronted: FrontedService, answer: SipMessage) -> str:
    """Return the log line of a call that was taken."""
    lines = fronted.log_text().splitlines()
    call_id = answer.header("call-id")
    return next((e for e in lines if '"call_offered"' in e and call_id in e), "")


def test_a_switchboard_registers_and_its_calls_are_known_without_a_password(
    fronted: FrontedService, pbx: Carrier
) -> None:
    """From where it registered it is the trunk, whatever number it shows."""
    assert register(pbx, fronted).status == 200
    answer = call(pbx, fronted, "5551")
    assert answer.status == 200
    assert '"trunk": "pbx"' in record_of(fronted, answer)
    assert "trunk_registered source=127.0.0.1 user=pbx1 seconds=120" in fronted.log_text()


def test_a_call_goes_out_to_where_the_switchboard_is(fronted: FrontedService, pbx: Carrier) -> None:
    """The Request-URI has the number and the registered contact's host; a new place replaces it."""
    assert register(pbx, fronted).status == 200
    with many(1, fronted.port) as (one,):
        one.dialled.number = "7001"
        assert one.invite(15).status == 200
        invite = pbx.wait("INVITE")
        assert invite.first_line.startswith(f"INVITE sip:7001@127.0.0.1:{pbx.port}")
        assert not invite.header("x-cordboard-registered")
        assert not invite.header("route")
        assert one.bye().status == 200
        one.remote_tag = ""
        pbx.wait("BYE")
    moved = Carrier()
    try:
        assert register(moved, fronted).status == 200
        with many(1, fronted.port) as (two,):
            two.dialled.number = "7001"
            assert two.invite(15).status == 200
            moved.wait("INVITE")
            assert len(pbx.seen("INVITE")) == 1
        assert call(pbx, fronted, "5551").status == 407
    finally:
        register(moved, fronted, expires_s=0)
        moved.close()


def test_a_switchboard_that_has_gone_is_not_called_and_not_known(
    fronted: FrontedService, pbx: Carrier
) -> None:
    """After it has taken its registration back: 480 to callers, and its own calls must prove."""
    assert register(pbx, fronted).status == 200
    assert register(pbx, fronted, expires_s=0).status == 200
    with many(1, fronted.port) as (one,):
        one.dialled.number = "7001"
        assert one.invite(15).status == 480
    assert call(pbx, fronted, "5551").status == 407
    assert not pbx.seen("INVITE")


def test_a_trunk_with_a_password_is_let_in_from_anywhere_and_nobody_else(
    fronted: FrontedService,
) -> None:
    """407, then the call with the right password; a wrong one gets 403 and becomes no call."""
    roamer = Carrier()
    try:
        uri = f"sip:5552@127.0.0.1:{fronted.port}"
        challenge = call(roamer, fronted, "5552")
        assert challenge.status == 407
        right = credentials(challenge, "INVITE", uri, "roamer", "open sesame").rstrip()
        answer = call(roamer, fronted, "5552", right, *TIMED)
        assert answer.status == 200
        assert '"trunk": "roaming"' in record_of(fronted, answer)
        assert answer.header("session-expires") == "700;refresher=uac"
        challenge = call(roamer, fronted, "5552")
        wrong = credentials(challenge, "INVITE", uri, "roamer", "open window").rstrip()
        refused = call(roamer, fronted, "5552", wrong)
        assert refused.status == 403
        assert not record_of(fronted, refused)
        assert "password_wrong source=127.0.0.1 user=roamer method=INVITE" in fronted.log_text()
    finally:
        roamer.close()
    fronted.wait_level()


@contextmanager
def timed(fronted: FrontedService, address: str, *headers: str) -> Iterator[SipMessage]:
    """Call with headers and give the answer; who was answered hangs up at the end."""
    dialled = Dialled("127.0.0.1", fronted.port, local_address=address)
    dialog = HeaderDialog(dialled, lambda: SDP)
    dialog.more = headers
    try:
        yield dialog.invite(15)
    finally:
        if dialog.ok_ns:
            dialog.bye()
        dialog.close()


def test_each_trunk_has_its_own_timers_and_extensions(fronted: FrontedService) -> None:
    """Every worker goes by where a call really came from, not by the front's own address."""
    with ExitStack() as calls:
        for _ in range(4):  # more than one worker takes
            answer = calls.enter_context(timed(fronted, "127.0.0.61", *TIMED))
            assert answer.header("session-expires") == "600;refresher=uas", answer.status
        assert sum(1 for each in fronted.legs() if each) > 1
        short = "Supported: timer", "Session-Expires: 200"
        answer = calls.enter_context(timed(fronted, "127.0.0.61", *short))
        assert (answer.status, answer.header("min-se")) == (422, "300")
        answer = calls.enter_context(timed(fronted, "127.0.0.62", *TIMED))
        assert (answer.status, answer.header("require")) == (421, "100rel")
    fronted.wait_level()


def test_we_register_and_are_called_through_the_front(
    fronted: FrontedService, provider: Carrier
) -> None:
    """REGISTER and OPTIONS leave from the front's port; calls to our contact reach the number."""
    asked = provider.wait("REGISTER", 2, timeout_s=15)
    assert f"127.0.0.1:{fronted.port};" in asked.header("via")
    assert f"127.0.0.1:{fronted.port};" in provider.wait("OPTIONS", timeout_s=15).header("via")
    assert asked.first_line == "REGISTER sip:provider.example SIP/2.0"
    contact = re.search(r"<(sip:w\d+-4930555@[^>]+;line=[0-9a-f]+)>", asked.header("contact"))
    assert contact, asked.header("contact")
    own = f"Contact: <sip:provider@{PROVIDER}:{provider.port}>"
    answer = provider.ask("INVITE", contact[1], fronted.port, own, body=SDP)
    assert answer.status == 200, fronted.log_tail()
    assert '"trunk": "provider"' in record_of(fronted, answer)
    fronted.wait(lambda status: len(status["calls"]) == 1)
    target = re.search(r"<([^>]+)>", answer.header("contact"))
    assert target is not None
    ack = [
        f"ACK {target[1]} SIP/2.0",
        f"Via: SIP/2.0/UDP {PROVIDER}:{provider.port};branch=z9hG4bKack",
        f"From: {answer.header('from')}",
        f"To: {answer.header('to')}",
        f"Call-ID: {answer.header('call-id')}",
    ]
    provider._send([*ack, "CSeq: 1 ACK"], ("127.0.0.1", fronted.port))
    time.sleep(0.2)
    bye = [line.replace("ACK ", "BYE ", 1).replace("bKack", "bKbye") for line in ack]
    provider._send([*bye, "CSeq: 2 BYE"], ("127.0.0.1", fronted.port))
    fronted.wait_level()


def test_a_call_with_credentials_leaves_through_the_front(
    fronted: FrontedService, provider: Carrier
) -> None:
    """With credentials after a challenge, from the front's port and back through it."""
    with many(1, fronted.port) as (one,):
        one.dialled.number = "8001"
        assert one.invite(15).status == 200, fronted.log_tail()
        invites = provider.seen("INVITE")
        assert all(f"127.0.0.1:{fronted.port};" in each.header("via") for each in invites)
        assert all(
            f"<sip:127.0.0.1:{fronted.port};" in each.header("record-route") for each in invites
        )
        provider.hang_up()
        assert one.wait_for(lambda each: each.method == "BYE", 5)
        one.remote_tag = ""
    fronted.wait_level()


def test_a_stranger_gets_nowhere(fronted: FrontedService) -> None:
    """Neither a made-up identity nor a guessed line token makes a caller known."""
    stranger = Carrier()
    try:
        forged = "X-Cordboard-Identity: trunk:pbx", "X-Cordboard-Source: 127.0.0.7:5060"
        assert call(stranger, fronted, "5551", *forged).status == 407
        assert call(stranger, fronted, "w0-4930555").status == 407
        assert call(stranger, fronted, "4930555;line=00c0ffee0000").status == 403
    finally:
        stranger.close()
