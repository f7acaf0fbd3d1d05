"""One dialog of the worker: pjsua2's callbacks turned into messages for control.

All methods run in the SIP thread. pjsua2 prints and swallows what a callback raises, so every
callback is guarded: the leg that failed is ended and the fault logged (:func:`guarded`).
"""

from __future__ import annotations

import time
from typing import Any

import pjsua2 as pj

from edge import sdp
from edge.sdp_text import SessionDescription
from edge.ua.keying import Keying
from edge.ua.leg_owner import LegOwner, guarded
from edge.ua.messages import (
    EndedBy,
    UaConfirmed,
    UaDialing,
    UaDigit,
    UaDisconnected,
    UaNegotiated,
    UaProgress,
    UaRang,
    UaReferred,
    UaTrying,
)
from edge.ua.referring import Referring
from edge.ua.sip_text import (
    SipText,
    clean,
    parse_message,
    parse_name_address,
    parse_refer_to,
)
from edge.ua.supported import ExtensionCall
from media.config.trunks import Srtp
from media.messages import Direction

_DURATION_UNKNOWN = 0x8000_0000
"""pjsua2 gives the largest unsigned number where an INFO names no duration that it can read."""
_DTMF = set("0123456789*#ABCD")
_PEER_DIRECTION = {
    pj.PJMEDIA_DIR_NONE: Direction.INACTIVE,
    pj.PJMEDIA_DIR_ENCODING: Direction.RECVONLY,
    pj.PJMEDIA_DIR_DECODING: Direction.SENDONLY,
    pj.PJMEDIA_DIR_ENCODING_DECODING: Direction.SENDRECV,
}
"""Direction of pjsua2's stream, seen from the peer."""
_RETRIED_BY_PJSIP = ("401", "407", "422")
_TELLING = ("allow", "supported", "require", "session-expires", "server", "user-agent")
_WATCHED = frozenset({"INVITE", "UPDATE", "PRACK", "BYE", "CANCEL", "INFO"})
"""Methods whose messages are read; the rest is pjsua2's own business."""


