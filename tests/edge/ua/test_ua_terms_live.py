"""One worker, callers of several trunks: pjsua2 takes each call on its own trunk's terms."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from ua_peer import Peer, SipMessage, WorkerProcess, offer

from edge.ua.messages import (
    UaAnswer,
    UaCommandFailed,
    UaConfirmed,
    UaDial,
    UaDisconnected,
    UaHangup,
    UaHold,
    UaInvite,
    UaRefused,
    UaRegister,
    UaRegistration,
    UaRinging,
    UaSettings,
)
from edge.ua.terms import Terms, TrunkTerms, UaTerms
from media.config.trunks import OnOff, Refresher

pytestmark = pytest.mark.integration

PORT = 21_130
STRICT, OFF, PATIENT, OTHER = (f"127.0.0.{each}" for each in (41, 42, 43, 44))
"""Where callers of each trunk come from; from the last there is none."""
_legs = itertools.count(-1, -1)
ASKS = ("Supported: timer, 100rel", "Session-Expires: 3600")
TRUNKS = {
    "strict": TrunkTerms(Terms(OnOff.REQUIRED, 600, 300, Refresher.UAS, OnOff.REQUIRED), (STRICT,)),
    "off": TrunkTerms(Terms(session_timers=OnOff.OFF, rel100=OnOff.OFF), (OFF,)),
    "patient": TrunkTerms(Terms(expires_s=1_200, min_s=400, refresher=Refresher.UAC), (PATIENT,)),
}


@pytest.fixture(scope="module")
def trunk_worker() -> Iterator[WorkerProcess]:
    """One worker that knows three trunks."""
    worker = WorkerProcess(UaSettings(address="127.0.0.1", udp_port=PORT, tcp_port=None))
    worker.ready()
    _tell(worker, UaTerms(TRUNKS, {"t0ken": "off"}))
    yield worker
    code, errors = worker.stop()
    assert code == 0, errors


def _tell(worker: WorkerProcess, terms: UaTerms) -> None:
    worker.send(terms)
    # what comes after it fails, which shows that the worker has got that far
    worker.send(UaDial(1, "sip:x@127.0.0.1", "sip:us@127.0.0.1", "127.0.0.1", 21_820))
    worker.wait(UaCommandFailed)


@contextmanager
def _calling(address: str) -> Iterator[Peer]:
    peer = Peer(PORT, address)
    try:
        yield peer
    finally:
        peer.close()


def _answers(
    worker: WorkerProcess, peer: Peer, headers: tuple[str, ...] = ASKS
) -> tuple[SipMessage, SipMessage]:
    """Place a call that rings, is answered and hung up; return its 180 and its 200."""
    peer.request("INVITE", offer(), headers=headers)
    leg = worker.wait(UaInvite, where=lambda m: m.sip_call_id == peer.call_id).leg
    worker.send(UaRinging(leg))
    ringing = peer.response(worker, final=False)
    invite = peer.sequence
    if number := ringing.header("RSeq"):
        peer.request("PRACK", headers=(f"RAck: {number} {invite} INVITE",))
        assert peer.response(worker).status == 200
        peer.sequence = invite
    worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
    answer = peer.response(worker)
    peer.request("ACK")
    worker.wait(UaConfirmed, where=lambda m: m.leg == leg)
    peer.sequence += 1
    peer.request("BYE")
    assert peer.response(worker).status == 200
    worker.wait(UaDisconnected, where=lambda m: m.leg == leg)
    return ringing, answer


@pytest.mark.parametrize(
    ("address", "reliable", "expires"),
    [
        (STRICT, True, "600;refresher=uas"),
        (OFF, False, ""),
        (PATIENT, True, "1200;refresher=uac"),
        (OTHER, True, "1800;refresher=uac"),
        (STRICT, True, "600;refresher=uas"),
    ],
)
def test_each_trunk_has_its_own_timers_and_reliable_answers(
    trunk_worker: WorkerProcess, address: str, reliable: bool, expires: str
) -> None:
    """The same INVITE gets another Session-Expires, refresher and 180, by where it comes from."""
    with _calling(address) as peer:
        ringing, answer = _answers(trunk_worker, peer)
    assert bool(ringing.header("RSeq")) is reliable
    assert (ringing.header("Require") == "100rel") is reliable
    assert answer.header("Session-Expires") == expires
    assert ("timer" in answer.header("Supported")) is bool(expires)
    assert ("100rel" in answer.header("Supported")) is reliable
    assert (answer.header("Require") == "timer") is expires.endswith("uac")


def test_a_caller_that_names_the_refresher_keeps_it(trunk_worker: WorkerProcess) -> None:
    """The trunk decides only what the caller leaves open (RFC 4028 section 9)."""
    asked = ("Supported: timer", "Session-Expires: 900;refresher=uas")
    with _calling(PATIENT) as peer:
        assert _answers(trunk_worker, peer, asked)[1].header("Session-Expires") == asked[1][17:]


def test_timers_that_are_required_begin_unasked(trunk_worker: WorkerProcess) -> None:
    """A caller that can, but does not ask, gets the trunk's interval, refreshed by us."""
    with _calling(STRICT) as peer:
        _, answer = _answers(trunk_worker, peer, ("Supported: timer, 100rel",))
    assert answer.header("Session-Expires") == "600;refresher=uas"


