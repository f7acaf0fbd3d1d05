"""Agree on one audio stream of G.711, offer and answer (RFC 3264, RFC 3605).

Descriptions are taken apart in :mod:`edge.sdp_text`; what concerns SRTP is in
:mod:`edge.sdp_crypto`. Nothing but :class:`SdpError` is ever raised.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from edge.sdp_crypto import PLAIN, LocalSrtp, agreed_keys, take_offer
from edge.sdp_text import HIDDEN, UNSPECIFIED, MediaDescription, SessionDescription
from edge.sdp_text import SdpError as SdpError
from edge.sdp_text import parse as parse
from media.config.trunks import Srtp
from media.messages import Direction, StreamParameters

CODECS = ("PCMU", "PCMA")
"""What media speaks, in the default order of preference."""
DEFAULT_DTMF_PAYLOAD_TYPE = 101

_PTIME_MIN_MS, _PTIME_MAX_MS, _PTIME_DEFAULT_MS = 10, 60, 20
_NUMBER = re.compile(r"\d{1,5}")

_SENDS = (Direction.SENDRECV, Direction.SENDONLY)
_RECEIVES = (Direction.SENDRECV, Direction.RECVONLY)
_FIRST_DYNAMIC = 96
"""Payload types below need no rtpmap (RFC 3551 section 6)."""
_STAND_IN = "192.0.2.6"
"""Stands in c= for a hidden address (RFC 5737); nothing is ever sent there."""


@dataclass(frozen=True, slots=True)
class LocalAudio:
    """What we put into our own SDP."""

    address: str
    port: int
    codecs: tuple[str, ...] = CODECS
    dtmf_payload_type: int | None = DEFAULT_DTMF_PAYLOAD_TYPE
    ptime_ms: int = 20
    srtp: LocalSrtp | None = None
    """None speaks plain RTP only."""

    @property
    def policy(self) -> Srtp:
        """What is asked of the peer's descriptions."""
        return Srtp.OFF if self.srtp is None else self.srtp.policy


def check_offer(
    offer: SessionDescription, codecs: tuple[str, ...], srtp: Srtp | None = None
) -> str:
    """Return the codec that we would answer with: the first of ours that the offer has.

    Args:
        offer: the peer's.
        codecs: ours.
        srtp: the trunk's, None where it is not known yet.

    Raises:
        SdpError: 488 with a Warning: no audio, no common codec, or a transport we do not speak.
    """
    audio = offer.audio()  # the user agent takes the first one, too
    take_offer(audio, srtp)
    if not audio.address:
        raise SdpError("SDP has no address for its audio")
    for codec in codecs:
        if audio.payload_type(codec) is not None:
            return codec
    raise SdpError("no codec in common", 488, '305 "Incompatible media format"')


def offers(text: str, codec: str) -> bool:
    """Say whether an offer has a codec; a late one, without text, has none."""
    try:
        return bool(text) and parse(text).audio().payload_type(codec) is not None
    except SdpError:
        return False


def rewrite(sdp: str, local: LocalAudio, offer: SessionDescription | None) -> str:
    """Make a session description point at media instead of at the user agent that wrote it.

    Origin, direction and the number of sections stay as they are, as the user agent counts
    versions and answers holds. An answer repeats the offerer's payload types (RFC 3264 section
    6.1) and carries one codec, so that neither side changes codecs later without a word.

    Args:
        sdp: what the user agent wrote.
        local: what media has allocated.
        offer: the peer's offer that this answers, None where this is our own offer.

    Raises:
        SdpError: the text or the offer cannot be used.
    """
    described = parse(sdp)
    lines = [line for line in sdp.replace("\r\n", "\n").split("\n") if line]
    first_media = next((i for i, line in enumerate(lines) if line[:2] == "m="), len(lines))
    session = [
        line
        for line in lines[:first_media]
        if line[:2] in ("v=", "o=", "s=", "t=") or _is_direction(line)
    ]
    offered: list[MediaDescription | None] = [*offer.media] if offer else []
    offered += [None] * (len(described.media) - len(offered))
    sections = [
        _media_lines(each, theirs) for each, theirs in zip(described.media, offered, strict=False)
    ]
    for index, each in enumerate(described.media):
        if each.kind == "audio" and each.port:
            sections[index] = _audio_lines(each, local, offered[index])
            break
    version = ipaddress.ip_address(local.address).version
    # at session level, so that it stands for declined sections too
    session.insert(_after_subject(session), f"c=IN IP{version} {local.address}")
    text = "\r\n".join([*session, *(line for each in sections for line in each)]) + "\r\n"
    parse(text)
    return text


