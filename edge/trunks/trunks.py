"""Put together what the control process has of trunks: in force, in use, and up (shell)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from edge.apology import apology_file
from edge.call_parts import CallTimers
from edge.call_surroundings import Asked
from edge.dialplan.plan import DialPlan
from edge.outbound import OutboundLegs
from edge.trunks.carriers import Carriers
from edge.trunks.connecting import Connector, QueueDesk
from edge.trunks.intake import Intake
from edge.trunks.limits import TrunkUse
from edge.trunks.messages import (
    ProbeTrunk,
    ServerProbed,
    ServerStatus,
    TrunkProbed,
    Trunks,
    TrunkStatus,
)
from edge.trunks.probe_call import call_to_probe
from edge.trunks.registration import SECOND_NS
from edge.trunks.routing import Routing
from edge.trunks.servers import Server
from edge.ua.messages import UaGate, UaTlsNames, UaVouch
from edge.ua.terms import Terms, TrunkTerms, UaTerms
from media import RemoteError
from media.config.model import Config
from media.config.trunks import SessionTimersConfig, TrunkConfig
from media.messages import Message

PROBE_TIMEOUT_S = 5.0
PRIMARY = 0
"""Place of the worker whose port carriers know."""

log = structlog.get_logger()


class TrunkBoard:
    """The trunks' side of the switchboard.

    Args:
        config: loaded.
        plan: compiled; None compiles it.
        media: the media process.
        agent: the agent process.
        legs: places outbound calls.
        send: sends a message to a worker's place.
        domain: returns the host part of our own addresses.
        retry_after_s: the service's own Retry-After.
        queue_desk: takes callers to people.

    Raises:
        ConfigError: a trunk's password cannot be read.
    """

    def __init__(
        self,
        config: Config,
        plan: DialPlan | None,
        *,
        media: Asked,
        agent: Asked,
        legs: OutboundLegs,
        send: Callable[[int, Message], None],
        domain: Callable[[], str],
        retry_after_s: Callable[[], int],
        queue_desk: QueueDesk | None,
    ) -> None:
        self._send = send
        self._places: set[int] = set()
        """Workers that are ready."""
        self.use = TrunkUse()
        self.use.set_trunks(config.trunks)
        self.carriers = Carriers(
            lambda: self.routing, lambda message: send(PRIMARY, message), self._set_gate
        )
        self.connector = Connector(
            media, agent, legs, self.use, self.carriers, domain, retry_after_s, queue_desk
        )
        routing = Routing.compile(config, plan)
        self.intake = Intake(routing, self.connector, apology_file, self._vouch, timers(config))
        self.carriers.load()

    @property
    def routing(self) -> Routing:
        """The configuration in force."""
        return self.intake.routing

    def put_in_force(self, routing: Routing) -> None:
        """Go by another configuration from the next call on."""
        self.intake.routing = routing
        self.intake.timers = timers(routing.config)
        self.use.set_trunks(routing.config.trunks)
        self.carriers.load()
        self._set_gate()

    # ------------------------------------------------------------ workers

    def worker_ready(self, place: int) -> None:
        """A worker's new life has bound its sockets."""
        self._places.add(place)
        self._send(place, self._gate())
        self._send(place, self._terms())
        self._send(place, UaTlsNames(self.carriers.tls_names()))
        if place == PRIMARY:
            self.carriers.worker_ready()

    def worker_lost(self, place: int) -> None:
        """A worker's life is over."""
        self._places.discard(place)
        if place == PRIMARY:
            self.carriers.worker_lost()

    def _gate(self) -> UaGate:
        rules = self.routing.gate_rules
        return UaGate(rules.policy, rules.networks, rules.tokens, rules.challenge)

    def _set_gate(self) -> None:
        self._send(PRIMARY, self._gate())
        for place in self._places:
            self._send(place, UaTlsNames(self.carriers.tls_names()))
            self._send(place, self._terms())

    def _terms(self) -> UaTerms:
        routing = self.routing
        marks = routing.recognition
        trunks = {name: terms_of(each) for name, each in routing.config.trunks.items()}
        return UaTerms(trunks, dict(marks.tokens), dict(marks.servers))

    def _vouch(self, address: str) -> None:
        self._send(PRIMARY, UaVouch(address))

    # ------------------------------------------------------------ clients

    def status(self) -> Trunks:
        """Return how the trunks are."""
        now_ns = time.monotonic_ns()
        rows = []
        for name, line in self.carriers.lines.items():
            servers = tuple(self._server(name, each, now_ns) for each in line.servers.all)
            config = line.config
            calls, limit = self.use.calls(name), config.limits.calls
            rows.append(
                TrunkStatus(name, config.description, calls, limit, servers, line.unresolved)
            )
        return Trunks(tuple(rows), str(self.routing.recognition.policy))

    def _server(self, trunk: str, server: Server, now_ns: int) -> ServerStatus:
        registration = self.carriers.lines[trunk].registrations.get(server.target)
        status = ServerStatus(
            server.target.name,
            str(server.target),
            str(server.state),
            server.round_trip_ms,
            last_error=server.last_error,
        )
        if registration is None:
            return status
        good = registration.is_good(now_ns)
        due_ns = registration.deadline_ns
        return replace(
            status,
            registration="registered" if good else str(registration.state),
            registered_for_s=max(0, (registration.good_until_ns - now_ns) // SECOND_NS),
            next_attempt_s=None if due_ns is None else max(0, (due_ns - now_ns) // SECOND_NS),
            last_error=registration.last_error or server.last_error,
        )

    async def probe(self, asked: ProbeTrunk) -> TrunkProbed:
        """Ask every server of a trunk what it can do.

        Raises:
            RemoteError: 404, there is no such trunk; 503, it has no server; where a number is to
                be called, why it cannot be.
        """
        if asked.trunk not in self.carriers.lines:
            raise RemoteError(f"no trunk {asked.trunk}", 404)
        targets = self.carriers.targets(asked.trunk)
        if not targets:
            raise RemoteError(f"trunk {asked.trunk} has no server to ask", 503)
        found = []
        for target in targets:
            began = time.monotonic()
            answer = await self.carriers.ask(target, PROBE_TIMEOUT_S)
            if answer is None or not answer.headers:
                found.append(ServerProbed(str(target), 0))
                continue
            took_ms = round((time.monotonic() - began) * 1_000)
            found.append(
                ServerProbed(str(target), answer.sip_status, took_ms, answer.headers, answer.body)
            )
        if not asked.call:
            return TrunkProbed(asked.trunk, tuple(found))
        alive = [each for each, said in zip(targets, found, strict=True) if said.sip_status]
        call = await call_to_probe(self.connector, self.routing, asked, (alive or targets)[0])
        return TrunkProbed(asked.trunk, tuple(found), (call,))


def timers(config: Config) -> CallTimers:
    """Return how long calls may stay where they are."""
    return CallTimers(
        answer_timeout_ms=config.sip.answer_timeout_ms,
        max_call_ms=config.limits.max_call_s * 1_000,
    )


def terms_of(trunk: TrunkConfig) -> TrunkTerms:
    """Return on what terms a trunk's calls come in, and how the workers recognise them."""
    timers = trunk.session_timers
    usual_s = SessionTimersConfig().expires_s
    expires_s = None if timers.expires_s == usual_s else timers.expires_s
    terms = Terms(timers.mode, expires_s, timers.min_s, timers.refresher, trunk.rel100)
    return TrunkTerms(terms, trunk.sources, trunk.digest.username if trunk.digest else "")


def trunk_workers(config: Config) -> int:
    """Return how many workers carry calls out over trunks; none where no trunk leads out."""
    return 1 if any(each.carries_calls_out for each in config.trunks.values()) else 0
