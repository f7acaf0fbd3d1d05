"""a=crypto lines: parsed, chosen, answered, agreed on; and when keys change."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sdp import LocalAudio, SdpError, agreed, check_offer, parse, rewrite
from edge.sdp_crypto import SUITES, LocalSrtp, parse_crypto, take_offer
from edge.ua.keying import Keying
from edge.ua.shown import shown
from media.config.trunks import Srtp
from media.srtp_keys import KEY_OCTETS, derive_key

pytestmark = pytest.mark.unit

_80, _32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
SECRET = "secret of a stream"
OURS = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 {} 0\r\na=sendrecv\r\n"


def _key(fill: int = 1, octets: int = 30) -> str:
    return base64.b64encode(bytes([fill]) * octets).decode()


def _line(tag: int = 1, suite: str = _80, key: str = _key(), more: str = "") -> str:
    return f"a=crypto:{tag} {suite} inline:{key}{more}"


def _sdp(protocol: str, *lines: str, port: int = 5_004, address: str = "192.0.2.1") -> str:
    head = f"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    return head + "\r\n".join([f"m=audio {port} {protocol} 0", *lines]) + "\r\n"


def _local(policy: Srtp = Srtp.OPTIONAL, generation: int = 1) -> LocalAudio:
    return LocalAudio("10.0.0.5", 16_384, srtp=LocalSrtp(policy, SECRET, generation))


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        (f"1 {_80} inline:{_key()}", True),
        (f"1 {_80.lower()} inline:{_key()}", True),
        (f"1  {_32}  inline:{_key()}|2^48 ", True),
        (f"1 {_80} inline:{_key()}|1000000 WSH=128 -PRIVATE KDR=0 FEC_ORDER=FEC_SRTP", True),
        (f"1 {_80} inline:{_key()}|2^20|1:4", False),
        (f"1 {_80} inline:{_key()}|1:4", False),
        (f"1 {_80} inline:{_key()}|2^20|1:4;inline:{_key(2)}|2^20|2:4", False),
        (f"1 {_80} inline:{_key()} KDR=1", False),
        (f"1 {_80} inline:{_key()} UNAUTHENTICATED_SRTP", False),
        (f"1 AEAD_AES_256_GCM inline:{_key(1, 44)}", False),
        ("1 F8_128_HMAC_SHA1_80 inline:anything", False),
    ],
)
def test_lines_that_could_be_used(value: str, usable: bool) -> None:
    """Suites, keys with identifiers and parameters that are not ours are passed over."""
    assert (parse_crypto(value) is not None) is usable


@pytest.mark.parametrize(
    "value",
    [
        *("", "1", f"1 {_80}", f"x {_80} inline:{_key()}", f"01 {_80} inline:{_key()}"),
        *(f"1 {_80} outline:{_key()}", f"1 {_80} inline:", f"1 {_80} inline:???"),
        *(f"1 {_80} inline:{_key(1, 29)}", f"1 {_80} inline:{_key(1, 31)}"),
    ],
)
def test_broken_lines_are_488(value: str) -> None:
    """No tag, no key, a key that does not fit its suite."""
    with pytest.raises(SdpError) as raised:
        parse_crypto(value)
    assert raised.value.sip_status == 488


@given(
    st.one_of(
        st.text(max_size=200),
        st.builds(
            "{} {} inline:{}{}".format,
            st.integers(-1, 10**10),
            st.sampled_from([*SUITES, "F8_128_HMAC_SHA1_80"]),
            st.binary(min_size=29, max_size=31).map(lambda key: base64.b64encode(key).decode()),
            st.one_of(st.just(""), st.text(max_size=20), st.sampled_from(["|2^20", "|1:1", " X"])),
        ),
    )
)
def test_nothing_but_an_sdp_error_is_raised(value: str) -> None:
    """Whatever stands in the attribute: a line that is taken has a key that fits its suite."""
    with contextlib.suppress(SdpError):
        taken = parse_crypto(value)
        if taken is not None:
            assert taken.suite in SUITES and taken.tag >= 0
            assert len(base64.b64decode(taken.key, validate=True)) == KEY_OCTETS[taken.suite]


@pytest.mark.parametrize(
    ("policy", "protocol", "lines", "expected"),
    [
        (Srtp.OFF, "RTP/AVP", (), "plain"),
        (Srtp.OFF, "RTP/AVP", (_line(),), "plain"),
        (Srtp.OFF, "RTP/AVP", ("a=crypto:x",), "plain"),
        (Srtp.OFF, "RTP/SAVP", (_line(),), "refused"),
        (Srtp.OPTIONAL, "RTP/AVP", (), "plain"),
        (Srtp.OPTIONAL, "RTP/AVP", (_line(),), "encrypted"),
        (Srtp.OPTIONAL, "RTP/AVP", ("a=crypto:x",), "plain"),
        (Srtp.OPTIONAL, "RTP/SAVP", (_line(),), "encrypted"),
        (Srtp.OPTIONAL, "RTP/SAVP", (), "refused"),
        (Srtp.REQUIRED, "RTP/AVP", (), "refused"),
        (Srtp.REQUIRED, "RTP/AVP", (_line(),), "encrypted"),
        (Srtp.REQUIRED, "RTP/SAVPF", (_line(),), "encrypted"),
        (Srtp.REQUIRED, "RTP/SAVP", ("a=crypto:x", _line(2)), "refused"),
        (None, "RTP/SAVP", (_line(),), "encrypted"),
        (None, "RTP/AVP", (), "plain"),
        (None, "UDP/TLS/RTP/SAVP", (_line(),), "refused"),
    ],
)
def test_what_a_trunk_takes(
    policy: Srtp | None, protocol: str, lines: tuple[str, ...], expected: str
) -> None:
    """The table of the module."""
    offer = parse(_sdp(protocol, *lines))
    if expected == "refused":
        with pytest.raises(SdpError) as raised:
            check_offer(offer, ("PCMU",), policy)
        assert raised.value.sip_status == 488
        assert raised.value.headers()["Warning"][:14] in ("302 cordboard ", "399 cordboard ")
        return
    assert check_offer(offer, ("PCMU",), policy) == "PCMU"
    assert (take_offer(offer.audio(), policy) is not None) is (expected == "encrypted")


def test_an_answer_repeats_the_tag_and_shows_a_key_of_ours() -> None:
    """The first line of the offer that is ours is taken, in the offerer's order."""
    offer = parse(_sdp("RTP/SAVP", _line(3, "UNKNOWN"), _line(4, _32), _line(5, _80)))
    text = rewrite(OURS.format("RTP/SAVP"), _local(), offer)
    assert "m=audio 16384 RTP/SAVP 0\r\n" in text
    assert f"a=crypto:4 {_32} inline:{derive_key(SECRET, _32, 1)}\r\n" in text
    assert text.count("a=crypto") == 1
    assert SECRET not in text


