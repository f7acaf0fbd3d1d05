"""SRTP by SDES at a real worker: what it answers, what it offers, when keys change."""

from __future__ import annotations

import base64
import itertools
import os
import re
from collections.abc import Callable

import pytest
from ua_peer import Peer, SipMessage, WorkerProcess, dial_anna, hung_up, media_line, offer

from edge import sdp
from edge.ua.messages import (
    UaAnswer,
    UaConfirmed,
    UaDisconnected,
    UaHangup,
    UaHold,
    UaInvite,
    UaNegotiated,
)
from media.messages import StreamParameters
from media.srtp_keys import new_secret

pytestmark = pytest.mark.integration

MakePeer = Callable[..., Peer]
_80, _32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
_legs = itertools.count(-1, -1)


def _key(octets: int = 30) -> str:
    return base64.b64encode(os.urandom(octets)).decode()


def _line(key: str, tag: int = 1, suite: str = _80, more: str = "") -> str:
    return f"a=crypto:{tag} {suite} inline:{key}{more}"


def _offer(*cryptos: str, protocol: str = "RTP/SAVP", port: int = 21_950, version: int = 1) -> str:
    lines = ("a=rtpmap:101 telephone-event/8000", *cryptos)
    return offer(port=port, lines=lines, version=version).replace("RTP/AVP", protocol)


def _cryptos(body: str) -> list[tuple[str, str, str]]:
    return re.findall(r"^a=crypto:(\d+) (\w+) inline:(\S+)\r?$", body, re.M)


def _agreed(negotiated: UaNegotiated) -> StreamParameters:
    return sdp.agreed(negotiated.local_sdp, negotiated.remote_sdp)


def _call(worker: WorkerProcess, caller: Peer, body: str, srtp: str) -> tuple[int, SipMessage]:
    """Call, be answered with the policy, return leg and answer."""
    caller.request("INVITE", body)
    leg = worker.wait(UaInvite, where=lambda m: m.sip_call_id == caller.call_id).leg
    worker.send(UaAnswer(leg, "127.0.0.1", 21_800, srtp=srtp, srtp_secret=new_secret()))
    return leg, caller.response(worker)


def _reinvite(worker: WorkerProcess, caller: Peer, body: str) -> tuple[SipMessage, UaNegotiated]:
    caller.request("INVITE", body)
    answer = caller.response(worker)
    assert answer.status == 200, answer.text
    caller.request("ACK")
    return answer, worker.wait(UaNegotiated)


@pytest.mark.parametrize("srtp", ["optional", "required"])
@pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"])
def test_an_encrypted_offer_is_answered_with_its_tag_and_a_key_of_ours(
    worker: WorkerProcess, peer: MakePeer, srtp: str, protocol: str
) -> None:
    """Unknown suites and keys with an identifier are passed over; the first of ours is taken."""
    caller, key = peer(), _key()
    body = _offer(
        _line(_key(46), 1, "AES_256_CM_HMAC_SHA1_80"),
        _line(_key(28), 2, "AEAD_AES_128_GCM"),
        _line(_key(), 3, more="|2^20|1:4"),
        _line(_key(), 4, more=" UNENCRYPTED_SRTCP"),
        _line(_key(90), 5, "NOBODYS_SUITE"),
        _line(key, 6, _32, "|2^31 WSH=64"),
        _line(_key(), 7),
        protocol=protocol,
    )
    leg, answer = _call(worker, caller, body, srtp)
    assert answer.status == 200, answer.text
    assert media_line(answer.body).split()[2] == protocol
    ((tag, suite, ours),) = _cryptos(answer.body)
    assert (tag, suite) == ("6", _32)
    caller.request("ACK")
    agreed = _agreed(worker.wait(UaNegotiated))
    assert (agreed.srtp_suite, agreed.srtp_local_key, agreed.srtp_remote_key) == (_32, ours, key)
    assert ours != key
    hung_up(worker, caller, leg)


@pytest.mark.parametrize(
    ("cryptos", "protocol"),
    [
        ((), "RTP/SAVP"),
        ((_line(_key(28), 2, "AEAD_AES_128_GCM"),), "RTP/SAVP"),
        ((_line(_key(29)),), "RTP/SAVP"),
        ((_line("no+base64"),), "RTP/SAVP"),
        ((_line(_key()), _line(_key(), 1, _32)), "RTP/SAVP"),
        (("a=crypto:1 nonsense", _line(_key(), 2)), "RTP/SAVP"),
        (("a=fingerprint:sha-256 00:11",), "UDP/TLS/RTP/SAVP"),
    ],
)
def test_encryption_that_cannot_be_met_is_refused_before_it_is_a_call(
    worker: WorkerProcess, peer: MakePeer, cryptos: tuple[str, ...], protocol: str
) -> None:
    """No suite of ours, a broken line, a tag given twice, DTLS: 488 with a Warning."""
    caller = peer()
    caller.request("INVITE", _offer(*cryptos, protocol=protocol))
    answer = caller.response(worker)
    assert answer.status == 488
    assert answer.header("Warning")[:3] in ("302", "399")
    caller.request("ACK", same_branch=True)


