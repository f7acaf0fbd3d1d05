"""Find what is wrong with the form of a request, and word the answer (sans-IO).

pjsip passes over faults that RFC 3261 wants refused, and drops without a word what it cannot
parse; RFC 4475 asks for an answer wherever one can be given.
"""

from __future__ import annotations

import re
from collections import Counter

from edge.ua.received import Response
from edge.ua.sip_text import SipText, parse_message

METHODS = (
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "UPDATE",
    "PRACK",
    "INFO",
    "OPTIONS",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
)
ALLOW = ", ".join(METHODS)
FOREIGN_METHODS = frozenset({"REGISTER", "MESSAGE", "PUBLISH"})
"""Methods that we know and do not serve."""
EXTENSIONS = frozenset({"100rel", "timer", "replaces", "norefersub"})
_SCHEMES = ("sip", "sips", "tel")
_ONCE = ("to", "from", "call-id", "cseq", "max-forwards", "content-length")
"""Headers of which there is one (RFC 3261 section 7.3.1)."""
_COMPACT = {"t": "to", "f": "from", "i": "call-id", "l": "content-length"}
_COPIED = ("via", "from", "to", "call-id", "cseq")
_REASONS = {
    400: "Bad Request",
    405: "Method Not Allowed",
    416: "Unsupported URI Scheme",
    501: "Not Implemented",
    505: "Version Not Supported",
}
_LONGEST_CHARACTERS = 8_192


def find_fault(message: str, text: SipText) -> Response | None:
    """Return the refusal of a request that pjsip could parse, None where its form is right.

    Args:
        message: as it was received.
        text: the same, taken apart.
    """
    method = text.start.split(" ", 1)[0]
    scheme = text.request_uri.partition(":")[0].lower()
    if text.request_uri and scheme not in _SCHEMES:
        return Response(416)
    names = Counter(_header_names(message))
    if doubled := next((name for name in _ONCE if names[name] > 1), ""):
        return _bad(f"more than one {doubled}")
    if method in METHODS and text.header("cseq").split()[-1:] != [method]:
        return _bad("CSeq of another method")
    if _is_cut_short(message, text):
        return _bad("shorter than its Content-Length")
    wanted = [each.strip().lower() for each in text.header("require").split(",")]
    foreign = [each for each in wanted if each and each not in EXTENSIONS]
    if foreign and method not in ("INVITE", "ACK", "CANCEL"):  # pjsip sees to those of an INVITE
        return Response(420, "", (("Unsupported", ", ".join(foreign)),))
    accept = text.header("accept").lower()
    if method == "INVITE" and accept and not re.search(r"application/(sdp|\*)|\*/\*", accept):
        return Response(406, "", (("Accept", "application/sdp"),))
    return None


def answer_unparsed(message: str) -> str | None:
    """Return the response to a request that pjsip could not parse, None where none is due.

    What can be copied from the request is; a message without a request line or a Via, an ACK and
    every response stay unanswered.
    """
    text = parse_message(message[:_LONGEST_CHARACTERS])
    method, _, rest = text.start.partition(" ")
    version = rest.strip().rpartition(" ")[2]
    if method in ("", "ACK") or "/" in method or not version.startswith("SIP/"):
        return None
    if not text.header("via"):
        return None
    status = _status_unparsed(method, rest, version)
    lines = [f"SIP/2.0 {status} {_REASONS[status]}"]
    for name in _COPIED:
        if (value := text.header(name)) and value.isprintable():
            lines.append(f"{name.title()}: {value}")
    if status in (405, 501):
        lines.append(f"Allow: {ALLOW}")
    return "\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n"


def _status_unparsed(method: str, rest: str, version: str) -> int:
    if version != "SIP/2.0":
        return 505
    if method not in METHODS:
        return 405 if method in FOREIGN_METHODS else 501
    scheme = re.match(r"([A-Za-z][A-Za-z0-9.+-]*):", rest)
    return 416 if scheme and scheme[1].lower() not in _SCHEMES else 400


def _bad(words: str) -> Response:
    return Response(400, "", (("Warning", f'399 cordboard "{words}"'),))


def _header_names(message: str) -> list[str]:
    head = message.replace("\r\n", "\n").partition("\n\n")[0]
    names = []
    for line in head.split("\n")[1:]:
        name, colon, _ = line.partition(":")
        if colon and not line[:1].isspace():
            short = name.strip().lower()
            names.append(_COMPACT.get(short, short))
    return names


def _is_cut_short(message: str, text: SipText) -> bool:
    length = text.header("content-length")
    if not length.isdecimal() or len(length) > 9:
        return False
    body = message.partition("\r\n\r\n")[2] or message.partition("\n\n")[2]
    return int(length) > len(body.encode("utf-8", "replace"))
