"""Read what a UA worker needs from the text of a SIP message (RFC 3261 section 7).

pjsua2 has parsed the message before; this reads the header fields that it does not hand out.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

_COMPACT = {
    "i": "call-id",
    "m": "contact",
    "e": "content-encoding",
    "l": "content-length",
    "c": "content-type",
    "f": "from",
    "s": "subject",
    "k": "supported",
    "t": "to",
    "v": "via",
    "r": "refer-to",
    "b": "referred-by",
    "x": "session-expires",
}
"""Compact forms (RFC 3261 section 7.3.3, RFC 3515, 3892, 4028)."""

_END_OF_HEAD = re.compile(r"\r?\n\r?\n")
_LENGTH_DIGITS = 9
_NAME_ADDR = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<([^>]*)>(.*)\Z', re.DOTALL)
_TAG = re.compile(r";\s*tag\s*=\s*([^;\s,]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SipText:
    """A message taken apart."""

    start: str
    headers: dict[str, str]
    """Lower-case full name to value; repeated headers joined by ``", "``."""
    body: str

    def header(self, name: str) -> str:
        """Return a header's value, empty where it is missing."""
        return self.headers.get(name, "")

    @property
    def request_uri(self) -> str:
        """The Request-URI; empty for a response."""
        fields = self.start.split(" ")
        return fields[1] if len(fields) == 3 and fields[2].startswith("SIP/") else ""

    @property
    def sdp(self) -> str:
        """The body where it is SDP, else empty; multipart bodies give their SDP part."""
        content_type = self.header("content-type").lower()
        if content_type.startswith("application/sdp"):
            return self.body
        if content_type.startswith("multipart/"):
            for part in re.split(r"\r?\n--|\A--", self.body):
                head, _, body = part.replace("\r\n", "\n").partition("\n\n")
                if "application/sdp" in head.lower():
                    return body
        return ""


@dataclass(frozen=True, slots=True)
class NameAddress:
    """Value of a From, To, Contact or Refer-To header."""

    display: str
    uri: str
    tag: str


def clean(text: str) -> str:
    """Make text from the wire fit for JSON: bytes that were no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def parse_message(text: str) -> SipText:
    """Take a message apart; what is no header line is passed over."""
    head, body = _part(clean(text))
    lines = re.sub(r"\n[ \t]+", " ", head).split("\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        key = name.strip().lower()
        key = _COMPACT.get(key, key)
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    length = headers.get("content-length", "")
    if length.isdecimal() and len(length) < _LENGTH_DIGITS:
        # octets after the body are noise (RFC 3261 section 18.3)
        body = body.encode()[: int(length)].decode("utf-8", "ignore")
    return SipText(lines[0], headers, body.replace("\r\n", "\n").replace("\n", "\r\n"))


def _part(text: str) -> tuple[str, str]:
    found = _END_OF_HEAD.search(text)
    head, body = (text[: found.start()], text[found.end() :]) if found else (text, "")
    return head.replace("\r\n", "\n"), body


def parse_name_address(value: str) -> NameAddress:
    """Parse a name-addr or addr-spec (RFC 3261 section 20.10)."""
    found = _NAME_ADDR.match(value)
    if found is None:
        uri, _, parameters = value.strip().partition(";")
        display, parameters = "", f";{parameters}"
    else:
        quoted = found[1]
        display = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found[2].strip()
        uri, parameters = found[3].strip(), found[4]
    tag = _TAG.search(parameters)
    return NameAddress(display, uri, tag[1] if tag else "")


def quote_display(display: str) -> str:
    """Serialize a display name as a quoted-string; control characters are dropped."""
    kept = "".join(each for each in display if each.isprintable())
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class ReplacesTarget:
    """The dialog that a ``Replaces`` names (RFC 3891)."""

    sip_call_id: str
    to_tag: str
    from_tag: str


def replaces_uri(contact_uri: str, target: ReplacesTarget) -> str:
    """Write a Refer-To value that makes its reader take over a dialog of ``contact_uri``.

    The URI is the peer's Contact, not its address of record: a proxy would send the latter
    somewhere else. ``to_tag`` is the tag of the peer that is going to receive the INVITE.
    """
    replaces = f"{target.sip_call_id};to-tag={target.to_tag};from-tag={target.from_tag}"
    base = contact_uri.split("?")[0]
    return f"<{base}?Replaces={urllib.parse.quote(replaces, safe='')}>"


def parse_refer_to(value: str) -> tuple[str, ReplacesTarget | None]:
    """Split a Refer-To value into the bare URI and the dialog its Replaces names, if any."""
    uri = parse_name_address(value).uri
    base, _, query = uri.partition("?")
    for pair in query.split("&"):
        name, _, content = pair.partition("=")
        if name.lower() == "replaces":
            return base, parse_replaces(urllib.parse.unquote(content))
    return base, None


def parse_replaces(value: str) -> ReplacesTarget | None:
    """Parse the value of a Replaces header, None where a tag is missing."""
    call_id, *parameters = (each.strip() for each in value.split(";"))
    pairs = dict(each.split("=", 1) for each in parameters if "=" in each)
    if not call_id or "to-tag" not in pairs or "from-tag" not in pairs:
        return None
    return ReplacesTarget(call_id, pairs["to-tag"], pairs["from-tag"])


def reply_port(answer: str, source_port: int) -> int:
    """Return where RFC 3261 section 18.2.2 and RFC 3581 want a response."""
    via = re.search(r"^Via: *SIP */ *\d+\.\d+ */ *\w+ +([^;,\r\n]*)([^,\r\n]*)", answer, re.M)
    if via is None or re.search(r"; *rport", via[2]):
        return source_port
    port = re.search(r":(\d{1,5}) *\Z", via[1].strip())
    return int(port[1]) if port and 0 < int(port[1]) < 65_536 else 5_060
