from __future__ import annotations

from collections.abc import Callable

import pytest
from ua_peer import Peer, WorkerProcess, answered, hung_up, media_line, offer

from edge import sdp
from edge.ua.messages import (
    EndedBy,
    UaAnswer,
    UaDigit,
    UaDisconnected,
    UaHangup,
    UaInvite,
    UaNegotiated,
    UaReject,
    UaRinging,
)
from media.messages import Direction, StreamParameters

pytestmark = pytest.mark.integration

_DTMF = "a=rtpmap:101 telephone-event/8000"
MakePeer = Callable[..., Peer]


def _agreed(negotiated: UaNegotiated) -> StreamParameters:
    return sdp.agreed(negotiated.local_sdp, negotiated.remote_sdp)


def test_call_is_reported_answered_and_ended(worker: WorkerProcess, peer: MakePeer) -> None:
    """A call goes through INVITE, 180, 200 with media's address, ACK and BYE, all reported."""
    caller = peer()
    caller.request("INVITE", offer(), headers=("X-Trunk: north", "X-Trunk: two"))
    invite = worker.wait(UaInvite)
    assert invite.from_display == 'Caller "One"'
    assert invite.from_uri == f"sip:caller@127.0.0.1:{caller.port}"
    assert invite.source == f"127.0.0.1:{caller.port}"
    assert (invite.transport, invite.local_address) == ("UDP", "127.0.0.1")
    assert invite.headers["x-trunk"] == "north, two"
    assert invite.offer == offer()

    worker.send(UaRinging(invite.leg))
    ringing = caller.response(worker, final=False)
    assert (ringing.status, ringing.body) == (180, "")

    worker.send(UaAnswer(invite.leg, "127.0.0.7", 21_802))
    ok = caller.response(worker)
    assert media_line(ok.body) == "m=audio 21802 RTP/AVP 0 101"
    assert "c=IN IP4 127.0.0.7" in ok.body
    for unwanted in ("ssrc", "X-nat", "b=", "a=rtcp", "speex"):
        assert unwanted not in ok.body
    caller.request("ACK")
    negotiated = worker.wait(UaNegotiated)
    assert negotiated.local_sdp == ok.body
    assert negotiated.generation == 1
    parameters = _agreed(negotiated)
    assert (parameters.codec, parameters.dtmf_payload_type) == ("PCMU", 101)

    caller.request("BYE", headers=("Reason: Q.850;cause=16",))
    assert caller.response(worker).status == 200
    ended = worker.wait(UaDisconnected)
    assert (ended.leg, ended.sip_status, ended.by) == (invite.leg, 200, EndedBy.REMOTE)
    assert ended.reason_header == "Q.850;cause=16"


def test_we_end_a_call(worker: WorkerProcess, peer: MakePeer) -> None:
    """UaHangup of an answered leg sends BYE with the headers asked for."""
    caller = peer()
    leg = answered(worker, caller)
    worker.send(UaHangup(leg, headers={"Reason": 'Q.850;cause=16;text="done"'}))
    bye = caller.received_request(worker, "BYE")
    assert bye.header("Reason") == 'Q.850;cause=16;text="done"'
    caller.respond(bye, 200)
    ended = worker.wait(UaDisconnected)
    assert (ended.leg, ended.by) == (leg, EndedBy.LOCAL)


@pytest.mark.parametrize("ring", [False, True])
def test_caller_gives_up(worker: WorkerProcess, peer: MakePeer, ring: bool) -> None:
    """CANCEL before and after 180 gives 487 and is reported as the caller's doing."""
    caller = peer()
    caller.request("INVITE", offer())
    leg = worker.wait(UaInvite).leg
    if ring:
        worker.send(UaRinging(leg))
        assert caller.response(worker, final=False).status == 180
    caller.request("CANCEL", same_branch=True, dialog=False, headers=("Reason: SIP;cause=200",))
    statuses = {caller.response(worker).status, caller.response(worker).status}
    assert statuses == {200, 487}
    caller.request("ACK", same_branch=True)
    ended = worker.wait(UaDisconnected)
    assert (ended.leg, ended.sip_status, ended.by) == (leg, 487, EndedBy.REMOTE)
    assert ended.reason_header == "SIP;cause=200"


def test_we_refuse_a_call(worker: WorkerProcess, peer: MakePeer) -> None:
    """UaReject answers with its status, reason and headers."""
    caller = peer()
    caller.request("INVITE", offer())
    leg = worker.wait(UaInvite).leg
    worker.send(UaReject(leg, 480, "Not Now", {"Retry-After": "7"}))
    response = caller.response(worker)
    assert response.start == "SIP/2.0 480 Not Now"
    assert response.header("Retry-After") == "7"
    caller.request("ACK", same_branch=True)
    ended = worker.wait(UaDisconnected)
    assert (ended.sip_status, ended.by) == (480, EndedBy.LOCAL)


