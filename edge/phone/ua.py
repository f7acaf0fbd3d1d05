"""The phone's SIP: one call with pjsua2 in a thread of its own, RTP announced as someone else's.

pjsua2 gets a loop media transport and no sound device: it opens no RTP or RTCP socket. The SDP it
makes is replaced by one that names the line's own port.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pjsua2 as pj

from edge.phone.audio import PAYLOAD_TYPES
from edge.phone.rtp import DTMF_PAYLOAD_TYPE

_POLL_MS = 10
_RETRY_AFTER = re.compile(r"^Retry-After\s*:\s*(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """Who calls, from where."""

    user: str
    address: str
    """Local address, also the one announced."""
    rtp_port: int
    codec: str
    sip_port: int = 0
    transport: str = "udp"


@dataclass(frozen=True, slots=True)
class Ringing:
    """A provisional answer with a tone: 180 or 183."""

    status: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class MediaAgreed:
    """The far end's RTP address is known."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The 200 came."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK left."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over, or never was."""

    status: int
    reason: str
    by_far_end: bool
    retry_after_s: int | None = None


UaEvent = Ringing | MediaAgreed | Accepted | Confirmed | Ended


def phone_sdp(own: str, address: str, port: int, codec: str) -> str:
    """Return pjsua2's SDP with its media replaced by the line's; ``o=`` stays (RFC 3264 sect. 8).

    Args:
        own: what pjsua2 made.
        address: of the line.
        port: of the line.
        codec: ``PCMU`` or ``PCMA``.
    """
    kept = [line for line in own.splitlines() if line[:2] in ("v=", "o=", "s=", "t=")]
    direction = next(
        (each for each in ("sendonly", "recvonly", "inactive") if f"a={each}" in own), "sendrecv"
    )
    payload_type = PAYLOAD_TYPES[codec]
    lines = [
        *[line for line in kept if not line.startswith("t=")],
        f"c=IN IP4 {address}",
        *[line for line in kept if line.startswith("t=")],
        f"m=audio {port} RTP/AVP {payload_type} {DTMF_PAYLOAD_TYPE}",
        f"a=rtpmap:{payload_type} {codec}/8000",
        f"a=rtpmap:{DTMF_PAYLOAD_TYPE} telephone-event/8000",
        f"a=fmtp:{DTMF_PAYLOAD_TYPE} 0-15",
        "a=ptime:20",
        f"a={direction}",
    ]
    return "\r\n".join(lines) + "\r\n"


class _PhoneCall(pj.Call):  # type: ignore[misc]  # the wheel has no types
    """pjsua2's call; every callback runs in the UA thread."""

    def __init__(self, account: pj.Account, ua: PhoneUa) -> None:
        super().__init__(account)
        self._ua = ua
        self._retry_after_s: int | None = None
        self._hung_up_by_far_end = False

    def onCallSdpCreated(self, prm: pj.OnCallSdpCreatedParam) -> None:  # noqa: N802, D102
        prm.sdp.wholeSdp = self._ua.sdp(prm.sdp.wholeSdp)

    def _notice(self, event: pj.SipEvent) -> None:
        """Keep what the last received message of the call says about its end."""
        state = event.body.tsxState
        if event.type != pj.PJSIP_EVENT_TSX_STATE or state.type != pj.PJSIP_EVENT_RX_MSG:
            return
        whole = str(state.src.rdata.wholeMsg)
        if whole.startswith("BYE "):
            self._hung_up_by_far_end = True
        if match := _RETRY_AFTER.search(whole):
            self._retry_after_s = int(match.group(1))

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802, D102, ARG002
        try:
            remote = str(self.getStreamInfo(0).remoteRtpAddress)
        except pj.Error:
            return
        address, _, port = remote.rpartition(":")
        if port.isdigit() and int(port):
            self._ua.report(MediaAgreed(address, int(port)))

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802, D102
        now_ns = time.monotonic_ns()
        self._notice(prm.e)
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY:
            self._ua.report(Ringing(int(info.lastStatusCode), now_ns))
        elif info.state == pj.PJSIP_INV_STATE_CONNECTING:
            self._ua.report(Accepted(now_ns))
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._ua.report(Confirmed(now_ns))
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self._ua.ended(
                Ended(
                    int(info.lastStatusCode),
                    str(info.lastReason),
                    self._hung_up_by_far_end,
                    self._retry_after_s,
                )
            )