class Leg(ExtensionCall):
    """A call of pjsua2 under a number that is never used again.

    Args:
        account: the pjsua2 account.
        number: positive inbound, negative outbound, 0 for one that is being refused.
        owner: the worker.
        call_id: pjsua2's slot number; slots are reused, so nothing is keyed by it.
    """

    def __init__(
        self, account: pj.Account, number: int, owner: LegOwner, call_id: int = pj.PJSUA_INVALID_ID
    ) -> None:
        super().__init__(account, call_id)
        self.account = account
        self.number = number
        self.owner = owner
        self.audio: sdp.LocalAudio | None = None
        """What media allocated; until then local descriptions wait in ``unsent_sdp``."""
        self.agreed_audio: sdp.LocalAudio | None = None
        """``audio`` of the last round that both sides agreed on."""
        self.keying = Keying()
        self.unsent_sdp = ""
        self.late_offer = False
        self.early = False
        """Our answer to the INVITE's offer has gone out, in a 183 or in the 200."""
        self.answered = False
        self.ending = False
        """We have asked for the end."""
        self.gone = False
        self.held = False
        self._ended_by_peer = False
        self._reason_header = ""
        self._local_sdp = ""
        self._remote_sdp = ""
        self._generation = 0
        self._negotiated = False
        self._rang = False
        self._heard = False
        """Something has come back to our INVITE."""
        self._up = False
        """The dialog has been confirmed."""
        self._confirmed_ns = 0
        self._final: tuple[int, str] | None = None
        self._local_tag = ""
        self._remote_tag = ""
        self._remote_contact = ""
        self.sip_call_id = ""
        self._referred_by = ""
        self._said: dict[str, str] = {}
        """Headers of the 200 to our INVITE."""
        self._referring = Referring()

    @property
    def policy(self) -> Srtp | None:
        """What the leg's trunk says of SRTP, None while it is not known."""
        return self.audio.policy if self.audio is not None else None

    def see(self, text: SipText) -> None:
        """Look at a request of the dialog before pjsua2 does: it keeps these two to itself."""
        if parse_name_address(text.header("to")).tag != self._local_tag:
            return
        if text.start.startswith("INVITE ") and not text.sdp:
            self.keying.receive_offerless()
        elif text.start.startswith("ACK ") and text.sdp:
            self._remote_sdp = text.sdp

    def read_invite(self, text: SipText) -> None:
        """Take over what the INVITE of an inbound leg says."""
        self.sip_call_id = text.header("call-id")
        self._remote_tag = parse_name_address(text.header("from")).tag
        self._remote_contact = parse_name_address(text.header("contact")).uri
        self._remote_sdp = text.sdp
        self.late_offer = not text.sdp

    def first_answer(self) -> str:
        """Return the SDP that answers the INVITE's offer.

        Raises:
            SdpError: the offer has nothing for us.
        """
        assert self.audio is not None
        text = self._rewrite(self.unsent_sdp, self.audio, sdp.parse(self._remote_sdp))
        self._local_sdp = text
        return text

    def settle(self) -> None:
        """Send what the last callbacks left, in the order that control expects."""
        try:
            self._settle_open()
        except Exception as error:
            self.owner.leg_failed(self, error)
        if self._final is not None and not self.gone:
            self.gone = True
            if self.number:
                self.owner.emit(self._disconnected(*self._final))

    def _settle_open(self) -> None:
        if self._negotiated and self._local_sdp and self.audio is not None:
            self._negotiated = False
            self._remote_sdp = self._remote_sdp or self._remote_of_stream()
            self._generation += 1
            self.agreed_audio = self.audio
            self.keying.agree(self.audio, self._remote_sdp)
            self.owner.emit(
                UaNegotiated(self.number, self._local_sdp, self._remote_sdp, self._generation)
            )
        for news in self._referring.pop(self.number):
            self.owner.emit(news)
        if self._confirmed_ns:
            at_ns, self._confirmed_ns = self._confirmed_ns, 0
            self.owner.emit(
                UaConfirmed(
                    self.number,
                    at_ns,
                    self.sip_call_id,
                    self._local_tag,
                    self._remote_tag,
                    self._remote_contact,
                    self._said,
                )
            )

    # ------------------------------------------------------------ callbacks of pjsua2

    @guarded
    def onCallState(self, prm: Any) -> None:  # noqa: N802
        """Report the ACK and the end."""
        state = self.getInfo()
        self.sip_call_id = self.sip_call_id or clean(state.callIdString)
        if state.state == pj.PJSIP_INV_STATE_CONFIRMED:
            if prm.e.type == pj.PJSIP_EVENT_RX_MSG:
                self._read(parse_message(prm.e.body.rxMsg.rdata.wholeMsg), received=True)
            self._confirmed_ns = time.monotonic_ns()
            self._up = True
        elif state.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self._final = (int(state.lastStatusCode), clean(state.lastReason))
        self.owner.leg_changed(self)

    @guarded
    def onCallTsxState(self, prm: Any) -> None:  # noqa: N802
        """Read the messages that pjsua2 does not report: SDP as sent, tags, reasons, INFO."""
        event = prm.e.body.tsxState
        method = event.tsx.method
        if method == "REFER" and event.type == pj.PJSIP_EVENT_RX_MSG:
            text = parse_message(event.src.rdata.wholeMsg)
            if event.tsx.role == pj.PJSIP_ROLE_UAS:
                self._referred_by = parse_name_address(text.header("referred-by")).uri
            else:
                sent = parse_message(event.tsx.lastTx.wholeMsg)
                self._referring.read(text, sent.request_uri)
                self.owner.leg_changed(self)
        if method not in _WATCHED:
            return
        if event.type == pj.PJSIP_EVENT_TX_MSG:
            sent = parse_message(event.src.tdata.wholeMsg)
            self._read(sent, received=False)
            if self.number > 0 and method == "INVITE" and not self._rang:
                self._tell_ringing(sent)
            if self.number < 0 and sent.start.startswith("INVITE ") and not self._generation:
                self._tell_dialing(sent)
        elif event.type == pj.PJSIP_EVENT_RX_MSG:
            text = parse_message(event.src.rdata.wholeMsg)
            self._read(text, received=True)
            if event.tsx.role == pj.PJSIP_ROLE_UAS:
                self._receive_request(method, text, event.src.rdata)
            elif method == "INVITE":
                self._receive_response(text)

    @guarded
    def onCallSdpCreated(self, prm: Any) -> None:  # noqa: N802
        """Put media's address into every local description before it leaves."""
        own, remote = prm.sdp.wholeSdp, clean(prm.remSdp.wholeSdp)
        try:
            if self.audio is None:
                self.unsent_sdp = own
                return
            offer = sdp.parse(remote) if remote else None
            text = self._rewrite(own, self.audio, offer)
        except Exception:
            # without this pjsua2's own address would go out
            prm.sdp.wholeSdp = sdp.decline(own)
            raise
        prm.sdp.wholeSdp = text
        self._local_sdp = text
        self._remote_sdp = remote  # empty where the peer has yet to answer

    @guarded
    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        """Note that an offer/answer round is complete; the texts may still be on their way."""
        self._negotiated = True
        self.owner.leg_changed(self)

    @guarded
    def onCallRxOffer(self, prm: Any) -> None:  # noqa: N802
        """Refuse an offer in the dialog that we cannot meet; the session stays as it was."""
        codecs = self.audio.codecs if self.audio else sdp.CODECS
        try:
            sdp.check_offer(sdp.parse(clean(prm.offer.wholeSdp)), codecs, self.policy)
        except sdp.SdpError:
            prm.statusCode = 488

    @guarded
    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        """Report a digit of ``application/dtmf-relay``; those in RTP never come here."""
        if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO:
            known = prm.duration < _DURATION_UNKNOWN
            self._emit_digit(prm.digit, int(prm.duration) if known else 0)

    @guarded
    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: N802
        """Report a REFER without letting pjsua2 dial past the dial plan."""
        prm.statusCode = 603
        refer_to, target = parse_refer_to(clean(prm.dstUri))
        self.owner.emit(
            UaReferred(
                self.number,
                refer_to,
                self._referred_by,
                target.sip_call_id if target else "",
                target.to_tag if target else "",
                target.from_tag if target else "",
            )
        )

    @guarded
    def onCallTransferStatus(self, prm: Any) -> None:  # noqa: N802
        """Report how our REFER goes."""
        self._referring.note(int(prm.statusCode), clean(prm.reason), bool(prm.finalNotify))
        self.owner.leg_changed(self)

    def onCallRedirected(self, prm: Any) -> int:  # noqa: N802
        """Never follow a 3xx past the dial plan; the leg ends with the status that came."""
        return int(pj.PJSIP_REDIRECT_REJECT)

    @guarded
    def onCallReplaceRequest(self, prm: Any) -> None:  # noqa: N802
        """Let another dialog take this one over, with this one's port of media."""
        if self.audio is None or self.ending:
            prm.statusCode = 481
            return
        text = parse_message(prm.rdata.wholeMsg)
        try:
            if text.sdp:
                sdp.check_offer(sdp.parse(text.sdp), self.audio.codecs, self.policy)
        except sdp.SdpError as error:
            prm.statusCode = error.sip_status
            return
        prm.newCall = self.owner.replace(self, text, clean(prm.rdata.srcAddress))

    # ------------------------------------------------------------ inside

    def _rewrite(self, own: str, audio: sdp.LocalAudio, offer: SessionDescription | None) -> str:
        text = sdp.rewrite(own, self.keying.keyed(audio, offer), offer)
        return sdp.hide_ip6(text) if self.owner.behind_front else text

    def _read(self, text: SipText, *, received: bool) -> None:
        """Keep SDP and tags of a message as it went over the wire."""
        if body := text.sdp:
            if received:
                self._remote_sdp = body
            else:
                self._local_sdp = body
        request = not text.start.startswith("SIP/")
        # From belongs to who sent the request (RFC 3261 section 8.1.1.3)
        ours, theirs = ("to", "from") if request == received else ("from", "to")
        self._local_tag = parse_name_address(text.header(ours)).tag or self._local_tag
        self._remote_tag = parse_name_address(text.header(theirs)).tag or self._remote_tag
        if received and (contact := parse_name_address(text.header("contact")).uri):
            self._remote_contact = contact

    def _tell_ringing(self, sent: SipText) -> None:
        if sent.start.startswith("SIP/2.0 1") and ";tag=" in sent.header("to"):
            self._rang = True
            self.owner.emit(UaRang(self.number, sent.header("to")))

    def _tell_dialing(self, invite: SipText) -> None:
        names = ("via", "from", "to", "call-id", "cseq", "route")
        kept = {name: value for name in names if (value := invite.header(name))}
        self.owner.emit(UaDialing(self.number, invite.request_uri, kept))

    def _remote_of_stream(self) -> str:
        # the answer to our offer in a re-INVITE's 200 comes in an ACK that pjsua2 keeps to itself
        stream = self.getStreamInfo(0)
        return sdp.describe(
            stream.remoteRtpAddress,
            stream.codecName,
            int(stream.txPt),
            int(stream.audTxEventPt) if 0 < stream.audTxEventPt < 128 else None,
            _PEER_DIRECTION.get(stream.dir, Direction.SENDRECV),
        )

    def _receive_request(self, method: str, text: SipText, rdata: Any) -> None:
        if method in ("BYE", "CANCEL") and not self._ended_by_peer:
            self._ended_by_peer = True
            self._reason_header = text.header("reason")
        elif method == "INFO" and text.header("content-type").lower() == "application/dtmf":
            self._emit_digit(text.body, 0)
            self.owner.answer_info(self, rdata)

    def _receive_response(self, text: SipText) -> None:
        _, status, reason = (text.start.split(" ", 2) + ["", ""])[:3]
        if self.number < 0 and not self._heard:
            self._heard = True
            self.owner.emit(UaTrying(self.number))
        if self._up and status >= "300" and status not in _RETRIED_BY_PJSIP:
            self.owner.offer_refused(self, int(status), reason)
        elif self.number < 0 and status[:1] == "1" and status != "100":
            self.owner.emit(UaProgress(self.number, int(status), reason, text.sdp, _said(text)))
        elif self.number < 0 and status[:1] == "2" and not self._up:
            self._said = _said(text)

    def _emit_digit(self, text: str, duration_ms: int) -> None:
        digit = text.strip()[:1].upper()
        if digit in _DTMF:
            self.owner.emit(UaDigit(self.number, digit, duration_ms or None))

    def _disconnected(self, status: int, reason: str) -> UaDisconnected:
        by = self._ended_by(status)
        return UaDisconnected(self.number, status, reason, by, self._reason_header)

    def _ended_by(self, status: int) -> EndedBy:
        if self._ended_by_peer and not self.ending:
            return EndedBy.REMOTE
        refused = self.number < 0 and status >= 300 and not self.ending
        return EndedBy.REMOTE if refused else EndedBy.LOCAL


def _said(text: SipText) -> dict[str, str]:
    """Return what a response tells about its sender."""
    return {name: value for name in _TELLING if (value := text.header(name))}