@pytest.mark.parametrize(("asked_s", "given_s"), [(150, 150), (60, 90)])
def test_a_caller_without_timers_is_not_asked_for_longer_ones(
    trunk_worker: WorkerProcess, asked_s: int, given_s: int
) -> None:
    """An interval that a proxy put in below our Min-SE is kept to: a 422 would be lost on it."""
    with _calling(PATIENT) as peer:
        _, answer = _answers(trunk_worker, peer, (f"Session-Expires: {asked_s}",))
    assert answer.header("Session-Expires") == f"{given_s};refresher=uas"


@pytest.mark.parametrize(
    ("address", "headers", "status", "header", "value"),
    [
        (STRICT, (), 421, "Require", "100rel, timer"),
        (STRICT, ("Supported: timer", "Session-Expires: 600"), 421, "Require", "100rel"),
        (OFF, ("Require: 100rel",), 420, "Unsupported", "100rel"),
        (OFF, ("Require: timer", "Session-Expires: 900"), 420, "Unsupported", "timer"),
        (PATIENT, ("Supported: timer", "Session-Expires: 399"), 422, "Min-SE", "400"),
    ],
)
def test_what_the_trunk_does_not_take(
    trunk_worker: WorkerProcess,
    address: str,
    headers: tuple[str, ...],
    status: int,
    header: str,
    value: str,
) -> None:
    """420, 421 and 422 say what is wrong, take no slot, and are told to control; others get in."""
    with _calling(address) as peer:
        peer.request("INVITE", offer(), headers=headers)
        answer = peer.response(trunk_worker)
        assert (answer.status, answer.header(header)) == (status, value)
        peer.request("ACK", same_branch=True)
        told = trunk_worker.wait(UaRefused, where=lambda m: m.sip_call_id == peer.call_id)
        assert told.sip_status == status
    with _calling(OTHER) as peer:
        assert _answers(trunk_worker, peer, headers)[1].status == 200


def test_an_interval_that_becomes_too_short_in_the_call(trunk_worker: WorkerProcess) -> None:
    """A refresh below the trunk's Min-SE gets 422, whatever call came in since."""
    worker = trunk_worker
    with _calling(PATIENT) as peer, _calling(OFF) as other:
        peer.request("INVITE", offer(), headers=("Supported: timer", "Session-Expires: 900"))
        leg = worker.wait(UaInvite, where=lambda m: m.sip_call_id == peer.call_id).leg
        worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
        assert peer.response(worker).status == 200
        peer.request("ACK")
        _answers(worker, other)
        short = ("Supported: timer", "Session-Expires: 300;refresher=uac")
        peer.request("UPDATE", headers=short)
        answer = peer.response(worker)
        assert (answer.status, answer.header("Min-SE")) == (422, "400")
        peer.request("BYE")
        assert peer.response(worker).status == 200
        worker.wait(UaDisconnected, where=lambda m: m.leg == leg)


def test_calls_out_are_not_touched_by_what_came_in(trunk_worker: WorkerProcess) -> None:
    """A call out after one of a trunk without timers asks for them as ever."""
    with _calling(OFF) as caller, _calling(OTHER) as phone:
        _answers(trunk_worker, caller)
        leg, to = next(_legs), f"sip:anna@{OTHER}:{phone.port}"
        trunk_worker.send(UaDial(leg, to, "sip:us@127.0.0.1", "127.0.0.1", 21_820))
        invite = phone.received_request(trunk_worker, "INVITE")
        phone.respond(invite, 486, "Busy Here")
        trunk_worker.wait(UaDisconnected, where=lambda m: m.leg == leg)
    assert {"timer", "100rel"} <= set(invite.header("Supported").split(", "))
    assert invite.header("Session-Expires") == "1800"


@pytest.mark.parametrize("wanted", ["uac", "uas", "auto"])
def test_calls_out_ask_for_the_refresher(trunk_worker: WorkerProcess, wanted: str) -> None:
    """The INVITE names it, again with a password; another call does not."""
    with _calling(OTHER) as phone:
        leg, to = next(_legs), f"sip:anna@{OTHER}:{phone.port}"
        dial = UaDial(leg, to, "sip:us@127.0.0.1", "127.0.0.1", 21_820, session_refresher=wanted)
        trunk_worker.send(replace(dial, user="us", password="secret"))
        first = phone.received_request(trunk_worker, "INVITE")
        phone.respond(first, 407, headers=('Proxy-Authenticate: Digest realm="a", nonce="b"',))
        again = phone.received_request(trunk_worker, "INVITE")
        phone.respond(again, 486, "Busy Here")
        trunk_worker.wait(UaDisconnected, where=lambda m: m.leg == leg)
        named = "" if wanted == "auto" else f";refresher={wanted}"
        assert again.header("Proxy-Authorization")
        assert first.header("Session-Expires") == f"1800{named}"
        assert again.header("Session-Expires") == f"1800{named}"
        leg = next(_legs)
        trunk_worker.send(UaDial(leg, to, "sip:us@127.0.0.1", "127.0.0.1", 21_820))
        other = phone.received_request(trunk_worker, "INVITE")
        phone.respond(other, 486, "Busy Here")
        trunk_worker.wait(UaDisconnected, where=lambda m: m.leg == leg)
        assert other.header("Session-Expires") == "1800"


