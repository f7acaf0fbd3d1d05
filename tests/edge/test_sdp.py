from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sdp import (
    LocalAudio,
    SdpError,
    agreed,
    check_offer,
    decline,
    describe,
    hide_ip6,
    parse,
    rewrite,
)
from media.messages import Direction

pytestmark = pytest.mark.unit

PJSUA = (
    "v=0\r\no=- 40 41 IN IP4 127.0.0.1\r\ns=pjmedia\r\nb=AS:84\r\nt=0 0\r\na=X-nat:0\r\n"
    "m=audio 40000 RTP/AVP 0 8 120\r\nc=IN IP4 127.0.0.1\r\nb=TIAS:64000\r\n"
    "a=rtcp:40001 IN IP4 127.0.0.1\r\na=recvonly\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:120 telephone-event/8000\r\na=ssrc:9 cname:x\r\n"
)
LOCAL = LocalAudio("10.0.0.5", 16_384)


def _sdp(
    formats: str = "0 8 101",
    *lines: str,
    address: str = "192.0.2.1",
    port: int = 5_004,
    protocol: str = "RTP/AVP",
) -> str:
    head = f"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    media = [f"m=audio {port} {protocol} {formats}", "a=rtpmap:101 telephone-event/8000", *lines]
    return head + "\r\n".join(media) + "\r\n"


def test_answer_points_at_media_and_repeats_the_offerers_numbers() -> None:
    """A rewritten answer has media's address, one codec, the offer's DTMF, and pjsua2's origin."""
    offer = parse(_sdp("8 97 0", "a=rtpmap:97 telephone-event/8000"))
    text = rewrite(PJSUA, LOCAL, offer)
    assert "m=audio 16384 RTP/AVP 0 97\r\n" in text
    assert "c=IN IP4 10.0.0.5\r\n" in text
    assert "o=- 40 41 IN IP4 127.0.0.1\r\n" in text
    assert "a=recvonly\r\n" in text
    for unwanted in ("b=", "X-nat", "a=rtcp", "ssrc", "40000"):
        assert unwanted not in text


def test_offer_lists_our_codecs_in_order() -> None:
    """A rewritten offer has every codec in our order and telephone-event, or not, as configured."""
    text = rewrite(PJSUA, LocalAudio("10.0.0.5", 16_384, ("PCMA", "PCMU")), None)
    assert "m=audio 16384 RTP/AVP 8 0 101\r\n" in text
    without = rewrite(PJSUA, LocalAudio("::1", 16_384, dtmf_payload_type=None), None)
    assert "telephone-event" not in without
    assert "c=IN IP6 ::1\r\n" in without


def test_an_ip6_address_is_hidden_from_pjsip_and_read_again() -> None:
    """c= holds a stand-in of IPv4 and the address an attribute, which counts for parse()."""
    hidden = hide_ip6(rewrite(PJSUA, LocalAudio("2001:db8::7", 16_384), None))
    assert "IP6" not in hidden
    assert parse(hidden).audio().address == "2001:db8::7"
    assert hide_ip6(rewrite(PJSUA, LOCAL, None)) == rewrite(PJSUA, LOCAL, None)
    offer = _sdp("0", "c=IN IP4 192.0.2.6", "a=x-cordboard-ip6:2001:db8::9")
    assert agreed(hidden, offer).remote_address == "2001:db8::9"
    held = _sdp("0", "c=IN IP4 192.0.2.6", "a=x-cordboard-ip6:::")
    assert agreed(hidden, held).direction is Direction.RECVONLY


def test_other_sections_are_declined() -> None:
    """A video section keeps its place with port 0 and the maps of its payload types."""
    text = rewrite(PJSUA + "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", LOCAL, None)
    assert text.endswith("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n")
    assert [each.port for each in parse(text).media] == [16_384, 0]


def test_declined_description_has_no_address() -> None:
    """decline() leaves no port and no address."""
    declined = decline(PJSUA)
    assert "40000" not in declined
    assert all(each.port == 0 for each in parse(declined).media)


