"""Decide which requests are answered before pjsua2 sees them (sans-IO).

===================  ==========================================  ==================================
request              where                                       answer
===================  ==========================================  ==================================
any                  wrong form (:mod:`edge.ua.faults`)           400, 406, 416, 420
any                  lower CSeq than the dialog has seen         500
INVITE               no dialog, worker full or draining          503, Retry-After
INVITE               no dialog, body compressed                  415, Accept-Encoding
INVITE               no dialog, against the trunk's terms        see :mod:`edge.ua.extensions`
INVITE, UPDATE       SDP that is none                            400, Warning 399
INVITE, UPDATE       SDP without audio, codec or SRTP of ours    488, Warning 302, 304 or 305
INVITE, UPDATE       audio over IPv6, where there is no front    488, Warning 301
OPTIONS              no dialog, worker takes no callers          503, Retry-After
OPTIONS              a dialog of ours                            200, Allow, Accept, Supported
INFO                 a dialog of ours, Info-Package              469, Recv-Info
INFO                 a dialog of ours, no body                   200
INFO                 a dialog of ours, not DTMF                  415, Accept
methods of others    REGISTER, MESSAGE, PUBLISH, REFER ...       405, Allow
unknown methods      anywhere                                    501, Allow
===================  ==========================================  ==================================

Everything else is pjsua2's. A request that comes again gets the answer it got before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from edge import sdp
from edge.ua.extensions import refuse
from edge.ua.faults import ALLOW, EXTENSIONS, FOREIGN_METHODS, METHODS, find_fault
from edge.ua.received import Response
from edge.ua.sip_text import SipText, parse_message, parse_name_address
from edge.ua.terms import Terms
from media.config.trunks import Srtp

_ACCEPT = "application/sdp, multipart/mixed"
_SUPPORTED = ", ".join(sorted(EXTENSIONS))
_INFO_TYPES = ("application/dtmf-relay", "application/dtmf")
_DIALOG_ONLY = frozenset({"REFER"})
_CSEQ_DIGITS = 10
"""CSeq is below 2**31 (RFC 3261 section 8.1.1.5)."""
_REMEMBERED = 512
"""Refused INVITEs whose repetitions get the same answer; dialogs whose CSeq is watched."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much the worker has taken on."""

    callers: int = 0
    """Inbound legs that are taken at once; 0 while draining."""
    full: bool = False
    retry_after_s: int = 10


@dataclass(frozen=True, slots=True)
class Refused:
    """An INVITE of no dialog that was answered finally."""

    text: SipText
    source: str
    status: int
    reason: str