def hide_ip6(sdp: str) -> str:
    """Put our IPv6 address where a pjsip without IPv6 passes over it; the front puts it back.

    Between front and worker an address of IPv6 travels as an attribute of ours, and c= holds one of
    IPv4: pjsip looks into both ends' c= lines though media is not its own. :func:`parse` reads the
    attribute.
    """
    found = re.search(r"^c=IN IP6 (\S+)", sdp, re.MULTILINE)
    if found is None:
        return sdp
    head, media, rest = sdp.partition("\r\nm=")
    head = head.replace(found[0], f"c=IN IP4 {_STAND_IN}")
    return f"{head}\r\n{HIDDEN}{found[1]}{media}{rest}"


def _is_direction(line: str) -> bool:
    return line[:2] == "a=" and line[2:] in Direction.__members__.values()


def _after_subject(session: list[str]) -> int:
    # RFC 8866 section 5: v, o, s, c, t, a
    return next((i for i, line in enumerate(session) if line[:2] in ("t=", "a=")), len(session))


def _media_lines(ours: MediaDescription, offered: MediaDescription | None) -> list[str]:
    # a section we do not use is declined: port 0, formats as they were offered (RFC 3264 section
    # 6); pjsip aborts on a dynamic payload type without its rtpmap, even in a declined section
    for media in (offered, ours):
        if media is None:
            continue
        maps = [value for name, value in media.attributes if name == "rtpmap"]
        mapped = {each.split(" ")[0] for each in maps}
        usable = not media.protocol.startswith("RTP/") or all(
            each in mapped or (each.isdecimal() and int(each) < _FIRST_DYNAMIC)
            for each in media.formats
        )
        if usable:
            lines = [f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}"]
            return lines + [f"a=rtpmap:{each}" for each in maps]
    return [f"m={ours.kind} 0 {ours.protocol} 0"]


def _audio_lines(
    ours: MediaDescription, local: LocalAudio, offered: MediaDescription | None
) -> list[str]:
    formats: list[tuple[int, str]] = []
    if offered is None:
        formats = [(0 if codec == "PCMU" else 8, codec) for codec in local.codecs]
        dtmf = local.dtmf_payload_type
    else:
        for codec in local.codecs:
            payload_type = offered.payload_type(codec)
            if payload_type is not None:
                formats = [(payload_type, codec)]
                break
        dtmf = offered.payload_type("TELEPHONE-EVENT") if local.dtmf_payload_type else None
    if not formats:
        raise SdpError("no codec in common", 488, '305 "Incompatible media format"')
    maps = [f"a=rtpmap:{payload_type} {codec}/8000" for payload_type, codec in formats]
    if dtmf is not None:
        formats.append((dtmf, "telephone-event"))
        maps += [f"a=rtpmap:{dtmf} telephone-event/8000", f"a=fmtp:{dtmf} 0-16"]
    protocol, cryptos = _transport(ours, local, offered)
    return [
        f"m=audio {local.port} {protocol} {' '.join(str(each[0]) for each in formats)}",
        *maps,
        f"a=ptime:{local.ptime_ms}",
        f"a={_answered_direction(ours, offered)}",
        *cryptos,
    ]


def _transport(
    ours: MediaDescription, local: LocalAudio, offered: MediaDescription | None
) -> tuple[str, list[str]]:
    """Return the transport of our audio and its a=crypto lines."""
    if offered is None:
        if local.srtp is None:
            return PLAIN[0], []
        return local.srtp.protocol(ours.protocol), local.srtp.offered()
    taken = take_offer(offered, local.policy)
    if local.srtp is None or taken is None:
        return offered.protocol, []
    return offered.protocol, local.srtp.answered(taken)


def _answered_direction(ours: MediaDescription, offered: MediaDescription | None) -> Direction:
    # user agents of RFC 2543 hold with an address of 0.0.0.0, for which pjsip answers sendrecv
    if offered is None or offered.address not in UNSPECIFIED or ours.direction not in _SENDS:
        return ours.direction
    return Direction.RECVONLY if ours.direction in _RECEIVES else Direction.INACTIVE