class PhoneUa:
    """One outgoing call.

    Args:
        account: who calls.
        uri: whom.
        report: called in the UA thread with each :data:`UaEvent`.
    """

    def __init__(self, account: PhoneAccount, uri: str, report: Callable[[UaEvent], None]) -> None:
        self._account = account
        self._uri = uri
        self.report = report
        self._hang_up = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phone-ua", daemon=True)
        self.invited_ns = 0
        """When the INVITE was handed to the stack."""
        self.sip_call_id = ""
        """The Call-ID header's value, known once the INVITE is on its way."""

    def start(self) -> None:
        """Place the call."""
        self._thread.start()

    def hang_up(self) -> None:
        """Send BYE or CANCEL; :class:`Ended` follows."""
        self._hang_up.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True if it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def sdp(self, own: str) -> str:
        """Return the SDP to send instead of pjsua2's."""
        account = self._account
        return phone_sdp(own, account.address, account.rtp_port, account.codec)

    def ended(self, event: Ended) -> None:
        """Take the end of the call."""
        self._over.set()
        self.report(event)

    def _run(self) -> None:
        try:
            self._place_call()
        except pj.Error as error:
            self.ended(Ended(0, str(error.reason), False))

    def _place_call(self) -> None:
        endpoint = _open_endpoint()
        transport = _open_transport(endpoint, self._account)
        config = pj.AccountConfig()
        host = self._account.address
        suffix = ";transport=tcp" if self._account.transport == "tcp" else ""
        config.idUri = f"<sip:{self._account.user}@{host}{suffix}>"
        config.sipConfig.transportId = transport
        config.mediaConfig.useLoopMedTp = True
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        account = pj.Account()
        account.create(config)
        call = _PhoneCall(account, self)
        self.invited_ns = time.monotonic_ns()
        call.makeCall(self._uri, pj.CallOpParam(True))
        self.sip_call_id = str(call.getInfo().callIdString)
        asked = False
        while not self._over.is_set():
            endpoint.libHandleEvents(_POLL_MS)
            if self._hang_up.is_set() and not asked:
                asked = True
                call.hangup(pj.CallOpParam())
        for _ in range(10):  # let the answer to a BYE out
            endpoint.libHandleEvents(_POLL_MS)
        del call
        account.shutdown()
        endpoint.libDestroy()


@contextlib.contextmanager
def _standard_output_shut() -> Iterator[None]:
    """Keep pjlib, which logs to stdout until libInit has set its level, from being heard."""
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _open_endpoint() -> pj.Endpoint:
    with _standard_output_shut():
        return _create_endpoint()


def _create_endpoint() -> pj.Endpoint:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.userAgent = "Cordboard test phone"
    config.logConfig.level = 0
    config.logConfig.consoleLevel = 0
    endpoint.libInit(config)
    endpoint.audDevManager().setNoDev()
    return endpoint


def _open_transport(endpoint: pj.Endpoint, account: PhoneAccount) -> int:
    config = pj.TransportConfig()
    config.port = account.sip_port
    config.boundAddress = account.address
    tcp = account.transport == "tcp"
    kind = pj.PJSIP_TRANSPORT_TCP if tcp else pj.PJSIP_TRANSPORT_UDP
    transport = int(endpoint.transportCreate(kind, config))
    endpoint.libStart()
    for codec in endpoint.codecEnum2():
        wanted = str(codec.codecId).startswith(f"{account.codec}/")
        endpoint.codecSetPriority(codec.codecId, 255 if wanted else 0)
    return transport
