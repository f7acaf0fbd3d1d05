from __future__ import annotations

import json

import pytest

from edge.ua.extensions import granted, refresher, refuse
from edge.ua.sip_text import SipText, parse_message
from edge.ua.terms import USUAL, Terms, TermsBook, TrunkTerms, UaTerms
from media.config.trunks import OnOff, Refresher
from media.messages import from_wire, to_wire

pytestmark = pytest.mark.unit

STRICT = Terms(OnOff.REQUIRED, 600, 300, Refresher.UAS, OnOff.REQUIRED)
OFF = Terms(session_timers=OnOff.OFF, rel100=OnOff.OFF)
RULES = UaTerms(
    {
        "strict": TrunkTerms(STRICT, ("192.0.2.0/24",)),
        "plain": TrunkTerms(OFF, ("192.0.2.9",)),
        "pbx": TrunkTerms(OFF, (), "pbx"),
        "both": TrunkTerms(STRICT, ("198.51.100.1",), "both"),
        "line": TrunkTerms(OFF),
    },
    {"t0ken": "line"},
    {"203.0.113.1": "line"},
)


def _invite(*headers: str, uri: str = "sip:100@192.0.2.200") -> SipText:
    lines = [f"INVITE {uri} SIP/2.0", "Via: SIP/2.0/UDP a;branch=z9hG4bK1", "Call-ID: c", *headers]
    return parse_message("\r\n".join(lines) + "\r\n\r\n")


def _book(rules: UaTerms = RULES, *, behind_front: bool = False) -> TermsBook:
    book = TermsBook(behind_front=behind_front)
    sent = from_wire(json.loads(json.dumps(to_wire(rules))))
    assert isinstance(sent, UaTerms)
    book.set_rules(sent)
    return book


@pytest.mark.parametrize(
    ("source", "invite", "terms"),
    [
        ("192.0.2.1:5060", _invite(), STRICT),
        ("192.0.2.9:5060", _invite(), OFF),
        ("203.0.113.1:5060", _invite(), OFF),
        ("203.0.113.2:5060", _invite(), USUAL),
        ("203.0.113.2:5060", _invite(uri="sip:us@192.0.2.200;line=t0ken"), OFF),
        ("[2001:db8::1]:5060", _invite(), USUAL),
        ("203.0.113.2:5060", _invite('Authorization: Digest username="pbx", nonce="x"'), OFF),
        ("203.0.113.2:5060", _invite('Proxy-Authorization: Digest username="pbx"'), OFF),
        ("203.0.113.2:5060", _invite('Authorization: Digest username="nobody"'), USUAL),
        ("198.51.100.1:5060", _invite(), STRICT),
        ("198.51.100.1:5060", _invite('Authorization: Digest username="pbx"'), OFF),
        ("192.0.2.1:5060", _invite('Authorization: Digest username="pbx"'), STRICT),
        ("192.0.2.1:5060", _invite("X-Cordboard-Identity: trunk:plain"), STRICT),
    ],
)
def test_whose_terms_a_call_comes_in_on(source: str, invite: SipText, terms: Terms) -> None:
    """Token, most specific network, server, then the user who is named; strangers get the usual."""
    assert _book().of(invite, source) == terms


@pytest.mark.parametrize(
    ("headers", "terms"),
    [
        ((), USUAL),
        (("X-Cordboard-Source: 192.0.2.9:5060;transport=udp",), OFF),
        (("X-Cordboard-Identity: trunk:strict", "X-Cordboard-Source: 192.0.2.9:5060"), STRICT),
        (("X-Cordboard-Identity: phone:anna", "X-Cordboard-Source: 192.0.2.9:5060"), USUAL),
        (("X-Cordboard-Identity: trunk:gone",), USUAL),
    ],
)
def test_the_front_says_whose_call_it_is(headers: tuple[str, ...], terms: Terms) -> None:
    """Behind the front its headers count, not the datagram's own source."""
    assert _book(behind_front=True).of(_invite(*headers), "127.0.0.1:5062") == terms


