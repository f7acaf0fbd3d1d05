from __future__ import annotations

import pytest

from edge.ua.faults import answer_unparsed, find_fault
from edge.ua.screen import Load, Refused, Screen
from edge.ua.sip_text import parse_message
from edge.ua.terms import Terms
from media.config.trunks import Srtp

pytestmark = pytest.mark.unit

SDP = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = SDP + "m=audio 4000 RTP/AVP 0\r\n"
SOURCE = "192.0.2.1:5060"


def _request(
    method: str = "INVITE",
    body: str = "",
    *more: str,
    kind: str = "application/sdp",
    to_tag: str = "",
    cseq: str = "",
    call_id: str = "c1",
    uri: str = "sip:100@192.0.2.9",
) -> str:
    lines = [
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:a@192.0.2.1>;tag=1",
        f"To: <sip:100@192.0.2.9>{';tag=' + to_tag if to_tag else ''}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq or '1 ' + method}",
        *more,
    ]
    if body:
        lines.append(f"Content-Type: {kind}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines) + "\r\n\r\n" + body


class Rig:
    """A screen with a load that the test sets."""

    def __init__(self, load: Load | None = None) -> None:
        self.load = load or Load(callers=3)
        self.terms = Terms()
        self.refused: list[Refused] = []
        self.screen = Screen(
            lambda: self.load,
            lambda call_id: call_id == "known",
            lambda call_id: Srtp.OFF if call_id == "known" else None,
            self.refused.append,
            lambda text, source: self.terms,
        )

    def status(self, message: str) -> int:
        """Return the status of the answer, 0 where pjsua2 is to answer."""
        response = self.screen.decide(message, SOURCE)
        return 0 if response is None else response.status


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (_request(body=AUDIO), 0),
        (_request(), 0),
        (_request(body=SDP + "m=video 4000 RTP/AVP 96\r\n"), 488),
        (_request(body=SDP + "m=audio 4000 RTP/AVP 18\r\n"), 488),
        (_request("INVITE", AUDIO, "Content-Encoding: gzip"), 415),
        (_request(body="nonsense"), 400),
        (_request("OPTIONS"), 0),
        (_request("REGISTER"), 405),
        (_request("REFER"), 405),
        (_request("DANCE"), 501),
        (_request("BYE"), 0),
        (_request("ACK", AUDIO), 0),
        (_request("CANCEL"), 0),
        (_request("OPTIONS", "", "Require: telepathy"), 420),
        (_request("INVITE", AUDIO, "Require: telepathy"), 0),
        (_request("INVITE", AUDIO, "Accept: text/plain"), 406),
        (_request("INVITE", AUDIO, "Accept: application/sdp, text/plain"), 0),
        (_request(uri="soap.beep://192.0.2.9"), 416),
        (_request(uri="tel:+4930123"), 0),
        (_request(cseq="1 OPTIONS"), 400),
        (_request("INVITE", "", "Call-ID: c2"), 400),
        (_request().replace("Content-Length: 0", "Content-Length: 9"), 400),
        (_request("INVITE", AUDIO) + "noise after the body", 0),
    ],
)
def test_requests_outside_dialogs(message: str, status: int) -> None:
    """Each request is answered as the table in the module says, or left to pjsua2."""
    rig = Rig()
    assert rig.status(message) == status
    assert bool(rig.refused) is (status > 0 and message.startswith("INVITE "))


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (_request(body=AUDIO, to_tag="2", call_id="known"), 0),
        (_request(body="nonsense", to_tag="2", call_id="known"), 400),
        (_request("UPDATE", SDP + "m=audio 4000 RTP/AVP 18\r\n", to_tag="2", call_id="known"), 488),
        (_request("OPTIONS", to_tag="2", call_id="known"), 200),
        (_request("INFO", to_tag="2", call_id="known"), 200),
        (_request("INFO", "5", kind="application/dtmf", to_tag="2", call_id="known"), 0),
        (_request("INFO", "5", kind="text/plain", to_tag="2", call_id="known"), 415),
        (_request("INFO", "5", "Info-Package: x", to_tag="2", call_id="known"), 469),
        (_request("DANCE", to_tag="2", call_id="known"), 501),
        (_request("OPTIONS", to_tag="2", call_id="unknown"), 0),
        (_request(body="nonsense", to_tag="2", call_id="unknown"), 0),
    ],
)
def test_requests_inside_dialogs(message: str, status: int) -> None:
    """Requests of a dialog that is known are answered; 481 is left to pjsip."""
    rig = Rig()
    assert rig.status(message) == status
    assert not rig.refused


