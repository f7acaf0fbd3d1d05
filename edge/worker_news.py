"""Take what UA workers say: new calls, news of dialogs, refusals, and their own end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from edge import sdp
from edge.admission import Admission
from edge.call_book import CallBook
from edge.call_events import (
    Confirmed,
    Disconnected,
    EndReason,
    Event,
    HangUpAsked,
    InviteArrived,
    Negotiated,
    NegotiationFailed,
    Party,
    WorkerLost,
)
from edge.call_surroundings import CallerLeg
from edge.call_task import CallTask
from edge.farewell import LostDialog, lost_dialog, say_bye
from edge.front.front import FrontLine
from edge.last_answer import LastAnswer, LastAnswers, last_answer
from edge.outbound import OutboundLegs
from edge.peer import Peer
from edge.queues.coded_call import coded_call
from edge.records.columns import Parties, new_call_id
from edge.refused_calls import RefusedCalls
from edge.transfer.order import TransferSurroundings
from edge.trunks.intake import TurnedAway
from edge.trunks.routed import Routed
from edge.trunks.trunks import TrunkBoard
from edge.ua.messages import (
    Challenge,
    EndedBy,
    UaCommandFailed,
    UaConfirmed,
    UaDigit,
    UaDisconnected,
    UaHangup,
    UaInvite,
    UaNegotiated,
    UaRang,
    UaReady,
    UaRefused,
    UaReject,
    UaTransferStatus,
)
from edge.ua.sip_text import parse_name_address
from edge.workers import WorkerKey, Workers
from media import RemoteError
from media.config.model import Config
from media.messages import (
    CallId,
    Message,
)

log = structlog.get_logger()


class WorkerNews:
    """Where the messages of UA workers go.

    Args:
        book: the calls in progress.
        admission: who may call now.
        front: what stands before the workers.
        trunks: trunks and dial plan.
        outbound: legs that we place.
        workers: the way back to the workers.
        transfers: people and their codes.
        media: the media process.
        config: the configuration gone by now.
    """

    def __init__(
        self,
        book: CallBook,
        admission: Admission,
        front: FrontLine,
        trunks: TrunkBoard,
        outbound: OutboundLegs,
        workers: Workers,
        transfers: TransferSurroundings,
        media: Peer,
        config: Callable[[], Config],
    ) -> None:
        self._book = book
        self._admission = admission
        self._front = front
        self._trunks = trunks
        self._outbound = outbound
        self._workers = workers
        self._transfers = transfers
        self._media = media
        self._config = config
        self._farewells: set[asyncio.Task[bool]] = set()
        self._refused = RefusedCalls(book, admission, trunks.intake, fronted=front.is_there)
        front.on_refused = self._refused.by_front
        sip = config().sip
        self._last_answers = LastAnswers(
            sip.address, sip.udp_port, lambda message: workers.send_to_place(0, message)
        )

    def receive(self, key: WorkerKey, message: Message) -> None:
        """Take one message of a worker."""
        if isinstance(message, UaInvite | UaRefused | UaDisconnected):
            self._front.changed(key.place)
        if self._outbound.receive(key, message) or self._trunks.carriers.receive(message):
            return
        match message:
            case UaInvite(replaces_leg=int()):
                self._take_over(key, message)
            case UaInvite():
                self._take_call(key, message)
            case UaRefused():
                self._refused.by_worker(message)
            case UaReady():
                self._trunks.worker_ready(key.place)
                if key.place == 0:
                    self._last_answers.worker_ready()
            case UaRang(leg=leg, to=to):
                if (task := self._book.legs.get((key, leg))) is not None:
                    task.leg.rang_to = to
            case UaNegotiated(leg=leg):
                self._book.post_leg(key, leg, _negotiated(message))
            case UaConfirmed(leg=leg):
                if self._note_dialog(key, message):
                    self._book.post_leg(key, leg, Confirmed())
            case UaDisconnected(leg=leg):
                by_caller = message.by is EndedBy.REMOTE
                gone = Disconnected(
                    by_caller, message.sip_status, message.reason, message.reason_header
                )
                self._book.post_leg(key, leg, gone)
                self._book.legs.pop((key, leg), None)
            case UaDigit(leg=leg, digit=digit):
                task = self._book.legs.get((key, leg))
                if task is not None:
                    task.press(digit, in_audio=False)
            case UaTransferStatus(leg=leg, status=status, final=final, challenge=challenge):
                self._refer_news(key, leg, status, final, challenge)
            case UaCommandFailed(leg=leg, command=command, reason=reason):
                log.warning("command_refused", leg=leg, command=command, reason=reason)
                if command == "UaRefer":
                    self._refer_news(key, leg, 500, True)
                elif command == "UaAnswer":
                    broken = HangUpAsked(Party.SYSTEM, EndReason.SIP_FAILURE, reason)
                    self._book.post_leg(key, leg, broken)
            case _:
                log.info("message_unused", message=type(message).__name__)

    def _refer_news(
        self,
        key: WorkerKey,
        leg: int,
        sip_status: int,
        final: bool,
        challenge: Challenge | None = None,
    ) -> None:
        task = self._book.legs.get((key, leg))
        if task is not None:
            task.handover.refer_news(sip_status, final, challenge)

    def _note_dialog(self, key: WorkerKey, confirmed: UaConfirmed) -> bool:
        """Keep a dialog's names; say whether it is the first of its call."""
        call = self._book.legs.get((key, confirmed.leg))
        if call is None:
            return False
        # the call itself may not have got round to an ACK that came just before this one
        is_first, call.leg.was_confirmed = not call.leg.was_confirmed, True
        call.leg.confirmed = confirmed
        return is_first

    def worker_lost(self, key: WorkerKey, reason: str) -> None:
        """End the calls of a worker that is gone; their far ends get a BYE from here."""
        self._outbound.lose_worker(key)
        self._trunks.worker_lost(key.place)
        owed: list[LastAnswer] = []
        for owner, leg in [each for each in self._book.legs if each[0] == key]:
            call = self._book.legs.pop((owner, leg))
            call.post(WorkerLost(reason))
            if call.leg.invite is not None and call.leg.confirmed is not None:
                dialog = lost_dialog(call.leg.invite, call.leg.confirmed)
                self._farewell(dialog)
            else:
                owed += self._release_unconfirmed(call)
        if owed:
            self._last_answers.give(owed)

    def _release_unconfirmed(self, call: CallTask) -> list[LastAnswer]:
        """Have a caller told who has no answer yet, or has not acknowledged it."""
        leg, invite = call.leg, call.leg.invite
        if invite is None:
            return []
        if call.call.times.answered_ns is not None and leg.rang_to:
            # the 200 may have got through; a caller who never got it takes the 503
            ours, theirs = (
                parse_name_address(each).tag
                for each in (leg.rang_to, invite.response_headers.get("from", ""))
            )
            confirmed = UaConfirmed(leg.number, 0, invite.sip_call_id, ours, theirs, "")
            self._farewell(lost_dialog(invite, confirmed))
        if self._front.is_there:
            self._front.worker_lost(invite)
            return []
        answer = last_answer(invite, leg.rang_to, self._config().limits.retry_after_s)
        return [answer] if answer is not None else []

    def _farewell(self, dialog: LostDialog) -> None:
        farewell = asyncio.create_task(say_bye(dialog))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    def _take_call(self, key: WorkerKey, invite: UaInvite) -> None:
        invite = self._trunks.intake.seen(invite)
        call_id = new_call_id(time.time_ns())
        coded = coded_call(invite, self._config(), self._transfers.desk, self._media)
        if coded is not None:
            self._take_coded(key, invite, call_id, coded)
            return
        load = len(self._book.calls) / max(self._workers.pool.limit, 1)
        taken = self._trunks.intake.take(invite, call_id, load)
        if isinstance(taken, TurnedAway):
            refuse = UaReject(invite.leg, taken.sip_status, challenges=taken.challenges)
            self._workers.send(key, refuse)
            return
        leg = self._caller_leg(key, invite)
        parties = Parties(
            invite.sip_call_id,
            taken.offered.caller_uri,
            invite.request_uri or invite.to_uri,
            invite.source,
            invite.from_display,
            taken.offered.trunk or "default",
        )
        refusal = self._admission.refusal() or self._front.refusal() or taken.refusal
        task = self._book.start(call_id, parties, leg, taken.routed, InviteArrived(refusal))
        task.trunk_counted = taken.counted
        self._book.legs[key, invite.leg] = task

    def _caller_leg(self, key: WorkerKey, invite: UaInvite) -> CallerLeg:
        own = self._config().media.address
        # the configured one, unless the caller's audio is of the other family
        foreign = (":" in own) != (":" in invite.local_address)
        wildcard = own in ("0.0.0.0", "::") or foreign
        return CallerLeg(
            invite.leg,
            lambda message: self._workers.send(key, message),
            invite.local_address if wildcard else None,
            invite,
        )

    def _take_coded(
        self, key: WorkerKey, invite: UaInvite, call_id: CallId, routed: Routed
    ) -> None:
        """Take the call of a person who dialled a feature code."""
        called = invite.request_uri or invite.to_uri
        sip_call_id, display = invite.sip_call_id, invite.from_display
        parties = Parties(sip_call_id, invite.from_uri, called, invite.source, display)
        leg, arrived = self._caller_leg(key, invite), InviteArrived(self._admission.refusal())
        self._book.legs[key, invite.leg] = self._book.start(call_id, parties, leg, routed, arrived)

    def _take_over(self, key: WorkerKey, invite: UaInvite) -> None:
        """Let another dialog carry a call on (RFC 3891); its media and its record stay."""
        assert invite.replaces_leg is not None
        call = self._book.legs.pop((key, invite.replaces_leg), None)
        if call is None:
            self._workers.send(key, UaHangup(invite.leg))
            return
        log.info("call_taken_over", call_id=call.call_id, leg=invite.leg, source=invite.source)
        call.leg.number, call.leg.invite, call.leg.confirmed = invite.leg, invite, None
        self._book.legs[key, invite.leg] = call


def _negotiated(message: UaNegotiated) -> Event:
    try:
        return Negotiated(sdp.agreed(message.local_sdp, message.remote_sdp))
    except RemoteError as error:
        return NegotiationFailed(str(error))
