"""Take a session description apart (RFC 8866, RFC 3264, RFC 3605).

The parser is strict about the lines that Cordboard acts on (v, c, m, rtpmap, direction) and passes
over everything else. It never raises anything but :class:`SdpError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from media import RemoteError
from media.messages import Direction

MAX_SDP_BYTES = 32_768
"""Longer than any offer seen; a peer that sends more is broken or hostile."""
MAX_MEDIA = 32
UNSPECIFIED = ("0.0.0.0", "::")
"""Addresses with which user agents of RFC 2543 put on hold."""

HIDDEN = "a=x-cordboard-ip6:"
"""What an IPv6 c= line said that is hidden from pjsip, in the same section."""

_STATIC = {"0": "PCMU", "3": "GSM", "8": "PCMA", "9": "G722", "13": "CN", "18": "G729"}
"""RFC 3551 table 4: payload types that need no rtpmap."""
_LINE = re.compile(r"[a-z]=")
_MEDIA = re.compile(r"([!-~]+) (\d{1,5})(?:/\d{1,5})? ([!-~]+)((?: [!-~]+)+)\Z")
_RTPMAP = re.compile(r"(\d{1,3}) ([!-.0-~]+)/(\d{1,6})(?:/(\d{1,2}))?\Z")


class SdpError(RemoteError):
    """A session description is broken or holds nothing for us.

    Args:
        message: what is wrong.
        sip_status: 400 for broken text, 488 for an offer that cannot be met.
        warning: code and text of a Warning header (RFC 3261 section 20.43), empty without.
    """

    def __init__(self, message: str, sip_status: int = 400, warning: str = "") -> None:
        super().__init__(message, sip_status)
        self.warning = warning

    def headers(self, agent: str = "cordboard") -> dict[str, str]:
        """Return the headers of the refusal.

        Args:
            agent: the warn-agent (RFC 3261 section 20.43).
        """
        return {"Warning": self.warning.replace(" ", f" {agent} ", 1)} if self.warning else {}


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One m= section."""

    kind: str
    """``audio``, ``video`` ..."""
    port: int
    """0 means declined."""
    protocol: str
    formats: tuple[str, ...]
    address: str
    """Its own c= line, else the session's; empty where there is none."""
    direction: Direction
    attributes: tuple[tuple[str, str], ...]
    """Name and value of every a= line of the section, in order."""

    def attribute(self, name: str) -> str | None:
        """Return the first value of an attribute of this section, None without."""
        return next((value for key, value in self.attributes if key == name), None)

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of an attribute of this section, in order."""
        return tuple(value for key, value in self.attributes if key == name)

    def encodings(self) -> dict[str, str]:
        """Map payload types of this section, in order, to upper-case encoding names at 8 kHz.

        Payload types of other clock rates, of several channels or without rtpmap are left out.
        """
        names = {pt: _STATIC[pt] for pt in self.formats if pt in _STATIC}
        for key, value in self.attributes:
            found = _RTPMAP.match(value) if key == "rtpmap" else None
            if found is None or found[1] not in self.formats:
                continue
            if found[3] == "8000" and found[4] in (None, "1"):
                names[found[1]] = found[2].upper()
            else:
                names.pop(found[1], None)
        return {pt: names[pt] for pt in self.formats if pt in names}

    def payload_type(self, encoding: str) -> int | None:
        """Return the first payload type (0 to 127) of an encoding, None where it has none."""
        for payload_type, name in self.encodings().items():
            if name == encoding and int(payload_type) <= 127:
                return int(payload_type)
        return None


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A parsed SDP."""

    origin: str
    media: tuple[MediaDescription, ...]

    def audio(self) -> MediaDescription:
        """Return the first audio section that is not declined.

        Raises:
            SdpError: 488, there is none.
        """
        for each in self.media:
            if each.kind == "audio" and each.port:
                return each
        raise SdpError("no audio", 488, '304 "Media type not available"')


def parse(text: str) -> SessionDescription:
    """Parse a session description; line ends may be CRLF or LF.

    Raises:
        SdpError: 400, the text is not SDP.
    """
    if len(text) > MAX_SDP_BYTES:
        raise SdpError("SDP is too long")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines or lines[0] != "v=0":
        raise SdpError("SDP does not begin with v=0")
    sections: list[list[str]] = [[]]
    for line in lines:
        if not _LINE.match(line):
            raise SdpError("SDP has a line that is not type=value")
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    if len(sections) - 1 > MAX_MEDIA:
        raise SdpError("SDP has too many media")
    session = sections[0]
    origin = next((line[2:] for line in session if line.startswith("o=")), "")
    if len(origin.split()) != 6:
        raise SdpError("SDP has no valid o= line")
    address = _address(session, "")
    direction = _direction(session, Direction.SENDRECV)
    return SessionDescription(
        origin, tuple(_parse_media(each, address, direction) for each in sections[1:])
    )


def _parse_media(section: list[str], address: str, direction: Direction) -> MediaDescription:
    found = _MEDIA.match(section[0][2:].rstrip())
    if found is None or int(found[2]) > 65_535:
        raise SdpError("SDP has an invalid m= line")
    attributes = []
    for line in section:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            attributes.append((name.strip(), value.strip()))
    return MediaDescription(
        kind=found[1],
        port=int(found[2]),
        protocol=found[3],
        formats=tuple(found[4].split()),
        address=_address(section, address),
        direction=_direction(section, direction),
        attributes=tuple(attributes),
    )


def _address(section: list[str], default: str) -> str:
    line = next((line[2:] for line in section if line.startswith("c=")), None)
    if line is None:
        return default
    fields = line.split()
    if len(fields) != 3 or fields[0] != "IN" or fields[1] not in ("IP4", "IP6"):
        raise SdpError("SDP has an invalid c= line")
    hidden = next((each for each in section if each.startswith(HIDDEN)), "")
    host = hidden.removeprefix(HIDDEN).strip() or fields[2].split("/")[0]
    if not re.fullmatch(r"[0-9A-Za-z.:_-]{1,255}", host):
        raise SdpError("SDP has an invalid address")
    return host


def _direction(section: list[str], default: Direction) -> Direction:
    for line in section:
        if line.startswith("a=") and line[2:].strip() in Direction.__members__.values():
            return Direction(line[2:].strip())
    return default
