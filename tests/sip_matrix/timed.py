"""Long calls with session timers of 90 s, one refreshed by the caller, one by us."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.sip_matrix.changes import ChangingCall

_EXPIRES = "Session-Expires: 90;refresher={}"
_REFRESH_S = 40.0
_PROVE_S = 120.0


@dataclass(frozen=True)
class Refreshes:
    """How often a session was refreshed."""

    by_caller: int
    by_us: int


def keep_call(folder: Path, ports: tuple[int, int], refresher: str, seconds: float) -> Refreshes:
    """Keep a call for so long, refresh it as its role asks, and prove its audio again and again.

    Args:
        folder: for the service.
        ports: for its SIP.
        refresher: ``uac`` for the caller, ``uas`` for us.
        seconds: length of the call.
    """
    longer = f", max_call_s: {int(seconds) + 600}"
    call = ChangingCall(folder, ports, play_s=int(seconds) // 10 * 10 + 60, limits=longer)
    peer = call.peer
    by_caller = by_us = 0
    timer = ("Supported: timer", _EXPIRES.format(refresher), "Min-SE: 90")
    try:
        answer = call.invite("sendrecv", *timer, "Allow: INVITE, ACK, BYE, UPDATE")
        assert answer.header("Session-Expires") == f"90;refresher={refresher}"
        ends = time.monotonic() + seconds
        refresh = time.monotonic() + _REFRESH_S
        prove = time.monotonic()
        while time.monotonic() < ends:
            message = peer.receive(0.2)
            if message is not None and not message.status:
                assert message.start.startswith("UPDATE "), message.start
                peer.respond(message, 200, headers=(_EXPIRES.format("uac"), "Require: timer"))
                by_us += 1
            if refresher == "uac" and time.monotonic() >= refresh:
                refresh += _REFRESH_S
                peer.request("UPDATE", headers=timer)
                assert peer.response(None).status == 200
                by_caller += 1
            if time.monotonic() >= prove:
                prove += _PROVE_S
                call.check_both_ways()
        call.check_both_ways()
        call.hang_up()
    finally:
        call.close()
    return Refreshes(by_caller, by_us)