def agreed(local_sdp: str, remote_sdp: str) -> StreamParameters:
    """Say what one offer/answer round agreed for our audio, whoever offered.

    Raises:
        SdpError: the round left no audio, or one of the texts is broken.
    """
    local, remote = parse(local_sdp), parse(remote_sdp)
    for ours, theirs in zip(local.media, remote.media, strict=False):
        if ours.kind == theirs.kind == "audio" and ours.port and theirs.port:
            return _parameters(ours, theirs)
    raise SdpError("audio was declined", 488)


def _parameters(ours: MediaDescription, theirs: MediaDescription) -> StreamParameters:
    if not theirs.address:
        raise SdpError("SDP has no address for its audio")
    mine = set(ours.encodings().values())
    codec = next(
        (name for name in theirs.encodings().values() if name in CODECS and name in mine), None
    )
    payload_type = theirs.payload_type(codec) if codec else None
    if codec is None or payload_type is None:
        raise SdpError("no codec in common", 488)
    rtcp_address_port = _NUMBER.match(theirs.attribute("rtcp") or "")
    rtcp_port = int(rtcp_address_port[0]) if rtcp_address_port else 0
    keys = agreed_keys(ours, theirs)
    return StreamParameters(
        remote_address=theirs.address,
        remote_port=theirs.port,
        remote_rtcp_port=rtcp_port if 0 < rtcp_port < 65_536 else min(theirs.port + 1, 65_535),
        codec=codec,
        payload_type=payload_type,
        ptime_ms=_ptime_ms(theirs),
        dtmf_payload_type=_common(ours, theirs, "TELEPHONE-EVENT"),
        comfort_noise_payload_type=_common(ours, theirs, "CN"),
        direction=_our_direction(ours, theirs),
        srtp_suite=keys[0].suite if keys else None,
        srtp_local_key=keys[0].key if keys else None,
        srtp_remote_key=keys[1].key if keys else None,
    )


def _common(ours: MediaDescription, theirs: MediaDescription, encoding: str) -> int | None:
    return theirs.payload_type(encoding) if ours.payload_type(encoding) is not None else None


def _ptime_ms(theirs: MediaDescription) -> int:
    def number(name: str, default: int) -> int:
        found = _NUMBER.match(theirs.attribute(name) or "")
        return int(found[0]) if found and int(found[0]) else default

    wanted = min(number("ptime", _PTIME_DEFAULT_MS), number("maxptime", _PTIME_MAX_MS))
    return max(_PTIME_MIN_MS, min(_PTIME_MAX_MS, wanted // 10 * 10))


def _our_direction(ours: MediaDescription, theirs: MediaDescription) -> Direction:
    # RFC 3264 section 8.4: an address of 0.0.0.0 is the old way to put on hold
    held = theirs.address in UNSPECIFIED
    sends = ours.direction in _SENDS and theirs.direction in _RECEIVES and not held
    receives = ours.direction in _RECEIVES and theirs.direction in _SENDS
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


def decline(sdp: str) -> str:
    """Return a session description with every section declined (port 0) and no address of ours.

    Raises:
        SdpError: the text is not SDP.
    """
    described = parse(sdp)
    lines = ["v=0", f"o={described.origin}", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"]
    lines += [line for each in described.media for line in _media_lines(each, None)]
    return "\r\n".join(lines) + "\r\n"


def describe(
    endpoint: str,
    codec: str,
    payload_type: int,
    dtmf_payload_type: int | None,
    direction: Direction,
) -> str:
    """Write the session description of a peer whose own words are not to be had.

    Args:
        endpoint: ``address:port`` of its RTP.
        codec: such as ``PCMU``.
        payload_type: of the codec.
        dtmf_payload_type: of telephone-event, None without.
        direction: from the peer's side.
    """
    host, _, port = endpoint.rpartition(":")
    host = host.strip("[]")
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",
        "s=-",
        f"c=IN IP{6 if ':' in host else 4} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {payload_type}"
        + (f" {dtmf_payload_type}" if dtmf_payload_type is not None else ""),
        f"a=rtpmap:{payload_type} {codec}/8000",
    ]
    if dtmf_payload_type is not None:
        lines.append(f"a=rtpmap:{dtmf_payload_type} telephone-event/8000")
    return "\r\n".join([*lines, f"a={direction}"]) + "\r\n"