class Screen:
    """The decisions.

    Args:
        load: tells that of the worker.
        knows: whether a Call-ID is that of a dialog that the worker has.
        policy: what the trunk of a dialog says of SRTP, None where it is not known.
        on_refused: told of each refused INVITE that belongs to no dialog, once.
        terms: returns those of an INVITE and its source.
        warning_agent: the warn-agent of Warning headers (RFC 3261 section 20.43).
        ip6: whether audio over IPv6 is served, though pjsip has none.
    """

    def __init__(
        self,
        load: Callable[[], Load],
        knows: Callable[[str], bool],
        policy: Callable[[str], Srtp | None],
        on_refused: Callable[[Refused], None],
        terms: Callable[[SipText, str], Terms],
        warning_agent: str = "cordboard",
        *,
        ip6: bool = False,
    ) -> None:
        self._load = load
        self._knows = knows
        self._policy = policy
        self._on_refused = on_refused
        self._terms = terms
        self._agent = warning_agent
        self._ip6 = ip6
        self._answered: OrderedDict[tuple[str, str, str], Response] = OrderedDict()
        self._highest: OrderedDict[tuple[str, str], int] = OrderedDict()

    def decide(self, message: str, source: str) -> Response | None:
        """Return the answer to a request, None where it is pjsua2's to give."""
        text = parse_message(message)
        method = text.start.split(" ", 1)[0]
        if method in ("ACK", "CANCEL"):
            return None
        if self._is_late(text):
            # RFC 3261 section 12.2.2; pjsip takes requests in whatever order they come
            return Response(500, "Request out of order")
        if method == "BYE":
            return None
        key = (text.header("call-id"), text.header("cseq"), text.header("via"))
        if key in self._answered:
            return self._answered[key]
        response = find_fault(message, text)
        if response is not None:
            if method == "INVITE":
                self._on_refused(Refused(text, source, response.status, "malformed"))
        elif method not in METHODS:
            status = 405 if method in FOREIGN_METHODS else 501
            response = Response(status, "", (("Allow", ALLOW),))
        elif parse_name_address(text.header("to")).tag:
            response = self._inside(method, text)
        else:
            response = self._outside(method, text, source)
        if response is not None and method == "INVITE":
            self._answered[key] = response
            if len(self._answered) > _REMEMBERED:
                self._answered.popitem(last=False)
        return response

    def _is_late(self, text: SipText) -> bool:
        number = text.header("cseq").split(" ")[0]
        dialog = (text.header("call-id"), parse_name_address(text.header("from")).tag)
        if not number.isdecimal() or len(number) > _CSEQ_DIGITS:
            return False  # pjsip's to refuse
        known = self._highest.get(dialog, 0)
        inside = bool(parse_name_address(text.header("to")).tag)
        if inside and int(number) < known:
            return True
        self._highest[dialog] = max(known, int(number))
        self._highest.move_to_end(dialog)
        if len(self._highest) > _REMEMBERED:
            self._highest.popitem(last=False)
        return False

    def _outside(self, method: str, text: SipText, source: str) -> Response | None:
        if method in _DIALOG_ONLY:
            return Response(405, "", (("Allow", ALLOW),))
        load = self._load()
        if method == "OPTIONS":
            return None if load.callers else _unavailable(load)
        if method != "INVITE":
            return None
        if load.full and not text.header("replaces"):
            response: Response | None = _unavailable(load)
            reason = f"{load.callers} callers already" if load.callers else "draining"
        elif text.header("content-encoding").lower() not in ("", "identity"):
            response, reason = Response(415, "", (("Accept-Encoding", "identity"),)), "encoded body"
        elif (unmet := refuse(text, self._terms(text, source))) is not None:
            response, reason = unmet
        else:
            response, reason = self._check_offer(text)
        if response is not None:
            self._on_refused(Refused(text, source, response.status, reason))
        return response

    def _inside(self, method: str, text: SipText) -> Response | None:
        if not self._knows(text.header("call-id")):
            return None  # pjsip says 481
        if method in ("INVITE", "UPDATE"):
            return self._check_offer(text, self._policy(text.header("call-id")))[0]
        if method == "OPTIONS":
            headers = (("Allow", ALLOW), ("Accept", _ACCEPT), ("Supported", _SUPPORTED))
            return Response(200, "", headers)
        if method == "INFO":
            return _info(text)
        return None

    def _check_offer(self, text: SipText, srtp: Srtp | None = None) -> tuple[Response | None, str]:
        if not text.sdp:
            return None, ""
        try:
            offer = sdp.parse(text.sdp)
            sdp.check_offer(offer, sdp.CODECS, srtp)
            if ":" in offer.audio().address and not self._ip6:
                raise sdp.SdpError(
                    "audio over IPv6", 488, '301 "Incompatible network address formats"'
                )
        except sdp.SdpError as error:
            error.warning = error.warning or f'399 "{error}"'
            headers = tuple(error.headers(self._agent).items())
            return Response(error.sip_status, "", headers), str(error)
        return None, ""


def _unavailable(load: Load) -> Response:
    return Response(503, "", (("Retry-After", str(load.retry_after_s)),))


def _info(text: SipText) -> Response | None:
    if text.header("info-package"):
        return Response(469, "Bad Info Package", (("Recv-Info", ""),))
    if not text.body.strip():
        return Response(200)
    kind = text.header("content-type").partition(";")[0].strip().lower()
    if kind in _INFO_TYPES:
        return None
    return Response(415, "", (("Accept", ", ".join(_INFO_TYPES)),))
