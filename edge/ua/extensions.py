"""Hold an INVITE against its trunk's terms: RFC 4028 and RFC 3262 (sans-IO).

=====================  ===========================================  ==============================
the trunk says         the INVITE                                   answer
=====================  ===========================================  ==============================
``off``                requires the extension                       420, Unsupported
``required``           neither supports nor requires it             421, Require
timers, ``min_s``      Session-Expires below, caller has timers     422, Min-SE
=====================  ===========================================  ==============================
"""

from __future__ import annotations

from edge.ua.received import Response
from edge.ua.sip_text import SipText
from edge.ua.terms import Terms
from media.config.trunks import OnOff, Refresher

LEAST_S = 90
"""Below it no Min-SE goes (RFC 4028 section 5)."""
_SECONDS_DIGITS = 9


def refuse(text: SipText, terms: Terms) -> tuple[Response, str] | None:
    """Return the refusal of an INVITE and the reason for its record, None where the terms are met.

    Args:
        text: an INVITE outside of any dialog.
        terms: of its trunk.
    """
    required = _tokens(text.header("require"))
    known = _known(text)
    uses = (("100rel", terms.rel100), ("timer", terms.session_timers))
    barred = ", ".join(each for each, use in uses if use is OnOff.OFF and each in required)
    if barred:
        return Response(420, "", (("Unsupported", barred),)), f"{barred} is off"
    missing = ", ".join(each for each, use in uses if use is OnOff.REQUIRED and each not in known)
    if missing:
        return Response(421, "", (("Require", missing),)), f"{missing} is required"
    # RFC 4028 section 9: without "timer" the caller could not make anything of a 422
    if terms.session_timers is not OnOff.OFF and has_timers(text):
        asked_s = _seconds(text.header("session-expires"))
        if asked_s is not None and asked_s < terms.min_s:
            headers = (("Min-SE", str(terms.min_s)),)
            return Response(422, "", headers), f"Session-Expires of {asked_s} s"
    return None


def granted(text: SipText, asked_s: int, most_s: int) -> int:
    """Return the interval of a session: less than was asked for where that is more than we want.

    An interval that no session may have becomes the least; a caller with timers gets 422 for it.

    Args:
        text: the INVITE; its Min-SE is a limit for us, too (RFC 4028 section 9).
        asked_s: its Session-Expires.
        most_s: of the trunk.
    """
    least_s = max(_seconds(text.header("min-se")) or 0, LEAST_S)
    return max(min(asked_s, max(most_s, least_s)), LEAST_S)


def refresher(text: SipText, terms: Terms) -> bytes:
    """Return who refreshes where the caller leaves it to us, empty where that is pjsip's to say.

    A caller without timers cannot refresh.
    """
    left_open = "refresher" not in text.header("session-expires").lower()
    if left_open and terms.refresher is Refresher.UAS:
        return b"uas"
    if left_open and terms.refresher is Refresher.UAC and has_timers(text):
        return b"uac"
    return b""


def has_timers(text: SipText) -> bool:
    """Say whether a caller knows session timers."""
    return "timer" in _known(text)


def _known(text: SipText) -> frozenset[str]:
    return _tokens(text.header("require")) | _tokens(text.header("supported"))


def _tokens(value: str) -> frozenset[str]:
    return frozenset(each.strip().lower() for each in value.split(",") if each.strip())


def _seconds(value: str) -> int | None:
    digits = value.partition(";")[0].strip()
    return int(digits) if digits.isdecimal() and len(digits) <= _SECONDS_DIGITS else None