@pytest.mark.parametrize(
    ("text", "status", "warning"),
    [
        (_sdp("9 18"), 488, "305"),
        (_sdp("96", "a=rtpmap:96 PCMU/16000"), 488, "305"),
        (_sdp("96", "a=rtpmap:96 PCMU/8000/2"), 488, "305"),
        (_sdp("0", "a=rtpmap:0 L16/44100"), 488, "305"),
        (_sdp(port=0), 488, "304"),
        (_sdp().replace("m=audio", "m=video"), 488, "304"),
        (_sdp(protocol="RTP/SAVP"), 488, "302"),
        (_sdp().replace("c=IN IP4 192.0.2.1\r\n", ""), 400, ""),
    ],
)
def test_offer_that_cannot_be_met(text: str, status: int, warning: str) -> None:
    """check_offer says with which status and warning an offer is refused."""
    with pytest.raises(SdpError) as raised:
        check_offer(parse(text), ("PCMU", "PCMA"))
    assert raised.value.sip_status == status
    assert raised.value.warning[:3] == warning


def test_codec_by_our_order() -> None:
    """The first of our codecs that is offered is chosen, also under a dynamic payload type."""
    assert check_offer(parse(_sdp("8 0")), ("PCMU", "PCMA")) == "PCMU"
    assert check_offer(parse(_sdp("8 0")), ("PCMA", "PCMU")) == "PCMA"
    dynamic = _sdp("96", "a=rtpmap:96 pcma/8000/1")
    assert check_offer(parse(dynamic), ("PCMU", "PCMA")) == "PCMA"


@pytest.mark.parametrize(
    ("lines", "ptime_ms", "rtcp_port"),
    [
        ((), 20, 5_005),
        (("a=ptime:40",), 40, 5_005),
        (("a=ptime:5",), 10, 5_005),
        (("a=ptime:200", "a=rtcp:5555"), 60, 5_555),
        (("a=maxptime:10", "a=rtcp:6000 IN IP4 192.0.2.9"), 10, 6_000),
        (("a=ptime:25", "a=rtcp:x"), 20, 5_005),
        (("a=ptime:0", "a=rtcp:0"), 20, 5_005),
        (("a=ptime:none",), 20, 5_005),
    ],
)
def test_packet_time_and_rtcp_port(lines: tuple[str, ...], ptime_ms: int, rtcp_port: int) -> None:
    """Packet time is 10 to 60 ms in tens; RTCP goes to a=rtcp or to the port above."""
    parameters = agreed(_sdp("0 101"), _sdp("0 101", *lines))
    assert (parameters.ptime_ms, parameters.remote_rtcp_port) == (ptime_ms, rtcp_port)


@pytest.mark.parametrize("ours", list(Direction))
@pytest.mark.parametrize("theirs", list(Direction))
@pytest.mark.parametrize("held", [False, True])
def test_direction(ours: Direction, theirs: Direction, held: bool) -> None:
    """We send only if both agree and there is an address; we receive only if both agree."""
    address = "0.0.0.0" if held else "192.0.2.1"
    parameters = agreed(_sdp("0", f"a={ours}"), _sdp("0", f"a={theirs}", address=address))
    sends = ours in ("sendrecv", "sendonly") and theirs in ("sendrecv", "recvonly") and not held
    receives = ours in ("sendrecv", "recvonly") and theirs in ("sendrecv", "sendonly")
    expected = {
        (True, True): Direction.SENDRECV,
        (True, False): Direction.SENDONLY,
        (False, True): Direction.RECVONLY,
        (False, False): Direction.INACTIVE,
    }[sends, receives]
    assert parameters.direction is expected


def test_agreed_codec_and_extras() -> None:
    """What is agreed is what both name, under the peer's payload types."""
    remote = _sdp("8 13 96 0", "a=rtpmap:96 telephone-event/8000", "c=IN IP4 198.51.100.7")
    parameters = agreed(_sdp("0 8 101"), remote)
    assert (parameters.codec, parameters.payload_type) == ("PCMA", 8)
    assert parameters.dtmf_payload_type == 96
    assert parameters.comfort_noise_payload_type is None
    assert parameters.remote_address == "198.51.100.7"
    assert agreed(_sdp("0 13"), _sdp("0 13")).comfort_noise_payload_type == 13