@pytest.mark.parametrize("srtp", ["off", "optional"])
@pytest.mark.parametrize("cryptos", [(), (_line(_key(29)),), ("a=crypto:1 nonsense",)])
def test_a_plain_offer_stays_plain(
    worker: WorkerProcess, peer: MakePeer, srtp: str, cryptos: tuple[str, ...]
) -> None:
    """RTP/AVP without a line that could be used is answered without one."""
    caller = peer()
    leg, answer = _call(worker, caller, _offer(*cryptos, protocol="RTP/AVP"), srtp)
    assert answer.status == 200
    assert media_line(answer.body).split()[2] == "RTP/AVP"
    assert "crypto" not in answer.body
    caller.request("ACK")
    assert _agreed(worker.wait(UaNegotiated)).srtp_suite is None
    hung_up(worker, caller, leg)


def test_where_srtp_is_off_the_attribute_is_passed_over(
    worker: WorkerProcess, peer: MakePeer
) -> None:
    """The first of two audio sections counts, also where pjsip would rather have the second."""
    caller = peer()
    body = _offer(_line(_key()), protocol="RTP/AVP")
    body += f"m=audio 21960 RTP/SAVP 0\r\n{_line(_key())}\r\n"
    leg, answer = _call(worker, caller, body, "off")
    assert answer.status == 200
    sections = [line for line in answer.body.splitlines() if line.startswith("m=")]
    assert sections == ["m=audio 21800 RTP/AVP 0 101", "m=audio 0 RTP/SAVP 0"]
    assert "a=crypto" not in answer.body
    caller.request("ACK")
    worker.wait(UaNegotiated)
    hung_up(worker, caller, leg)


def test_keys_change_with_the_peers_and_stay_with_it(worker: WorkerProcess, peer: MakePeer) -> None:
    """A refresh or a hold keeps our key; another key or another place of the peer makes a new."""
    caller, first, second = peer(), _key(), _key()
    leg, answer = _call(worker, caller, _offer(_line(first)), "required")
    caller.request("ACK")
    worker.wait(UaNegotiated)
    ours = [_cryptos(answer.body)[0][2]]
    changes = (
        _offer(_line(first), version=2),
        _offer(_line(first), version=3) + "a=sendonly\r\n",
        _offer(_line(second), version=4),
        _offer(_line(second), port=21_970, version=5),
    )
    for body in changes:
        answer, negotiated = _reinvite(worker, caller, body)
        ours.append(_cryptos(answer.body)[0][2])
        assert _agreed(negotiated).srtp_local_key == ours[-1]
    assert ours[0] == ours[1] == ours[2]
    assert len({*ours[2:]}) == 3
    worker.send(UaHold(leg, True))
    hold = caller.received_request(worker, "INVITE")
    assert media_line(hold.body).split()[2] == "RTP/SAVP"
    assert _cryptos(hold.body)[0][1:] == (_80, ours[-1])
    caller.respond(hold, 200, body=_offer(_line(second), port=21_970, version=6))
    assert _agreed(worker.wait(UaNegotiated)).srtp_remote_key == second
    hung_up(worker, caller, leg)


def test_a_dialog_keeps_to_what_its_trunk_says(worker: WorkerProcess, peer: MakePeer) -> None:
    """A re-INVITE in the clear is refused where SRTP is required, an encrypted one where off."""
    for srtp, first, second in (
        ("required", _offer(_line(_key())), _offer(protocol="RTP/AVP", version=2)),
        ("off", _offer(protocol="RTP/AVP"), _offer(_line(_key()), version=2)),
    ):
        caller = peer()
        leg, answer = _call(worker, caller, first, srtp)
        assert answer.status == 200
        caller.request("ACK")
        worker.wait(UaNegotiated)
        caller.request("INVITE", second)
        refusal = caller.response(worker)
        assert (refusal.status, refusal.header("Warning")[:3]) == (488, "302")
        caller.request("ACK", same_branch=True)
        hung_up(worker, caller, leg)


