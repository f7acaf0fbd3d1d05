"""Choose what pjsip gets to see of a received session description (pure).

pjsip refuses or misreads what we pass over: a=crypto lines of suites it does not know or that are
broken, and a second audio section that is encrypted, which it prefers to the first. The octets are
changed in its own buffer, so their number stays the same.
"""

from __future__ import annotations

import re

from edge.sdp_crypto import SECURE, parse_crypto
from edge.sdp_text import SdpError

_CRYPTO, _PASSED_OVER = b"a=crypto:", b"a=unused:"
_AUDIO = re.compile(rb"(m=audio )(\d{1,5})( [!-~]+)")
_LINE = re.compile(rb"[^\r\n]+")


def shown(message: bytes) -> bytes | None:
    """Return what pjsip is to read instead of a message, as long as it; None leaves it as it is."""
    head = message.find(b"\n\r\n")
    if _CRYPTO not in message and message.count(b"m=audio ") < 2:
        return None
    changed = bytearray(message)
    first: bool | None = None
    """Whether the first audio section is encrypted."""
    for line in _LINE.finditer(message, max(head, 0)):
        audio = _AUDIO.match(line[0])
        if audio is not None and int(audio[2]):
            secure = audio[3].decode().strip() in SECURE
            if first is False and secure:
                start = line.start() + audio.start(2)
                changed[start : start + len(audio[2])] = b"0" * len(audio[2])
            first = secure if first is None else first
        elif line[0].startswith(_CRYPTO) and not _usable(line[0][len(_CRYPTO) :]):
            changed[line.start() : line.start() + len(_CRYPTO)] = _PASSED_OVER
    return bytes(changed) if changed != message else None


def _usable(value: bytes) -> bool:
    try:
        return parse_crypto(value.decode("utf-8", "replace")) is not None
    except SdpError:
        return False
