from __future__ import annotations

from collections.abc import Callable

import pytest
from ua_peer import Peer, SipMessage, WorkerProcess, answered, dial_anna, hung_up, media_line, offer

from edge import sdp
from edge.ua.messages import (
    EndedBy,
    UaAnswer,
    UaConfirmed,
    UaDisconnected,
    UaHangup,
    UaHold,
    UaInvite,
    UaNegotiated,
    UaProgress,
    UaRefer,
    UaReferred,
    UaReinvite,
    UaTransferStatus,
)
from edge.ua.sip_text import ReplacesTarget, parse_refer_to, replaces_uri
from media.messages import Direction

pytestmark = pytest.mark.integration

MakePeer = Callable[..., Peer]
_DTMF = "a=rtpmap:101 telephone-event/8000"
_BOTH = "a=sendrecv"
_legs = iter(range(-1, -1000, -1))


def _dial(worker: WorkerProcess, phone: Peer, **more: object) -> int:
    leg = next(_legs)
    worker.send(dial_anna(leg, phone, **more))
    return leg


def _picked_up(worker: WorkerProcess, phone: Peer) -> tuple[int, SipMessage]:
    leg = _dial(worker, phone)
    invite = phone.received_request(worker, "INVITE")
    phone.respond(invite, 200, body=offer(formats="8 101"))
    phone.received_request(worker, "ACK")
    worker.wait(UaNegotiated, where=lambda m: m.leg == leg)
    return leg, invite


def test_call_out(worker: WorkerProcess, peer: MakePeer) -> None:
    """A call out carries our SDP and headers and reports ringing, answer and end."""
    phone = peer()
    leg = _dial(worker, phone, from_display='Cord "1"', headers={"X-Reason": "billing"})
    invite = phone.received_request(worker, "INVITE")
    assert media_line(invite.body) == "m=audio 21820 RTP/AVP 0 8 101"
    assert invite.header("From").startswith('"Cord \\"1\\"" <sip:+4930123@127.0.0.1>')
    assert invite.header("X-Reason") == "billing"
    phone.respond(invite, 180, "Ringing")
    progress = worker.wait(UaProgress)
    assert (progress.leg, progress.status) == (leg, 180)
    phone.respond(invite, 200, body=offer(formats="8 101"))
    phone.received_request(worker, "ACK")
    negotiated = worker.wait(UaNegotiated)
    assert negotiated.local_sdp == invite.body
    assert sdp.agreed(negotiated.local_sdp, negotiated.remote_sdp).codec == "PCMA"
    confirmed = worker.wait(UaConfirmed)
    assert confirmed.sip_call_id == invite.header("Call-ID")
    assert confirmed.remote_tag == phone.tag
    assert f"tag={confirmed.local_tag}" in invite.header("From")
    assert confirmed.remote_contact == f"sip:phone@127.0.0.1:{phone.port}"
    worker.send(UaHangup(leg))
    phone.respond(phone.received_request(worker, "BYE"), 200)
    assert worker.wait(UaDisconnected).by is EndedBy.LOCAL


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (302, "Moved Temporarily")])
def test_phone_refuses(worker: WorkerProcess, peer: MakePeer, status: int, reason: str) -> None:
    """A refusal ends the leg with the phone's status; a redirection is not followed."""
    phone = peer()
    leg = _dial(worker, phone)
    invite = phone.received_request(worker, "INVITE")
    phone.respond(invite, status, reason)
    ended = worker.wait(UaDisconnected)
    assert (ended.leg, ended.sip_status, ended.reason) == (leg, status, reason)
    assert ended.by is EndedBy.REMOTE


def test_we_give_up_ringing(worker: WorkerProcess, peer: MakePeer) -> None:
    """UaHangup of a ringing outbound leg sends CANCEL."""
    phone = peer()
    leg = _dial(worker, phone)
    invite = phone.received_request(worker, "INVITE")
    phone.respond(invite, 180, "Ringing")
    worker.wait(UaProgress)
    worker.send(UaHangup(leg))
    phone.respond(phone.received_request(worker, "CANCEL"), 200)
    phone.respond(invite, 487, "Request Terminated")
    ended = worker.wait(UaDisconnected)
    assert (ended.leg, ended.by) == (leg, EndedBy.LOCAL)


def test_digest_credentials(worker: WorkerProcess, peer: MakePeer) -> None:
    """A challenged INVITE is sent again with credentials."""
    phone = peer()
    leg = _dial(worker, phone, user="cord", password="secret")
    challenge = 'Digest realm="pbx", nonce="abc", algorithm=MD5, qop="auth"'
    phone.respond(
        phone.received_request(worker, "INVITE"),
        401,
        "Unauthorized",
        headers=(f"WWW-Authenticate: {challenge}",),
    )
    phone.received_request(worker, "ACK")
    again = phone.received_request(worker, "INVITE")
    assert 'username="cord"' in again.header("Authorization")
    phone.respond(again, 603, "Decline")
    assert worker.wait(UaDisconnected, where=lambda m: m.leg == leg).sip_status == 603