def test_full_worker_refuses_and_recovers(worker: WorkerProcess, peer: MakePeer) -> None:
    """The fourth caller gets 503 with Retry-After, over and over, until a slot is free."""
    callers = [peer() for _ in range(3)]
    legs = [answered(worker, each, media_port=21_800 + 2 * i) for i, each in enumerate(callers)]
    for _ in range(6):
        fourth = peer()
        fourth.request("INVITE", offer())
        response = fourth.response(worker)
        assert (response.status, response.header("Retry-After")) == (503, "10")
        fourth.request("ACK", same_branch=True)
    hung_up(worker, callers[0], legs[0])
    fifth = peer()
    last = answered(worker, fifth)
    hung_up(worker, fifth, last)
    for each, leg in list(zip(callers, legs, strict=True))[1:]:
        hung_up(worker, each, leg)
    assert not any(isinstance(message, UaInvite) for message in worker.pending)


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (offer(formats="9 18", lines=()), "305"),
        (offer(formats="96", lines=("a=rtpmap:96 opus/48000/2",)), "305"),
        (offer(port=0), "304"),
        (offer().replace("m=audio 21950 RTP/AVP", "m=video 21950 RTP/AVP"), "304"),
        (offer().replace("RTP/AVP", "RTP/SAVP"), "302"),
    ],
)
def test_offer_we_cannot_meet(
    worker: WorkerProcess, peer: MakePeer, body: str, warning: str
) -> None:
    """No audio, no codec of ours or a foreign transport is refused with 488 and a Warning."""
    caller = peer()
    caller.request("INVITE", body)
    response = caller.response(worker)
    assert response.status == 488, response.text
    assert response.header("Warning").startswith(f"{warning} cordboard ")
    caller.request("ACK", same_branch=True)
    worker.pump(0.1)
    assert not any(isinstance(message, UaInvite) for message in worker.pending)


@pytest.mark.parametrize(
    "body",
    [
        "this is no SDP\r\n",
        "v=0\r\n",
        offer().replace("c=IN IP4 127.0.0.1", "c=IN IP4"),
        offer(formats="x" * 3_000),
    ],
)
def test_broken_sdp(worker: WorkerProcess, peer: MakePeer, body: str) -> None:
    """Broken SDP is answered 400 or 488, and the worker goes on."""
    caller = peer()
    caller.request("INVITE", body)
    assert caller.response(worker).status in (400, 488)
    caller.request("ACK", same_branch=True)
    other = peer()
    hung_up(worker, other, answered(worker, other))


def test_video_is_declined(worker: WorkerProcess, peer: MakePeer) -> None:
    """A video section of the offer is answered with port 0, audio is taken."""
    caller = peer()
    tail = "m=video 21960 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    caller.request("INVITE", offer(tail=tail))
    leg = worker.wait(UaInvite).leg
    worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
    ok = caller.response(worker)
    assert media_line(ok.body, "video").split()[1] == "0"
    assert media_line(ok.body).split()[1] == "21800"
    caller.request("ACK")
    hung_up(worker, caller, leg)


@pytest.mark.parametrize(
    ("formats", "lines", "codec", "dtmf"),
    [
        ("8 0", (), "PCMU", None),
        ("8", (), "PCMA", None),
        ("8 97", ("a=rtpmap:97 telephone-event/8000",), "PCMA", 97),
        (
            "9 0 110 100",
            ("a=rtpmap:110 telephone-event/48000", "a=rtpmap:100 telephone-event/8000"),
            "PCMU",
            100,
        ),
    ],
)
def test_answer_follows_the_offer(
    worker: WorkerProcess,
    peer: MakePeer,
    formats: str,
    lines: tuple[str, ...],
    codec: str,
    dtmf: int | None,
) -> None:
    """The answer has one codec, by our order, and the offerer's payload type of DTMF."""
    caller = peer()
    caller.request("INVITE", offer(formats=formats, lines=lines))
    leg = worker.wait(UaInvite).leg
    worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
    ok = caller.response(worker)
    caller.request("ACK")
    parameters = _agreed(worker.wait(UaNegotiated))
    assert (parameters.codec, parameters.dtmf_payload_type) == (codec, dtmf)
    assert ("telephone-event" in ok.body) == (dtmf is not None)
    hung_up(worker, caller, leg)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_hold_and_resume(worker: WorkerProcess, peer: MakePeer, method: str) -> None:
    """Every way to hold is mirrored in the answer, and each round is reported."""
    caller = peer()
    leg = answered(worker, caller)
    rounds = [
        (offer(version=2, lines=(_DTMF, "a=sendonly")), "recvonly", Direction.RECVONLY),
        (offer(version=3, lines=(_DTMF, "a=inactive")), "inactive", Direction.INACTIVE),
        (offer(version=4, lines=(_DTMF, "a=sendrecv")), "sendrecv", Direction.SENDRECV),
        (offer(version=5, lines=(_DTMF, "a=recvonly")), "sendonly", Direction.SENDONLY),
        (offer(version=6), "sendrecv", Direction.SENDRECV),
    ]
    for generation, (body, answer, ours) in enumerate(rounds, 2):
        caller.request(method, body)
        ok = caller.response(worker)
        assert ok.status == 200, ok.text
        if method == "INVITE":
            caller.request("ACK")
        assert f"a={answer}\r\n" in ok.body
        assert media_line(ok.body).split()[1] == "21800"
        negotiated = worker.wait(UaNegotiated)
        assert negotiated.generation == generation
        assert _agreed(negotiated).direction is ours
    hung_up(worker, caller, leg)


