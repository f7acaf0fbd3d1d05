"""Take INVITEs in: whose they are, what they must prove, whether there is room, where they go.

The order is the order of what it costs: an unknown source is turned away before anything is kept
of it, credentials are checked before a line is counted, and only then the plan is asked. Who is
turned away leaves no call record but, for the source's first time, one log line, made for
fail2ban: ``sip_source_refused source=ADDRESS reason=unknown|flood|bad_password``.
"""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from edge import sdp
from edge.call_events import EndReason, Party, Termination
from edge.call_parts import CallTimers
from edge.dialplan.plan import Action
from edge.front.users import phone_of
from edge.trunks.connecting import RING_TIMEOUT_S, Connector
from edge.trunks.digest import Challenger, Proof, parse_credentials
from edge.trunks.recognition import Recognised, host_of
from edge.trunks.routed import Routed
from edge.trunks.routing import SOURCE_HEADER, Offered, Routing
from edge.ua.messages import UaInvite
from edge.ua.proxied import IDENTITY_HEADER
from media.config.model import Config, Front
from media.config.trunks import Dtmf
from media.messages import CallId

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """An INVITE that becomes no call."""

    sip_status: int
    challenges: tuple[str, ...] = ()
    """Of a 401 or 407."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An INVITE that becomes a call, if only to be refused."""

    routed: Routed
    offered: Offered
    refusal: Termination | None
    counted: str | None
    """Trunk on which the call counts until it ends."""