@pytest.mark.parametrize(("address", "listed"), [(OFF, False), (OTHER, True)])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_answers_to_later_offers_list_what_the_trunk_has(
    trunk_worker: WorkerProcess, address: str, listed: bool, method: str
) -> None:
    """With 100rel off pjsip's own 200 to a re-INVITE or UPDATE leaves it out, others have it."""
    worker = trunk_worker
    with _calling(address) as peer, _calling(OTHER) as other:
        peer.request("INVITE", offer())
        leg = worker.wait(UaInvite, where=lambda m: m.sip_call_id == peer.call_id).leg
        worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
        assert peer.response(worker).status == 200
        peer.request("ACK")
        worker.wait(UaConfirmed, where=lambda m: m.leg == leg)
        peer.request(method, offer(version=2))
        answer = peer.response(worker)
        assert answer.status == 200
        tokens = answer.header("Supported").split(", ")
        assert "replaces" in tokens
        assert ("100rel" in tokens) is listed
        if method == "INVITE":
            peer.request("ACK")
        assert "100rel" in _answers(worker, other)[1].header("Supported")
        peer.sequence += 1
        peer.request("BYE")
        assert peer.response(worker).status == 200
        worker.wait(UaDisconnected, where=lambda m: m.leg == leg)


@pytest.mark.parametrize("use", ["off", "supported"])
def test_what_calls_out_say_that_they_support(trunk_worker: WorkerProcess, use: str) -> None:
    """With 100rel off no INVITE of the call lists it, in the dialog neither."""
    with _calling(OTHER) as phone:
        leg, to = next(_legs), f"sip:anna@{OTHER}:{phone.port}"
        trunk_worker.send(UaDial(leg, to, "sip:us@127.0.0.1", "127.0.0.1", 21_820, rel100=use))
        first = phone.received_request(trunk_worker, "INVITE")
        phone.respond(first, 200, body=offer())
        phone.received_request(trunk_worker, "ACK")
        trunk_worker.wait(UaConfirmed, where=lambda m: m.leg == leg)
        trunk_worker.send(UaHold(leg, True))
        again = phone.received_request(trunk_worker, "INVITE")
        phone.respond(again, 200, body=offer(version=2))
        phone.received_request(trunk_worker, "ACK")
        trunk_worker.send(UaHangup(leg))
        phone.respond(phone.received_request(trunk_worker, "BYE"), 200)
        trunk_worker.wait(UaDisconnected, where=lambda m: m.leg == leg)
    for invite in (first, again):
        listed = invite.header("Supported").split(", ")
        assert "replaces" in listed
        assert ("100rel" in listed) is (use == "supported")


def test_calls_to_a_registered_contact(trunk_worker: WorkerProcess) -> None:
    """They are on the terms of the trunk that registered, which is not registered anew by it."""
    with _calling(OTHER) as carrier:
        registrar = f"sip:{OTHER}:{carrier.port}"
        aor = f"sip:cord@{OTHER}"
        wanted = UaRegister(1, registrar, aor, "cord", "secret", 600, "", ";line=t0ken")
        trunk_worker.send(wanted)
        register = carrier.received_request(trunk_worker, "REGISTER")
        contact = register.header("Contact")
        carrier.respond(register, 200, headers=(f"Contact: {contact}", "Expires: 600"))
        assert trunk_worker.wait(UaRegistration).sip_status == 200
        carrier.remote_uri = contact.partition("<")[2].partition(">")[0]
        assert ";line=t0ken" in carrier.remote_uri
        ringing, answer = _answers(trunk_worker, carrier)
        assert (ringing.header("RSeq"), answer.header("Session-Expires")) == ("", "")
        time.sleep(0.2)
        while (message := carrier.receive(0.02)) is not None:
            carrier.inbox.append(message)
        assert not [each for each in carrier.inbox if each.start.startswith("REGISTER")]
        trunk_worker.send(UaRegister(1, registrar, aor, "cord", "secret", 0, "", ";line=t0ken"))
        carrier.respond(carrier.received_request(trunk_worker, "REGISTER"), 200)
        trunk_worker.wait(UaRegistration)


def test_terms_change_between_calls(trunk_worker: WorkerProcess) -> None:
    """From the next call on new terms hold; a trunk that is gone leaves the usual ones."""
    _tell(trunk_worker, UaTerms({"off": TrunkTerms(Terms(expires_s=700), (OFF,))}))
    try:
        for address, expires in ((OFF, "700;refresher=uac"), (STRICT, "1800;refresher=uac")):
            with _calling(address) as peer:
                ringing, answer = _answers(trunk_worker, peer)
            assert ringing.header("RSeq")
            assert answer.header("Session-Expires") == expires
    finally:
        _tell(trunk_worker, UaTerms(TRUNKS, {"t0ken": "off"}))