def test_hold_resume_and_new_port(worker: WorkerProcess, peer: MakePeer) -> None:
    """UaHold offers sendonly and sendrecv again, UaReinvite offers the new port and codecs."""
    phone = peer()
    leg, _ = _picked_up(worker, phone)
    steps = [
        (UaHold(leg, True), "a=sendonly", "a=recvonly", Direction.SENDONLY),
        (UaHold(leg, False), "a=sendrecv", "a=sendrecv", Direction.SENDRECV),
        (
            UaReinvite(leg, "127.0.0.1", 21_830, ("PCMA",)),
            "21830 RTP/AVP 8 101",
            "a=sendrecv",
            None,
        ),
    ]
    for version, (command, expected, answer, direction) in enumerate(steps, 2):
        worker.send(command)
        invite = phone.received_request(worker, "INVITE")
        assert expected in invite.body
        body = offer(formats="8 101", lines=(_DTMF, answer), version=version)
        phone.respond(invite, 200, body=body)
        phone.received_request(worker, "ACK")
        negotiated = worker.wait(UaNegotiated)
        assert negotiated.local_sdp == invite.body
        if direction is not None:
            agreed = sdp.agreed(negotiated.local_sdp, negotiated.remote_sdp)
            assert agreed.direction is direction
    worker.send(UaHangup(leg))
    phone.respond(phone.received_request(worker, "BYE"), 200)
    worker.wait(UaDisconnected)


def test_refer_with_replaces(worker: WorkerProcess, peer: MakePeer) -> None:
    """UaRefer sends Refer-To as it was written and reports the NOTIFYs that follow."""
    caller = peer()
    leg = answered(worker, caller)
    target = ReplacesTarget("other@call", "their;tag", "our-tag")
    refer_to = replaces_uri("sip:anna@10.0.0.9:5062;ob", target)
    worker.send(UaRefer(leg, refer_to, {"Referred-By": "<sip:us@127.0.0.1>"}))
    refer = caller.received_request(worker, "REFER")
    assert refer.header("Refer-To") == refer_to
    uri, parsed = parse_refer_to(refer.header("Refer-To"))
    assert uri == "sip:anna@10.0.0.9:5062;ob"
    assert parsed is not None
    assert parsed.sip_call_id == "other@call"
    caller.respond(refer, 202, "Accepted")
    caller.sequence = 100
    for number, (state, line) in enumerate(
        [("active;expires=60", "180 Ringing"), ("terminated;reason=noresource", "200 OK")]
    ):
        caller.request(
            "NOTIFY",
            f"SIP/2.0 {line}\r\n",
            content_type="message/sipfrag;version=2.0",
            headers=("Event: refer", f"Subscription-State: {state}"),
        )
        assert caller.response(worker).status == 200, number
    final = worker.wait(UaTransferStatus, where=lambda m: m.final)
    assert (final.leg, final.status) == (leg, 200)
    hung_up(worker, caller, leg)


def test_refused_refer(worker: WorkerProcess, peer: MakePeer) -> None:
    """A REFER that is refused is final at once and the call goes on."""
    caller = peer()
    leg = answered(worker, caller)
    worker.send(UaRefer(leg, "<sip:b@127.0.0.1>"))
    caller.respond(caller.received_request(worker, "REFER"), 405, "Method Not Allowed")
    final = worker.wait(UaTransferStatus, where=lambda m: m.final)
    assert final.status == 405
    hung_up(worker, caller, leg)


@pytest.mark.parametrize("attended", [False, True])
def test_incoming_refer_is_reported_not_dialled(
    worker: WorkerProcess, peer: MakePeer, attended: bool
) -> None:
    """A REFER from a phone is refused 603 and reported with its target; nothing is dialled."""
    caller, third = peer(), peer()
    leg = answered(worker, caller)
    uri = f"sip:third@127.0.0.1:{third.port}"
    query = "?Replaces=abc%40x%3Bto-tag%3D11%3Bfrom-tag%3D22" if attended else ""
    caller.request(
        "REFER",
        headers=(f"Refer-To: <{uri}{query}>", f"Referred-By: <sip:caller@127.0.0.1:{caller.port}>"),
    )
    assert caller.response(worker).status == 603
    referred = worker.wait(UaReferred)
    assert (referred.leg, referred.refer_to) == (leg, uri)
    if attended:
        assert referred.replaces_sip_call_id == "abc@x"
        assert (referred.replaces_to_tag, referred.replaces_from_tag) == ("11", "22")
    hung_up(worker, caller, leg)
    assert third.receive(0.2) is None


def test_invite_with_replaces(worker: WorkerProcess, peer: MakePeer) -> None:
    """An INVITE with Replaces takes a leg over on the same port; the old leg ends."""
    first, second = peer(), peer()
    first.request("INVITE", offer())
    old = worker.wait(UaInvite).leg
    worker.send(UaAnswer(old, "127.0.0.1", 21_840))
    first.response(worker)
    first.request("ACK")
    worker.wait(UaConfirmed)
    worker.wait(UaNegotiated)
    replaces = f"Replaces: {first.call_id};to-tag={first.remote_tag};from-tag={first.tag}"
    second.request("INVITE", offer(port=21_952), headers=("Require: replaces", replaces))
    invite = worker.wait(UaInvite)
    assert invite.replaces_leg == old
    ok = second.response(worker)
    assert ok.status == 200, ok.text
    assert media_line(ok.body).split()[1] == "21840"
    second.request("ACK")
    negotiated = worker.wait(UaNegotiated, where=lambda m: m.leg == invite.leg)
    assert sdp.agreed(negotiated.local_sdp, negotiated.remote_sdp).remote_port == 21_952
    bye = first.received_request(worker, "BYE")
    first.respond(bye, 200)
    assert worker.wait(UaDisconnected).leg == old
    hung_up(worker, second, invite.leg)


def test_replaces_of_nothing(worker: WorkerProcess, peer: MakePeer) -> None:
    """An INVITE that replaces an unknown dialog gets 481."""
    caller = peer()
    caller.request("INVITE", offer(), headers=("Replaces: nobody@x;to-tag=1;from-tag=2",))
    assert caller.response(worker).status == 481
    caller.request("ACK", same_branch=True)