@dataclass(slots=True)
class Intake:
    """Decides about every INVITE.

    Args:
        routing: in force; replaced at a reload.
        connector: makes destinations.
        apology_file: the WAV of a persona that broke, by configuration and persona.
        vouch: told the address of a source that has proved who it is.
        timers: how long calls may stay where they are.
    """

    routing: Routing
    connector: Connector
    apology_file: Callable[[Config, str | None], str]
    vouch: Callable[[str], None]
    timers: CallTimers = field(default_factory=CallTimers)
    _challenger: Challenger = field(
        default_factory=lambda: Challenger(secrets.token_bytes(32)), init=False
    )

    def seen(self, invite: UaInvite) -> UaInvite:
        """Return the INVITE with the source that it really came from."""
        if self.routing.config.sip.front is Front.NONE:
            return invite
        told = invite.headers.get(SOURCE_HEADER, "").partition(";")[0].strip()
        return replace(invite, source=told or invite.source)

    def take(self, invite: UaInvite, call_id: CallId, load: float) -> Taken | TurnedAway:
        """Decide about one INVITE.

        Args:
            invite: as :meth:`seen` returns it.
            call_id: ours, for the call that it may become.
            load: calls in progress divided by the limit.
        """
        trunk = self._trunk_of(invite)
        if isinstance(trunk, TurnedAway):
            return trunk
        routing = self.routing
        offered = routing.offered(invite, trunk)
        at = datetime.datetime.now(datetime.UTC)
        decision = routing.decide(offered, at, load)
        variables = {**offered.variables, **decision.variables}
        actions = routing.actions(decision, offered, at, load)
        chain = self.connector.chain(routing, actions, offered, call_id, variables)
        agent = actions[0].agent if actions else None
        config = routing.config
        phone = phone_of(invite.headers, config) if trunk is None else None
        routed = Routed(
            chain,
            agent,
            decision.rule.label if decision.rule is not None else None,
            self.apology_file(config, agent),
            codecs=routing.trunk(trunk).codecs if trunk else ("PCMU", "PCMA"),
            dtmf_in_audio=routing.trunk(trunk).dtmf is not Dtmf.INFO,
            srtp=(phone or routing.trunk(trunk)).srtp,
            timers=self._timers(actions),
        )
        unfit = _unfit(invite.offer, routed)
        if unfit is not None:
            return Taken(routed, offered, unfit, None)
        if trunk is None:
            return Taken(routed, offered, None, None)
        full = self.connector.use.begin(trunk, time.monotonic_ns())
        if full is None:
            return Taken(routed, offered, None, trunk)
        routed.refusal_headers |= full.headers(self.connector.retry_after_s())
        refusal = Termination(Party.SYSTEM, full.sip_status, EndReason.FULL, full.reason)
        return Taken(routed, offered, refusal, None)

    def _timers(self, actions: tuple[Action, ...]) -> CallTimers:
        """Return the call's timers: whoever is called over a trunk may let it ring."""
        numbers = sum(each.number is not None for each in actions)
        ringing_ms = round(numbers * (RING_TIMEOUT_S + 5) * 1_000)
        return replace(self.timers, answer_timeout_ms=self.timers.answer_timeout_ms + ringing_ms)

    def trunk_of(self, source: str, identity: str = "", request_uri: str = "") -> str | None:
        """Return the trunk of an address, None where it has none.

        Args:
            source: the address.
            identity: the front's word of who has proved a password, empty for nobody.
            request_uri: may carry the token of a registration of ours.
        """
        kind, _, name = identity.partition(":")
        if kind == "trunk" and name in self.routing.config.trunks:
            return name
        return self.routing.recognition.recognise(source, request_uri).trunk

    def _trunk_of(self, invite: UaInvite) -> str | TurnedAway | None:
        routing = self.routing
        if routing.config.sip.front is Front.KAMAILIO:
            kind, _, name = invite.headers.get(IDENTITY_HEADER.lower(), "").partition(":")
            if kind == "trunk" and name in routing.config.trunks:
                return name  # the front has checked the password
            if kind == "phone" and name in routing.config.phones:
                return None
        found = routing.recognise(invite)
        if routing.config.sip.front is Front.KAMAILIO and found.trunk is None:
            found = Recognised(None)  # the front has asked for every password that helps
        if found.challenge is not None and "authorization" in invite.headers:
            return self._proved(invite, "authorization", found.challenge)
        if found.challenge is not None and "proxy-authorization" in invite.headers:
            return self._proved(invite, "proxy-authorization", found.challenge)
        if found.challenge is not None and (found.trunk or not routing.admits_unknown()):
            return self._challenge(invite, found.challenge, stale=False)
        if found.trunk is not None or routing.admits_unknown():
            return found.trunk
        log.warning("sip_source_refused", source=host_of(invite.source), reason="unknown")
        return TurnedAway(403)

    def _proved(self, invite: UaInvite, header: str, fallback: str) -> str | TurnedAway:
        given = parse_credentials(invite.headers[header])
        users = {each.value("username") for each in given}
        digests = {n: t.digest for n, t in self.routing.config.trunks.items() if t.digest}
        named = [name for name, digest in digests.items() if digest.username in users]
        trunk = fallback if fallback in named or not named else named[0]
        digest = digests[trunk]
        address = host_of(invite.source)
        password = self.routing.digest_passwords[trunk]
        proof = self._challenger.check(
            given, "INVITE", digest.realm, address, digest.username, password, time.monotonic_ns()
        )
        if proof is Proof.RIGHT:
            self.vouch(address)
            return trunk
        if proof is Proof.WRONG:
            log.warning("sip_source_refused", source=address, reason="bad_password", trunk=trunk)
            return TurnedAway(403)
        return self._challenge(invite, trunk, stale=proof is Proof.STALE)

    def _challenge(self, invite: UaInvite, trunk: str, *, stale: bool) -> TurnedAway:
        digest = self.routing.config.trunks[trunk].digest
        assert digest is not None
        values = self._challenger.challenges(
            digest.realm, host_of(invite.source), time.monotonic_ns(), stale=stale
        )
        return TurnedAway(407 if digest.proxy else 401, values)


def _unfit(offer: str, routed: Routed) -> Termination | None:
    """Return why an offer cannot be met now that the trunk is known: in the clear, or encrypted."""
    if not offer:
        return None
    try:
        sdp.check_offer(sdp.parse(offer), routed.codecs, routed.srtp)
    except sdp.SdpError as error:
        routed.refusal_headers |= error.headers()
        return Termination(Party.SYSTEM, error.sip_status, EndReason.UNACCEPTABLE, str(error))
    return None
