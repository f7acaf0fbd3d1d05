"""Keep the lines to carriers up: names resolved, servers asked, registrations alive (shell).

Everything here goes out from worker 0, whose port the carriers know. What is decided when is in
:mod:`edge.trunks.registration` and :mod:`edge.trunks.servers`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.asyncresolver
import structlog

from edge.trunks.registration import Action as RegistrationAction
from edge.trunks.registration import (
    Registration,
    RegistrationFailed,
    RegistrationUp,
    SendRegister,
)
from edge.trunks.resolve import is_static, resolve, static_targets
from edge.trunks.routing import Routing
from edge.trunks.servers import DEAD_STATUSES, REGISTERED, Servers, ServerState, Target, route_to
from edge.ua.messages import UaOptions, UaOptionsAnswered, UaRegister, UaRegistration
from media.config.trunks import RegisterConfig, Transport, TrunkConfig
from media.messages import Message

TICK_S = 0.1
SECOND_NS = 1_000_000_000

log = structlog.get_logger()


@dataclass(slots=True)
class _Line:
    """What is kept of one trunk."""

    config: TrunkConfig
    servers: Servers
    registrations: dict[Target, Registration] = field(default_factory=dict)
    resolve_ns: int = 0
    """When names are due to be resolved again."""
    unresolved: tuple[str, ...] = ()
    resolving: bool = False


class Carriers:
    """The lines of every trunk.

    Args:
        routing: returns what is in force.
        send: sends a message to worker 0.
        learnt: told that a registrar's address belongs to a trunk.
    """

    def __init__(
        self,
        routing: Callable[[], Routing],
        send: Callable[[Message], None],
        learnt: Callable[[], None],
    ) -> None:
        self.lines: dict[str, _Line] = {}
        self._routing = routing
        self._send = send
        self._learnt = learnt
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._ready = False
        self._numbers: dict[tuple[str, Target], int] = {}
        self._queries: dict[int, tuple[str, Target]] = {}
        self._next = 0
        self._asked: dict[int, asyncio.Future[UaOptionsAnswered]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self) -> None:
        """Take over a (re)loaded configuration; what is known of servers that stay is kept."""
        old, self.lines = self.lines, {}
        for name, trunk in self._routing().config.trunks.items():
            line = _Line(trunk, Servers(trunk.qualify))
            before = old.pop(name, None)
            if before is not None:
                line.servers.all = before.servers.all
                same = before.config.servers == trunk.servers
                line.resolve_ns = before.resolve_ns if same else 0
                if before.config.register == trunk.register:
                    line.registrations = before.registrations
                else:
                    self._stop(name, before)
            if is_static(trunk):
                self._set_targets(name, line, static_targets(trunk))
            self.lines[name] = line
        for name, line in old.items():
            self._stop(name, line)

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            now_ns = time.monotonic_ns()
            for name, line in list(self.lines.items()):
                self._tend(name, line, now_ns)
            await asyncio.sleep(TICK_S)

    async def stop(self, wait_s: float = 0.5) -> None:
        """Take registrations back."""
        stopped = [self._stop(name, line) for name, line in self.lines.items()]
        for task in self._tasks:
            task.cancel()
        if any(stopped):
            await asyncio.sleep(wait_s)

    # ------------------------------------------------------------ worker 0

    def worker_ready(self) -> None:
        """A new life of worker 0 has its socket."""
        self._ready = True

    def worker_lost(self) -> None:
        """Worker 0 died: everything is asked anew from the next one."""
        self._ready = False
        self._queries.clear()
        for line in self.lines.values():
            for each in line.registrations.values():
                each.lose_worker(time.monotonic_ns())
            for server in line.servers.all:
                server.asked_ns = None

    def receive(self, message: Message) -> bool:
        """Take a worker's message; False where it is none of ours."""
        now_ns = time.monotonic_ns()
        match message:
            case UaRegistration(registration=number):
                self._receive_registration(number, message, now_ns)
            case UaOptionsAnswered(query=query):
                waiting = self._asked.pop(query, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                asked = self._queries.pop(query, None)
                if asked is not None and asked[0] in self.lines:
                    name, target = asked
                    servers = self.lines[name].servers
                    if servers.receive_answer(target, message.sip_status, now_ns):
                        log.info("server_back", trunk=name, server=str(target))
            case _:
                return False
        return True

    # ------------------------------------------------------------ for calls

    def targets(self, trunk: str, *, spare: bool = False) -> tuple[Target, ...]:
        """Return the servers to try, in order: where we are registered first.

        Args:
            trunk: whose servers.
            spare: whether there is another way, so that servers known down are left out.
        """
        line = self.lines.get(trunk)
        if line is None:
            return ()
        usable = line.servers.up() if spare else line.servers.usable()
        now_ns = time.monotonic_ns()
        if line.config.register is not None:
            good = {t for t, each in line.registrations.items() if each.is_good(now_ns)}
            usable.sort(key=lambda each: each not in good)
        if not usable and line.config.registers_here:
            return (REGISTERED,)
        return tuple(usable)

    def tls_names(self) -> dict[str, str]:
        """Return what the certificates of TLS servers must be for, by ``address:port``."""
        targets = [server.target for line in self.lines.values() for server in line.servers.all]
        return {each.place: each.name for each in targets if each.transport is Transport.TLS}

    def note_dead(self, trunk: str, target: Target, reason: str) -> None:
        """A call found a server dead."""
        log.warning("server_dead", trunk=trunk, server=str(target), reason=reason)
        if trunk in self.lines:
            self.lines[trunk].servers.note_dead(target, reason, time.monotonic_ns())

    async def ask(self, target: Target, timeout_s: float) -> UaOptionsAnswered | None:
        """Send OPTIONS to one server and wait for what it says; None where nothing came."""
        query = self._new_number()
        future: asyncio.Future[UaOptionsAnswered] = asyncio.get_running_loop().create_future()
        self._asked[query] = future
        self._send(UaOptions(query, target.uri()))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            return None
        finally:
            self._asked.pop(query, None)

    # ------------------------------------------------------------ inside

    def _tend(self, name: str, line: _Line, now_ns: int) -> None:
        if now_ns >= line.resolve_ns and not line.resolving and not is_static(line.config):
            line.resolving = True
            task = asyncio.create_task(self._resolve(name, line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not self._ready:
            return
        for gone in line.servers.expired(now_ns):
            log.warning("server_dead", trunk=name, server=str(gone.target), reason=gone.last_error)
        for server in line.servers.due(now_ns):
            query = self._new_number()
            self._queries[query] = (name, server.target)
            self._send(UaOptions(query, server.target.uri()))
        for target, registration in line.registrations.items():
            self._carry_out(name, line, target, registration.pass_time(now_ns))

    async def _resolve(self, name: str, line: _Line) -> None:
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            found = await resolve(line.config, self._resolver)
        except Exception as error:  # a broken resolver must not end the service
            log.warning("trunk_unresolved", trunk=name, reason=f"{type(error).__name__}: {error}")
            line.resolve_ns = time.monotonic_ns() + 15 * SECOND_NS
            line.resolving = False
            return
        line.resolving = False
        line.resolve_ns = time.monotonic_ns() + found.good_for_s * SECOND_NS
        if found.failed != line.unresolved:
            line.unresolved = found.failed
            if found.failed:
                log.warning("trunk_unresolved", trunk=name, reason=f"no address of {found.failed}")
        # servers that nobody can tell about any more are better than none
        if found.targets and self.lines.get(name) is line:
            self._set_targets(name, line, list(found.targets))

    def _set_targets(self, name: str, line: _Line, targets: list[Target]) -> None:
        line.servers.set_targets(targets)
        register = line.config.register
        now_ns = time.monotonic_ns()
        kept = line.registrations
        line.registrations = {}
        if register is not None:
            for target in targets:
                known_one = kept.pop(target) if target in kept else None
                line.registrations[target] = known_one or Registration(register, now_ns)
        for target, registration in kept.items():
            self._carry_out(name, line, target, registration.stop(now_ns))
        known = self._routing().recognition.servers
        if register is not None and register.recognise:
            fresh = {each.host: name for each in targets if known.get(each.host) != name}
            known.update(fresh)
            if fresh:
                self._learnt()
        if line.config.transport is Transport.TLS:
            self._learnt()

    def _stop(self, name: str, line: _Line) -> bool:
        stopped = False
        for target, registration in line.registrations.items():
            actions = registration.stop(time.monotonic_ns())
            stopped = stopped or bool(actions)
            self._carry_out(name, line, target, actions)
        return stopped

    def _carry_out(
        self, name: str, line: _Line, target: Target, actions: list[RegistrationAction]
    ) -> None:
        where = {"trunk": name, "server": str(target)}
        for action in actions:
            match action:
                case SendRegister(expires_s):
                    register = line.config.register
                    if register is not None:
                        self._send(self._request(name, register, target, expires_s))
                case RegistrationUp(expires_s):
                    log.info("trunk_registered", **where, expires_s=expires_s)
                case RegistrationFailed(sip_status, reason, retry_s):
                    log.warning(
                        "registration_failed",
                        **where,
                        sip_status=sip_status,
                        reason=reason,
                        retry_s=retry_s,
                    )

    def _receive_registration(self, number: int, message: UaRegistration, now_ns: int) -> None:
        found = [key for key, each in self._numbers.items() if each == number]
        if not found or found[0][0] not in self.lines:
            return
        name, target = found[0]
        line = self.lines[name]
        registration = line.registrations.get(target)
        if registration is None:
            return
        actions = registration.receive_answer(
            message.sip_status, message.reason, message.expires_s, now_ns
        )
        if message.sip_status in DEAD_STATUSES:
            line.servers.note_dead(target, f"REGISTER: {message.sip_status}", now_ns)
        elif 200 <= message.sip_status < 300:
            server = next((e for e in line.servers.all if e.target == target), None)
            if server is not None:
                server.state = ServerState.UP
        self._carry_out(name, line, target, actions)

    def _request(
        self, name: str, register: RegisterConfig, target: Target, expires_s: int
    ) -> UaRegister:
        routing = self._routing()
        number = self._numbers.setdefault((name, target), self._new_number())
        domain = register.domain or target.name or target.host
        host = f"[{domain}]" if ":" in domain else domain
        direct = host in (target.host, f"[{target.host}]")
        token = routing.tokens.get(name)
        return UaRegister(
            number,
            target.uri() if direct else f"sip:{host}",
            f"sip:{register.username}@{host}",
            register.auth_username or register.username,
            routing.passwords.get(name, ""),
            expires_s,
            "" if direct else route_to(target),
            f";line={token}" if token else "",
        )

    def _new_number(self) -> int:
        self._next += 1
        return self._next
