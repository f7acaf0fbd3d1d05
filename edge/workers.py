"""Start UA workers, hear them, and kill those that hang (asyncio shell of :mod:`edge.pool`)."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from edge.front.settings import fronted_settings, is_fronted
from edge.offspring import signal_child
from edge.pool import Action, Kill, Pool, SetLimit, Spawn, WorkerDown
from edge.ua.messages import (
    UaDisconnected,
    UaHeartbeat,
    UaInvite,
    UaLimit,
    UaReady,
    UaSettings,
    UaShutdown,
    settings_text,
)
from media.config.model import Config
from media.link import Link
from media.messages import Message

TICK_S = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerKey:
    """One life of one worker."""

    place: int
    generation: int


@dataclass(slots=True)
class _Life:
    key: WorkerKey
    process: asyncio.subprocess.Process
    link: Link | None = None


def worker_command(settings: UaSettings, descriptor: int) -> list[str]:
    """Return the command line of a UA worker that talks on an inherited socket."""
    arguments = ["--fd", str(descriptor), "--settings", settings_text(settings)]
    return [sys.executable, "-m", "edge.ua", *arguments]


def worker_settings(config: Config) -> UaSettings:
    """Return how the worker on the SIP port is set up, or each of them behind the front."""
    if is_fronted(config):
        return fronted_settings(config)
    return UaSettings(
        address=config.sip.address,
        public_address=config.sip.public_address,
        udp_port=config.sip.udp_port,
        tcp_port=config.sip.tcp_port,
        tls_certificate=config.sip.tls_certificate or "",
        tls_key=config.sip.tls_key or "",
        tls_ca=config.sip.tls_ca or "",
        tls_port=config.sip.tls_port or 0,
        callers=config.limits.calls,
        retry_after_s=config.limits.retry_after_s,
        user_agent=config.sip.user_agent,
        log_level=config.log.level,
        log_format=config.log.format,
        log_pii=config.log.pii,
    )


class Workers:
    """The processes behind a pool's books.

    Args:
        pool: the books.
        settings: of the worker that listens on the SIP port; further ones take any port.
        on_message: called with every message but heartbeats and UaReady.
        on_down: called when a life is over; its dialogs are gone.
        on_change: called when readiness may have changed.
        command: makes the command line; tests put a worker of their own here.
    """

    def __init__(
        self,
        pool: Pool,
        settings: UaSettings,
        *,
        on_message: Callable[[WorkerKey, Message], None],
        on_down: Callable[[WorkerKey, str], None],
        on_change: Callable[[], None],
        command: Callable[[UaSettings, int], list[str]] = worker_command,
    ) -> None:
        self.pool = pool
        self.retry_after_s = settings.retry_after_s
        self._settings = settings
        self._on_message = on_message
        self._on_down = on_down
        self._on_change = on_change
        self._command = command
        self._lives: dict[WorkerKey, _Life] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Keep every place filled until :meth:`stop`."""
        while not self._stopping:
            await self._carry_out(self.pool.pass_time(time.monotonic_ns()))
            await asyncio.sleep(TICK_S)

    def send(self, key: WorkerKey, message: Message) -> None:
        """Send a message to one life; dropped when it is over."""
        life = self._lives.get(key)
        if life is not None and life.link is not None:
            life.link.send(message)

    def domain(self) -> str:
        """Return the host part of addresses of ours in headers."""
        if self._settings.contact:
            return self._settings.contact.partition("@")[2].rpartition(":")[0]
        return self._settings.public_address or self._settings.address

    def drain(self, number: int, drained: bool) -> None:
        """Take no more callers on a worker, or take them again.

        Raises:
            IndexError: there is no such worker.
        """
        self._apply(self.pool.drain(number, drained))
        self._on_change()

    def send_to_place(self, place: int, message: Message) -> None:
        """Send a message to whoever fills a place now; dropped while nobody does."""
        if place < len(self.pool.places):
            self.send(WorkerKey(place, self.pool.places[place].generation), message)

    def set_callers(self, callers: int | None, retry_after_s: int) -> None:
        """Go by another limit of callers."""
        self.retry_after_s = retry_after_s
        self._apply(self.pool.set_callers(callers))

    def open(self, is_open: bool, retry_after_s: int) -> None:
        """Take callers, or refuse them all."""
        self.retry_after_s = retry_after_s
        self._apply(self.pool.open(is_open))

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Ask every worker to release its dialogs and end; kill those that do not."""
        self._stopping = True
        lives = list(self._lives.values())
        for life in lives:
            if life.link is not None:
                life.link.send(UaShutdown())
        watches = list(self._watches)  # also of lives that were given up a moment ago
        if watches:
            await asyncio.wait(watches, timeout=timeout_s)
        for life in lives:
            self._kill(life)
        await asyncio.gather(*watches)

    async def _carry_out(self, actions: list[Action]) -> None:
        self._apply([each for each in actions if not isinstance(each, Spawn)])
        for each in actions:
            if isinstance(each, Spawn):
                await self._spawn(each)

    def _apply(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Kill(place, generation):
                    life = self._lives.pop(WorkerKey(place, generation), None)
                    if life is not None:
                        self._kill(life)
                case WorkerDown(place, generation, reason):
                    log.error("worker_lost", worker=place, generation=generation, reason=reason)
                    self._on_down(WorkerKey(place, generation), reason)
                    self._on_change()
                case SetLimit(place, callers):
                    key = WorkerKey(place, self.pool.places[place].generation)
                    self.send(key, UaLimit(callers, self.retry_after_s))
                    self._on_change()

    async def _spawn(self, action: Spawn) -> None:
        key = WorkerKey(action.place, action.generation)
        ours, theirs = socket.socketpair()
        settings = self._settings
        if action.place:
            settings = replace(settings, udp_port=0, tcp_port=0, tls_port=0)
        if self.pool.places[action.place].outbound:
            settings = replace(settings, callers=0)
        settings = replace(settings, contact=settings.contact.format(place=action.place))
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(settings, theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            self._apply(self.pool.receive_gone(*_parts(key), str(error), time.monotonic_ns()))
            return
        finally:
            theirs.close()
        life = _Life(key, process)
        self._lives[key] = life
        self.pool.spawned(action.place, process.pid)
        reader, writer = await asyncio.open_connection(sock=ours)
        life.link = Link(
            reader,
            writer,
            role="edge",
            on_message=lambda _, message, __: self._receive(life, message),
            on_closed=lambda _, reason: self._gone(life, reason),
        )
        life.link.start()
        watch = asyncio.create_task(self._watch(life))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        log.info("worker_started", worker=action.place, worker_pid=process.pid)

    async def _watch(self, life: _Life) -> None:
        status = await life.process.wait()
        # what the worker said last may still wait in the socket: read it before it counts as gone
        await asyncio.sleep(0.05)
        self._gone(life, _exit_text(status))

    def _gone(self, life: _Life, reason: str) -> None:
        if not self._stopping:
            actions = self.pool.receive_gone(*_parts(life.key), reason, time.monotonic_ns())
            self._apply(actions)

    def _receive(self, life: _Life, message: Message) -> None:
        now_ns = time.monotonic_ns()
        match message:
            case UaReady():
                log.info(
                    "worker_ready",
                    worker=life.key.place,
                    slots=message.slots,
                    udp_port=message.udp_port,
                    pjsip=message.pjsip_version,
                )
                self._apply(self.pool.receive_ready(*_parts(life.key), message, now_ns))
                self._on_message(life.key, message)
                self._on_change()
            case UaHeartbeat():
                self.pool.receive_heartbeat(*_parts(life.key), message, now_ns)
            case _:
                if isinstance(message, UaInvite | UaDisconnected):
                    begun = 1 if isinstance(message, UaInvite) else -1
                    self.pool.count_leg(*_parts(life.key), begun)
                self._on_message(life.key, message)

    def _kill(self, life: _Life) -> None:
        signal_child(life.process, signal.SIGKILL)
        if life.link is not None:
            life.link.close("worker was given up")


def _parts(key: WorkerKey) -> tuple[int, int]:
    return key.place, key.generation


def _exit_text(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exited with {status}"