@pytest.mark.parametrize(
    ("local", "remote"),
    [
        (_sdp(port=0), _sdp()),
        (_sdp(), _sdp(port=0)),
        (_sdp("0"), _sdp("8")),
        (_sdp("9"), _sdp("9")),
    ],
)
def test_round_without_audio(local: str, remote: str) -> None:
    """A round that leaves no common audio is an error with 488."""
    with pytest.raises(SdpError) as raised:
        agreed(local, remote)
    assert raised.value.sip_status == 488


def test_session_level_direction_is_inherited() -> None:
    """A direction before the first m= line holds for sections without their own."""
    text = _sdp("0").replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n")
    assert parse(text).audio().direction is Direction.SENDONLY


def test_described_stream_round_trips() -> None:
    """What describe() writes is agreed upon like the peer's own words."""
    text = describe("192.0.2.4:7000", "PCMA", 8, 101, Direction.SENDONLY)
    parameters = agreed(_sdp("0 8 101"), text)
    assert (parameters.remote_address, parameters.remote_port) == ("192.0.2.4", 7_000)
    assert (parameters.codec, parameters.dtmf_payload_type) == ("PCMA", 101)
    assert parameters.direction is Direction.RECVONLY


def _check_every_use(text: str) -> None:
    """Use a description in every way: it is refused, or what comes of it is sound."""
    with contextlib.suppress(SdpError):
        described = parse(text)
        codec = check_offer(described, ("PCMU", "PCMA"))
        assert codec in described.audio().encodings().values()
    with contextlib.suppress(SdpError):
        parameters = agreed(_sdp(), text)
        assert parameters.codec in ("PCMU", "PCMA")
        assert 0 < parameters.remote_port < 65_536 and 0 < parameters.remote_rtcp_port < 65_536
        assert 0 <= parameters.payload_type < 128 and parameters.ptime_ms in range(10, 70, 10)
    with contextlib.suppress(SdpError):
        _check_points_at_media(rewrite(text, LOCAL, None))
    with contextlib.suppress(SdpError):
        _check_points_at_media(rewrite(PJSUA, LOCAL, parse(text)))
    with contextlib.suppress(SdpError):
        declined = decline(text).split("\r\n")
        assert [line for line in declined if line.startswith("c=")] == ["c=IN IP4 0.0.0.0"]
        assert all(line.split()[1] == "0" for line in declined if line.startswith("m="))


def _check_points_at_media(text: str) -> None:
    used = [each for each in parse(text).media if each.port]
    assert [(each.kind, each.address, each.port) for each in used] in (
        [],  # no audio, or a declined one
        [("audio", LOCAL.address, LOCAL.port)],
    )


LINES = st.lists(
    st.builds(
        "{}={}{}\r\n".format,
        st.sampled_from("acmo"),
        st.sampled_from(["", "IN IP4 ", "audio ", "rtpmap:0 "]),
        st.text(max_size=20),
    )
).map("".join)


@given(st.one_of(st.text(max_size=400), LINES))
def test_any_text_raises_only_sdp_error(text: str) -> None:
    """Arbitrary text never raises anything but SdpError, and nothing unsound is made of it."""
    _check_every_use(text)
    _check_every_use("v=0\r\n" + text)
    _check_every_use(_sdp() + text)


@given(
    st.data(),
    st.sampled_from([_sdp("0 8 101", "a=ptime:20", "a=rtcp:5005", "a=sendonly"), PJSUA]),
)
def test_mutated_descriptions_raise_only_sdp_error(data: st.DataObject, text: str) -> None:
    """Descriptions with characters replaced, lines dropped or doubled raise only SdpError."""
    letters = list(text)
    for _ in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, len(letters) - 1))
        letters[index] = data.draw(st.one_of(st.characters(), st.sampled_from("\r\n=: /0")))
    lines = "".join(letters).split("\r\n")
    if data.draw(st.booleans()):
        del lines[data.draw(st.integers(0, len(lines) - 1))]
    _check_every_use("\r\n".join(lines))


def test_enormous_description_is_refused() -> None:
    """A description beyond 32 KiB or with too many sections is refused before it costs time."""
    with pytest.raises(SdpError):
        parse(_sdp("0", *["a=x"] * 20_000))
    with pytest.raises(SdpError):
        parse(_sdp("0", *["m=audio 1 RTP/AVP 0"] * 40))
