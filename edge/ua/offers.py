"""Make our own offers inside a dialog: hold, resume, move; again where they cross the peer's.

RFC 3261 section 14.1: a re-INVITE that is answered 491 is tried again after 2.1 to 4 s by the
side that chose the Call-ID, after 0 to 2 s by the other, so that the two do not cross again. Any
other refusal leaves the session as it was.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pjsua2 as pj

from edge import sdp
from edge.sdp_crypto import LocalSrtp
from edge.ua.leg import Leg
from edge.ua.messages import UaAnswer, UaCommandFailed, UaDial, UaHold, UaReinvite
from media.config.trunks import Srtp
from media.messages import Message

MS = 1_000_000
_OWNER_MS, _OTHER_MS = (2_100, 4_000), (0, 2_000)
_TRIES = 4
_PENDING = 491

Offer = UaHold | UaReinvite


class Offers:
    """Offers of all legs. SIP thread only.

    Args:
        find: returns a leg by its number, None where it is gone.
        emit: sends a message to control.
    """

    def __init__(self, find: Callable[[int], Leg | None], emit: Callable[[Message], None]) -> None:
        self._find = find
        self._emit = emit
        self._last: dict[int, tuple[Offer, int]] = {}
        self._due: list[tuple[int, Offer]] = []

    def make(self, offer: Offer) -> None:
        """Send an offer that control asks for.

        Raises:
            pj.Error: pjsua2 would not send it.
        """
        self._last[offer.leg] = (offer, 1)
        self._send(offer)

    def refused(self, leg: Leg, status: int, reason: str) -> None:
        """Take notice that our offer was refused."""
        offer, tries = self._last.get(leg.number, (None, 0))
        leg.audio = leg.agreed_audio or leg.audio
        if offer is None:
            return
        if status == _PENDING and tries < _TRIES:
            shortest_ms, longest_ms = _OWNER_MS if leg.number < 0 else _OTHER_MS
            wait_ns = random.randint(shortest_ms, longest_ms) * MS
            self._due.append((time.monotonic_ns() + wait_ns, offer))
            self._last[leg.number] = (offer, tries + 1)
            return
        name = type(offer).__name__
        self._emit(UaCommandFailed(leg.number, name, f"{status} {reason}"))

    def pass_time(self, now_ns: int) -> None:
        """Send again what is due; forget legs that are gone."""
        due = [offer for at_ns, offer in self._due if at_ns <= now_ns]
        self._due = [each for each in self._due if each[0] > now_ns]
        self._last = {number: each for number, each in self._last.items() if self._find(number)}
        for offer in due:
            if offer is not self._last.get(offer.leg, (None, 0))[0]:
                continue  # control has asked for something else since
            try:
                self._send(offer)
            except pj.Error as error:
                self._emit(UaCommandFailed(offer.leg, type(offer).__name__, str(error.reason)))

    def _send(self, offer: Offer) -> None:
        leg = self._find(offer.leg)
        if leg is None or leg.ending:
            return
        if isinstance(offer, UaReinvite):
            srtp = leg.audio.srtp if leg.audio is not None else None
            leg.audio = replace(local_audio(offer), srtp=srtp)
            _reinvite(leg, 0)
        elif offer.hold:
            leg.setHold(pj.CallOpParam())
        else:
            _reinvite(leg, pj.PJSUA_CALL_UNHOLD)


def local_audio(message: UaAnswer | UaDial | UaReinvite) -> sdp.LocalAudio:
    """Return what our description is to say."""
    srtp = None
    if not isinstance(message, UaReinvite) and message.srtp != Srtp.OFF:
        srtp = LocalSrtp(Srtp(message.srtp), message.srtp_secret)
    return sdp.LocalAudio(
        message.media_address,
        message.media_port,
        message.codecs,
        message.dtmf_payload_type,
        message.ptime_ms,
        srtp,
    )


def _reinvite(leg: Leg, flag: int) -> None:
    parameters = pj.CallOpParam(True)
    parameters.opt.audioCount = 1
    parameters.opt.videoCount = 0
    parameters.opt.flag = flag
    leg.reinvite(parameters)