def test_old_hold(worker: WorkerProcess, peer: MakePeer) -> None:
    """An offer with the address 0.0.0.0 means that we must not send; resuming undoes it."""
    caller = peer()
    leg = answered(worker, caller)
    caller.request("INVITE", offer(address="0.0.0.0", version=2))
    assert caller.response(worker).status == 200
    caller.request("ACK")
    assert _agreed(worker.wait(UaNegotiated)).direction in (
        Direction.RECVONLY,
        Direction.INACTIVE,
    )
    caller.request("INVITE", offer(version=3))
    ok = caller.response(worker)
    caller.request("ACK")
    assert "a=sendrecv" in ok.body
    assert _agreed(worker.wait(UaNegotiated)).direction is Direction.SENDRECV
    hung_up(worker, caller, leg)


def test_call_that_begins_on_hold(worker: WorkerProcess, peer: MakePeer) -> None:
    """A first offer that is sendonly is answered recvonly."""
    caller = peer()
    caller.request("INVITE", offer(formats="0", lines=("a=sendonly",)))
    leg = worker.wait(UaInvite).leg
    worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
    ok = caller.response(worker)
    caller.request("ACK")
    assert "a=recvonly" in ok.body
    assert _agreed(worker.wait(UaNegotiated)).direction is Direction.RECVONLY
    hung_up(worker, caller, leg)


def test_codec_and_port_change(worker: WorkerProcess, peer: MakePeer) -> None:
    """A re-INVITE may change codec, port and packet time; one we cannot meet changes nothing."""
    caller = peer()
    leg = answered(worker, caller)
    caller.request("INVITE", offer(port=21_970, formats="8", lines=("a=ptime:40",), version=2))
    assert caller.response(worker).status == 200
    caller.request("ACK")
    parameters = _agreed(worker.wait(UaNegotiated))
    assert (parameters.codec, parameters.remote_port, parameters.ptime_ms) == ("PCMA", 21_970, 40)
    caller.request("INVITE", offer(formats="9", lines=(), version=3))
    assert caller.response(worker).status == 488
    caller.request("ACK", same_branch=True)
    worker.pump(0.1)
    assert not any(isinstance(message, UaNegotiated) for message in worker.pending)
    hung_up(worker, caller, leg)


def test_late_offer(worker: WorkerProcess, peer: MakePeer) -> None:
    """An INVITE without SDP gets our offer in the 200 and the answer is taken from the ACK."""
    caller = peer()
    caller.request("INVITE")
    invite = worker.wait(UaInvite)
    assert invite.offer == ""
    worker.send(UaRinging(invite.leg))
    worker.send(UaAnswer(invite.leg, "127.0.0.1", 21_804))
    ok = caller.response(worker)
    assert media_line(ok.body) == "m=audio 21804 RTP/AVP 0 8 101"
    caller.request("ACK", offer(formats="8 101"))
    negotiated = worker.wait(UaNegotiated)
    assert negotiated.local_sdp == ok.body
    parameters = _agreed(negotiated)
    assert (parameters.codec, parameters.remote_port) == ("PCMA", 21_950)
    caller.request("INVITE")
    ok = caller.response(worker)
    assert media_line(ok.body).split()[1] == "21804"
    caller.request("ACK", offer(formats="0 101", version=2))
    assert _agreed(worker.wait(UaNegotiated)).codec == "PCMU"
    hung_up(worker, caller, invite.leg)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
        ("application/dtmf", "5"),
    ],
)
def test_digit_by_info(worker: WorkerProcess, peer: MakePeer, content_type: str, body: str) -> None:
    """Both kinds of INFO are answered 200 and reported as one digit."""
    caller = peer()
    leg = answered(worker, caller)
    caller.request("INFO", body, content_type=content_type)
    assert caller.response(worker).status == 200
    assert worker.wait(UaDigit).digit == "5"
    hung_up(worker, caller, leg)
    assert not any(isinstance(message, UaDigit) for message in worker.pending)


def test_options(worker: WorkerProcess, peer: MakePeer) -> None:
    """OPTIONS is answered 200 and says what we can do."""
    caller = peer()
    caller.request("OPTIONS")
    response = caller.response(worker)
    assert response.status == 200
    assert "INVITE" in response.header("Allow")
    assert "application/sdp" in response.header("Accept")
    assert "replaces" in response.header("Supported")


def test_session_progress_has_no_sdp(worker: WorkerProcess, peer: MakePeer) -> None:
    """A wish for 183 is met with 180: no response shows an address that is not media's."""
    caller = peer()
    caller.request("INVITE", offer())
    leg = worker.wait(UaInvite).leg
    worker.send(UaRinging(leg, 183))
    progress = caller.response(worker, final=False)
    assert (progress.status, progress.body) == (180, "")
    worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
    assert "m=audio 21800" in caller.response(worker).body
    caller.request("ACK")
    hung_up(worker, caller, leg)