@pytest.mark.parametrize(
    ("policy", "written", "protocol"),
    [
        (Srtp.REQUIRED, "RTP/AVP", "RTP/SAVP"),
        (Srtp.OPTIONAL, "RTP/AVP", "RTP/AVP"),
        (Srtp.OPTIONAL, "RTP/SAVP", "RTP/SAVP"),
    ],
)
def test_our_offers(policy: Srtp, written: str, protocol: str) -> None:
    """Both suites, each with a key of its own; optional keeps to what was agreed before."""
    text = rewrite(OURS.format(written), _local(policy, 7), None)
    assert f"m=audio 16384 {protocol} 0 8 101\r\n" in text
    for tag, suite in ((1, _80), (2, _32)):
        assert f"a=crypto:{tag} {suite} inline:{derive_key(SECRET, suite, 7)}\r\n" in text


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP"])
def test_both_keys_are_agreed_whoever_offered(protocol: str) -> None:
    """The line of the answer tells which of the offer's is meant, by its tag."""
    one = _sdp(protocol, _line(1, _80, _key(1)), _line(2, _32, _key(2)))
    two = _sdp(protocol, _line(2, _32, _key(3)))
    for ours, theirs, keys in ((one, two, (2, 3)), (two, one, (3, 2))):
        found = agreed(ours, theirs)
        assert found.srtp_suite == _32
        assert (found.srtp_local_key, found.srtp_remote_key) == (_key(keys[0]), _key(keys[1]))
        assert _key(keys[0]) not in repr(found)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (_sdp("RTP/SAVP", _line()), _sdp("RTP/AVP")),
        (_sdp("RTP/SAVP", _line()), _sdp("RTP/SAVP", _line(2))),
        (_sdp("RTP/SAVP", _line()), _sdp("RTP/SAVP", _line(1, _32))),
        (_sdp("RTP/AVP"), _sdp("RTP/SAVP", _line())),
        (_sdp("RTP/AVP", _line()), _sdp("RTP/AVP", _line(2))),
        (_sdp("RTP/AVP", _line()), _sdp("RTP/AVP", "a=crypto:x")),
    ],
)
def test_lines_that_do_not_fit_are_no_agreement(ours: str, theirs: str) -> None:
    """Neither noise nor the clear comes of a misunderstanding."""
    with pytest.raises(SdpError) as raised:
        agreed(ours, theirs)
    assert raised.value.sip_status == 488