def test_full_and_draining() -> None:
    """A full worker refuses INVITEs only, one that drains says so to OPTIONS, too."""
    rig = Rig(Load(3, full=True, retry_after_s=7))
    response = rig.screen.decide(_request(body=AUDIO), SOURCE)
    assert response is not None
    assert (response.status, response.headers) == (503, (("Retry-After", "7"),))
    assert rig.status(_request("OPTIONS")) == 0
    assert (
        rig.status(_request("INVITE", AUDIO, "Replaces: a;to-tag=1;from-tag=2", call_id="r")) == 0
    )
    rig.load = Load(0, full=True)
    assert rig.status(_request("OPTIONS", call_id="o")) == 503
    assert [each.status for each in rig.refused] == [503]


def test_a_repeated_invite_gets_the_same_answer_and_is_told_once() -> None:
    """The answer stays when a line has become free meanwhile."""
    rig = Rig(Load(3, full=True))
    assert rig.status(_request(body=AUDIO)) == 503
    rig.load = Load(3)
    assert rig.status(_request(body=AUDIO)) == 503
    assert len(rig.refused) == 1


def test_requests_out_of_order() -> None:
    """A lower CSeq in a dialog gets 500, an equal or higher one goes on (RFC 3261 12.2.2)."""
    rig = Rig()
    assert rig.status(_request(cseq="7 INVITE", call_id="known")) == 0
    assert rig.status(_request("BYE", cseq="6 BYE", call_id="known", to_tag="2")) == 500
    assert rig.status(_request("BYE", cseq="7 BYE", call_id="known", to_tag="2")) == 0
    assert rig.status(_request("BYE", cseq="8 BYE", call_id="known", to_tag="2")) == 0
    assert rig.status(_request("BYE", cseq="99999999999 BYE", call_id="known", to_tag="2")) == 0


def test_fault_names_what_is_doubled() -> None:
    """The Warning of a 400 says what is wrong."""
    message = _request("OPTIONS", "", "t: <sip:b@192.0.2.9>")
    fault = find_fault(message, parse_message(message))
    assert fault is not None
    assert fault.headers == (("Warning", '399 cordboard "more than one to"'),)


@pytest.mark.parametrize(
    ("message", "start"),
    [
        (
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nCSeq: x\r\n\r\n",
            "SIP/2.0 400 Bad Request",
        ),
        (
            "INVITE sip:a@b SIP/7.0\r\nVia: SIP/7.0/UDP x\r\n\r\n",
            "SIP/2.0 505 Version Not Supported",
        ),
        ("OPTIONS x:y SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n", "SIP/2.0 416 Unsupported URI Scheme"),
        ("DANCE sip:a SIP/2.0\r\nv: SIP/2.0/UDP x\r\n\r\n", "SIP/2.0 501 Not Implemented"),
        ("REGISTER sip:a SIP/2.0\r\nv: SIP/2.0/UDP x\r\n\r\n", "SIP/2.0 405 Method Not Allowed"),
        ("ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n", None),
        ("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n", None),
        ("INVITE sip:a SIP/2.0\r\nTo: x\r\n\r\n", None),
        ("", None),
        ("\0\0\0", None),
        ("GET / HTTP/1.1\r\nVia: x\r\n\r\n", None),
    ],
)
def test_answers_to_what_cannot_be_parsed(message: str, start: str | None) -> None:
    """What can be answered is, with the headers that can be copied; the rest stays unanswered."""
    answer = answer_unparsed(message)
    assert (answer.split("\r\n")[0] if answer else None) == start


def test_control_characters_are_not_copied() -> None:
    """A header with control characters never comes back."""
    answer = answer_unparsed(
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nTo: \x07\x00\r\nFrom: y\r\n\r\n"
    )
    assert answer is not None
    assert "To:" not in answer
    assert "From: y" in answer