def test_a_reload_replaces_all_terms() -> None:
    """A trunk that is gone has no terms any more, one that changed has the new ones."""
    book = _book()
    book.set_rules(UaTerms({"strict": TrunkTerms(OFF, ("192.0.2.0/24",))}))
    assert book.of(_invite(), "192.0.2.1:5060") == OFF
    assert book.of(_invite(uri="sip:us@x;line=t0ken"), "203.0.113.1:5060") == USUAL


@pytest.mark.parametrize(
    ("terms", "headers", "answer"),
    [
        (USUAL, (), None),
        (USUAL, ("Require: timer, 100rel",), None),
        (USUAL, ("Supported: timer", "Session-Expires: 90"), None),
        (USUAL, ("Supported: timer", "Session-Expires: 89"), (422, "Min-SE", "90")),
        (OFF, ("Supported: timer, 100rel", "Session-Expires: 30"), None),
        (OFF, ("Require: Timer,100rel",), (420, "Unsupported", "100rel, timer")),
        (OFF, ("Require: timer",), (420, "Unsupported", "timer")),
        (STRICT, (), (421, "Require", "100rel, timer")),
        (STRICT, ("Supported: timer",), (421, "Require", "100rel")),
        (STRICT, ("k: timer, 100rel",), None),
        (STRICT, ("Require: 100rel", "Supported: timer", "x: 300"), None),
        (STRICT, ("Supported: timer, 100rel", "x: 299;refresher=uac"), (422, "Min-SE", "300")),
        (Terms(min_s=300), ("Session-Expires: 299",), None),
        (Terms(min_s=300), ("Supported: timer", "Session-Expires: often"), None),
    ],
)
def test_what_does_not_meet_the_terms_is_refused(
    terms: Terms, headers: tuple[str, ...], answer: tuple[int, str, str] | None
) -> None:
    """420, 421 and 422 name what is wrong; who has no timers is not asked for longer ones."""
    refused = refuse(_invite(*headers), terms)
    if answer is None:
        assert refused is None
        return
    assert refused is not None
    assert (refused[0].status, refused[0].headers) == (answer[0], (answer[1:],))


@pytest.mark.parametrize(
    ("headers", "asked_s", "most_s", "given_s"),
    [
        ((), 3_600, 1_800, 1_800),
        ((), 600, 1_800, 600),
        (("Min-SE: 2000",), 3_600, 1_800, 2_000),
        (("Min-SE: 5000",), 3_600, 1_800, 3_600),
        (("Min-SE: 60",), 3_600, 60, 90),
        ((), 30, 1_800, 90),
    ],
)
def test_a_session_is_as_long_as_both_sides_let_it(
    headers: tuple[str, ...], asked_s: int, most_s: int, given_s: int
) -> None:
    """More than the trunk's is shortened, not below the caller's Min-SE, and never below 90 s."""
    assert granted(_invite(*headers), asked_s, most_s) == given_s


@pytest.mark.parametrize(
    ("wanted", "headers", "chosen"),
    [
        (Refresher.AUTO, ("Supported: timer", "Session-Expires: 90"), b""),
        (Refresher.UAS, ("Supported: timer", "Session-Expires: 90"), b"uas"),
        (Refresher.UAC, ("Supported: timer", "Session-Expires: 90"), b"uac"),
        (Refresher.UAC, ("Session-Expires: 90",), b""),
        (Refresher.UAS, ("Supported: timer", "x: 90;Refresher=uac"), b""),
    ],
)
def test_who_refreshes(wanted: Refresher, headers: tuple[str, ...], chosen: bytes) -> None:
    """The caller's word counts; the trunk decides what it leaves open."""
    assert refresher(_invite(*headers), Terms(refresher=wanted)) == chosen