def test_best_effort_without_an_answer_is_plain() -> None:
    """RTP/AVP with a=crypto that is answered without: plain RTP."""
    assert agreed(_sdp("RTP/AVP", _line()), _sdp("RTP/AVP")).srtp_suite is None
    assert agreed(_sdp("RTP/AVP"), _sdp("RTP/AVP", _line())).srtp_suite is None


def _generations(*steps: tuple[str, str | None]) -> list[int]:
    """Return the generation of our keys after each step: what happens, and the peer's SDP."""
    keying, made = Keying(), []
    for what, text in steps:
        remote = parse(text) if text is not None else None
        if what == "late":
            keying.receive_offerless()
        audio = keying.keyed(_local(), remote if what == "offered" else None)
        if what != "offered" and text is not None:
            keying.agree(_local(), text)
        assert audio.srtp is not None
        made.append(audio.srtp.generation)
    return made


def test_keys_stay_with_the_same_peer() -> None:
    """Repeated answers, refreshes, holds of either kind, our own offers."""
    same = _sdp("RTP/SAVP", _line())
    held = _sdp("RTP/SAVP", _line(), "a=sendonly")
    old_hold = _sdp("RTP/SAVP", _line(), address="0.0.0.0")
    steps = [("offered", each) for each in (same, same, held, old_hold, same)]
    assert _generations(*steps, ("ours", same), ("offered", same)) == [1] * 7


def test_keys_change_with_the_peer() -> None:
    """Another key, another place, another side behind a late offer; and back is not back."""
    one, two = _sdp("RTP/SAVP", _line()), _sdp("RTP/SAVP", _line(1, _80, _key(2)))
    moved = _sdp("RTP/SAVP", _line(1, _80, _key(2)), port=6_000)
    steps = [("offered", each) for each in (one, two, moved, one)]
    assert _generations(*steps, ("late", one), ("ours", one)) == [1, 2, 3, 4, 5, 5]
    assert _generations(("late", one), ("late", two)) == [1, 2]


def test_what_pjsip_is_shown() -> None:
    """Lines that we pass over are no a=crypto to pjsip, and nothing changes its length."""
    body = _sdp("RTP/AVP", _line(1, "UNKNOWN"), "a=crypto:x", _line(2))
    message = f"INVITE sip:a SIP/2.0\r\nX: a=crypto:x\r\n\r\n{body}".encode()
    seen = shown(message)
    assert seen is not None
    assert len(seen) == len(message)
    assert seen.count(b"a=unused:") == 2
    assert _line(2).encode() in seen
    assert b"X: a=crypto:x" in seen
    assert shown(message.replace(b"a=crypto:", b"a=unused:")) is None
    assert shown(f"INVITE sip:a SIP/2.0\r\n\r\n{_sdp('RTP/SAVP', _line())}".encode()) is None


def test_pjsip_is_shown_the_first_audio_only() -> None:
    """An encrypted section after a plain one is declined for it; the other way round it is not."""
    for first, second in (("RTP/AVP", "RTP/SAVP"), ("RTP/SAVP", "RTP/AVP")):
        body = _sdp(first, *([_line()] if first == "RTP/SAVP" else []))
        message = f"INVITE sip:a SIP/2.0\r\n\r\n{body}m=audio 6000 {second} 0\r\n{_line()}\r\n"
        seen = (shown(message.encode()) or message.encode()).decode()
        assert f"m=audio 5004 {first} 0" in seen
        assert (f"m=audio 0000 {second} 0" in seen) is (second == "RTP/SAVP")


@given(st.binary(max_size=400))
def test_pjsip_is_shown_as_many_octets(octets: bytes) -> None:
    """Whatever comes: never another length, never an exception."""
    message = octets + b"\r\n\r\nm=audio 1 RTP/AVP 0\r\na=crypto:" + octets
    seen = shown(message)
    assert seen is None or len(seen) == len(message)
