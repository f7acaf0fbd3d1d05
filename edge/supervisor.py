"""Start media, agent and edge, start again what dies, stop them in order (asyncio shell).

Children die with this process, however it dies (:mod:`edge.offspring`). The edge is stopped first:
it says BYE and closes the records while media and agent still answer it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge import offspring
from edge.backoff import Backoff
from edge.front.addresses import WORKER_ADDRESS
from edge.front.settings import is_fronted
from media import LocalError
from media.config.model import Config

EDGE_STOP_S = 10.0
STOP_S = 5.0
PORT_WAIT_S = 3.0
"""Workers of a control process that was killed hold the SIP port for up to 2 s."""

log = structlog.get_logger()


class StartError(LocalError):
    """The service cannot be started here and now."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process that is kept running."""

    role: str
    program: tuple[str, ...]
    niceness: int = 0
    death_signal: int = signal.SIGKILL
    """What it gets when we die."""


def children(config_path: Path, *, fronted: bool = False) -> tuple[Child, ...]:
    """Return the processes of the service, in the order of their start."""

    def program(package: str) -> tuple[str, ...]:
        return (sys.executable, "-m", package, "--config", str(config_path))

    # Kamailio must end its own children; it is stopped after the edge, whose BYEs pass through it
    front = (Child("front", program("edge.front"), death_signal=signal.SIGTERM),)
    return (
        Child("media", program("media")),
        # its engines' threads give way by themselves (media.realtime.step_back), its loop must not
        Child("agent", program("agent")),
        *(front if fronted else ()),
        Child("edge", program("edge")),
    )


class Supervisor:
    """Keep a set of processes running.

    Args:
        family: what to run; stopped in reverse order.
    """

    def __init__(self, family: tuple[Child, ...]) -> None:
        self._family = family
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, then end every child."""
        keepers = {each.role: asyncio.create_task(self._keep(each)) for each in self._family}
        await stop.wait()
        self._stopping = True
        log.info("service_stopping")
        for each in reversed(self._family):
            await self._end(each.role, EDGE_STOP_S if each.role == "edge" else STOP_S)
            keepers[each.role].cancel()
        await asyncio.gather(*keepers.values(), return_exceptions=True)
        for role in self._processes:  # one may have been started while we stopped the others
            await self._end(role, STOP_S)
        log.info("service_stopped")

    def pass_on(self, role: str, number: signal.Signals) -> None:
        """Send a signal to a child, where it runs."""
        process = self._processes.get(role)
        if process is not None:
            offspring.signal_child(process, number)

    async def _keep(self, child: Child) -> None:
        backoff = Backoff()
        while not self._stopping:
            backoff.started(time.monotonic_ns())
            try:
                process = await self._start(child)
            except OSError as error:  # no memory, no process or no descriptor to be had just now
                wait_ms = backoff.wait_ms(time.monotonic_ns())
                log.error(
                    "process_start_failed",
                    process=child.role,
                    reason=str(error),
                    tries_after_ms=wait_ms,
                )
                await asyncio.sleep(wait_ms / 1_000)
                continue
            status = await process.wait()
            _sweep(process.pid)
            if self._stopping:
                return
            wait_ms = backoff.wait_ms(time.monotonic_ns())
            log.error("process_lost", process=child.role, status=status, restarts_after_ms=wait_ms)
            await asyncio.sleep(wait_ms / 1_000)

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *offspring.command(list(child.program), child.niceness, child.death_signal),
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            # Ctrl-C in a terminal goes to its whole process group: only this process shall hear it
            start_new_session=True,
        )
        self._processes[child.role] = process
        log.info("process_started", process=child.role, process_pid=process.pid)
        return process

    async def _end(self, role: str, timeout_s: float) -> None:
        process = self._processes.get(role)
        if process is None or process.returncode is not None:
            return
        offspring.signal_child(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            log.error("process_killed", process=role, reason="did not stop in time")
            offspring.signal_child(process, signal.SIGKILL)
            await process.wait()


def _sweep(group: int) -> None:
    """Kill what a child that died left behind in its process group: it would keep the ports."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def only_one(run_dir: Path) -> Iterator[None]:
    """Hold the lock of a run directory; the kernel lets it go when this process dies.

    Raises:
        StartError: another service has it, or the directory cannot be written to.
    """
    path = run_dir / "cordboard.pid"
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise StartError(f"cannot write to {run_dir} (run_dir): {error.strerror}") from error
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise StartError(f"already running in {run_dir} (pid {pid})") from error
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def wait_for_sip_ports(config: Config, timeout_s: float = PORT_WAIT_S) -> None:
    """Return once the SIP ports can be bound.

    Raises:
        StartError: somebody else keeps one, or the address is not ours.
    """
    ports: list[tuple[str, int]] = [("UDP", config.sip.udp_port)]
    if config.sip.tcp_port is not None:
        ports.append(("TCP", config.sip.tcp_port))
    if config.sip.tls_port is not None:
        ports.append(("TLS", config.sip.tls_port))
    wanted = [(each, config.sip.address, f"sip.{each[0].lower()}_port") for each in ports]
    if is_fronted(config):
        wanted.append((("UDP", config.front.worker_port), WORKER_ADDRESS, "front.worker_port"))
        if config.front.tls_certificate is not None:
            wanted.append((("TCP", config.front.tls_port), config.sip.address, "front.tls_port"))
    deadline = time.monotonic() + timeout_s
    for (transport, port), address, name in wanted:
        while (problem := _problem_of(transport, address, port)) is not None:
            if time.monotonic() >= deadline:
                where = f"{transport} {address}:{port}"
                raise StartError(f"SIP cannot listen on {where} ({name}): {problem}")
            time.sleep(0.1)


def _problem_of(transport: str, address: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    stream = transport != "UDP"
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if stream:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            if stream:
                probe.listen(1)
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None


def terminal_closed() -> bool:
    """Say whether the terminal that we were started from is gone: that is what SIGHUP meant."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError as error:
        # ENXIO: a daemon, which never had one; EIO: there was one
        return error.errno == errno.EIO
    os.close(terminal)
    return False


async def supervise(family: tuple[Child, ...]) -> None:
    """Run the service until SIGTERM, SIGINT or the terminal is closed; SIGHUP reloads."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    supervisor = Supervisor(family)

    def hang_up() -> None:
        if terminal_closed():
            stop.set()
        else:
            supervisor.pass_on("edge", signal.SIGHUP)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    await supervisor.run(stop)