@pytest.mark.parametrize(("srtp", "protocol"), [("required", "RTP/SAVP"), ("optional", "RTP/AVP")])
def test_late_offers_carry_keys(
    worker: WorkerProcess, peer: MakePeer, srtp: str, protocol: str
) -> None:
    """Our offer is in the 200, the key in the ACK counts; a later late offer has new keys."""
    caller = peer()
    leg, answer = _call(worker, caller, "", srtp)
    ours = []
    for version in (1, 2):
        assert media_line(answer.body).split()[2] == protocol
        cryptos = _cryptos(answer.body)
        assert [each[:2] for each in cryptos] == [("1", _80), ("2", _32)]
        theirs = _key()
        caller.request("ACK", _offer(_line(theirs, 2, _32), protocol=protocol, version=version))
        agreed = _agreed(worker.wait(UaNegotiated))
        assert agreed.srtp_suite == _32
        assert (agreed.srtp_local_key, agreed.srtp_remote_key) == (cryptos[1][2], theirs)
        ours.append(cryptos[1][2])
        if version == 1:
            caller.request("INVITE")
            answer = caller.response(worker)
    assert ours[0] != ours[1]
    hung_up(worker, caller, leg)


@pytest.mark.parametrize(
    ("srtp", "protocol", "answered", "encrypted"),
    [
        ("required", "RTP/SAVP", "RTP/SAVP", True),
        ("optional", "RTP/AVP", "RTP/AVP", True),
        ("optional", "RTP/AVP", "RTP/SAVP", True),
        ("optional", "RTP/AVP", "RTP/AVP", False),
        ("off", "RTP/AVP", "RTP/AVP", False),
    ],
)
def test_a_call_out_offers_what_its_trunk_says(
    worker: WorkerProcess,
    peer: MakePeer,
    srtp: str,
    protocol: str,
    answered: str,
    encrypted: bool,
) -> None:
    """RTP/SAVP where required, RTP/AVP with a=crypto where optional, and the answer decides."""
    phone, leg = peer(), next(_legs)
    worker.send(dial_anna(leg, phone, srtp=srtp, srtp_secret=new_secret()))
    invite = phone.received_request(worker, "INVITE")
    assert media_line(invite.body).split()[2] == protocol
    cryptos = _cryptos(invite.body)
    assert [each[1] for each in cryptos] == ([_80, _32] if srtp != "off" else [])
    theirs = _key()
    line = (_line(theirs, 2, _32),) if encrypted else ()
    phone.respond(invite, 200, body=_offer(*line, protocol=answered))
    phone.received_request(worker, "ACK")
    agreed = _agreed(worker.wait(UaNegotiated))
    expected = (cryptos[1][2], theirs) if encrypted else (None, None)
    assert (agreed.srtp_local_key, agreed.srtp_remote_key) == expected
    worker.wait(UaConfirmed)
    worker.send(UaHangup(leg))
    phone.respond(phone.received_request(worker, "BYE"), 200)
    worker.wait(UaDisconnected)


def test_an_answer_in_the_clear_is_no_agreement_where_srtp_is_required(
    worker: WorkerProcess, peer: MakePeer
) -> None:
    """The worker reports it, and what it reports cannot be agreed on: control ends the call."""
    phone, leg = peer(), next(_legs)
    worker.send(dial_anna(leg, phone, srtp="required", srtp_secret=new_secret()))
    answer = _offer(protocol="RTP/AVP")
    phone.respond(phone.received_request(worker, "INVITE"), 200, body=answer)
    phone.received_request(worker, "ACK")
    with pytest.raises(sdp.SdpError):
        _agreed(worker.wait(UaNegotiated))
    worker.send(UaHangup(leg))
    phone.respond(phone.received_request(worker, "BYE"), 200)
    worker.wait(UaDisconnected)


@pytest.mark.parametrize("line", [_line(_key(), 7), _line(_key(29)), _line(_key(), 1, _32)])
def test_an_answer_that_does_not_fit_the_offer_ends_the_call(
    worker: WorkerProcess, peer: MakePeer, line: str
) -> None:
    """A tag that was not offered, a key too short, a suite of another tag: BYE."""
    phone, leg = peer(), next(_legs)
    worker.send(dial_anna(leg, phone, srtp="required", srtp_secret=new_secret()))
    phone.respond(phone.received_request(worker, "INVITE"), 200, body=_offer(line))
    phone.respond(phone.received_request(worker, "BYE"), 200)
    assert worker.wait(UaDisconnected).sip_status == 488
