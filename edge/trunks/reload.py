"""Take over a changed configuration while calls go on, or change nothing and say why (shell)."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import replace
from pathlib import Path

import structlog

from edge.call_surroundings import Asked
from edge.dialplan.loading import load_plan
from edge.transfer.setup import people_workers
from edge.trunks.routing import Routing
from edge.trunks.trunks import TrunkBoard, trunk_workers
from media import CordboardError, RemoteError
from media.config.model import Config
from media.messages import Message
from media.reload_messages import ReloadConfig, Reloaded

AT_RESTART = (
    "sip",
    "front",
    "ladder",
    "media",
    "engines",
    "storage",
    "log",
    "metrics",
    "run_dir",
    "home",
)
"""Sections that are read at the start only; a change in them is told, not done."""
AGENT_TIMEOUT_S = 120.0
"""New personas have to speak their greeting once."""

log = structlog.get_logger()


class ReloadError(RemoteError):
    """The configuration stays as it was; the message holds every problem, one a line."""


class Reloading:
    """Reloads of one control process, one after the other.

    Args:
        path: the file that the process was started with; None refuses reloads.
        board: takes over what calls go by.
        agent: the agent process.
    """

    def __init__(self, path: Path | None, board: TrunkBoard, agent: Asked) -> None:
        self._path = path
        self._board = board
        self._agent = agent
        self._lock = asyncio.Lock()
        self.count = 0

    async def reload(self, _: ReloadConfig | None = None) -> Reloaded:
        """Read the file and go by it from the next call on.

        Raises:
            ReloadError: nothing has changed.
        """
        async with self._lock:
            try:
                answer = await self._reload()
            except CordboardError as error:
                problems = str(error)
                log.error("reload_refused", problems=problems.splitlines())
                raise ReloadError(problems, 400) from error
        self.count += 1
        changed, later = list(answer.changed), list(answer.after_restart)
        log.info("config_reloaded", changed=changed, after_restart=later)
        return answer

    async def _reload(self) -> Reloaded:
        if self._path is None:
            raise ReloadError("the service was started without a file", 400)
        old = self._board.routing
        config, plan = await asyncio.to_thread(load_plan, self._path)
        routing = Routing.compile(config, plan, old)
        _check_workers(old.config, config)
        if config.agents != old.config.agents or config.queues.keys() != old.config.queues.keys():
            # the agent process may still say no: it goes first
            await self._tell_agent(ReloadConfig(str(self._path)))
        self._board.put_in_force(routing)
        return Reloaded(_changed(old.config, config), _after_restart(old.config, config))

    async def _tell_agent(self, message: Message) -> None:
        try:
            await self._agent.request(message, AGENT_TIMEOUT_S)
        except RemoteError as error:
            raise ReloadError(f"agents: {error}", 400) from error


def _check_workers(old: Config, new: Config) -> None:
    """Refuse people whose phones nothing could call.

    Raises:
        ReloadError: this run has no worker for calls out.
    """
    if people_workers(new) and not people_workers(old) + trunk_workers(old):
        why = "this run has no UA worker that calls phones; the first queue needs a restart"
        raise ReloadError(f"queues: {why}", 400)


def _changed(old: Config, new: Config) -> tuple[str, ...]:
    parts = []
    for section in ("trunks", "hours", "agents", "phones", "people", "queues"):
        before, after = getattr(old, section), getattr(new, section)
        parts += [f"{section}.{name} is new" for name in after if name not in before]
        parts += [f"{section}.{name} is gone" for name in before if name not in after]
        parts += [f"{section}.{n}" for n in after if n in before and before[n] != after[n]]
    if old.dialplan != new.dialplan:
        parts.append(f"dialplan: {len(new.dialplan)} rules")
    if old.limits != new.limits:
        parts.append("limits")
    if replace(old.desk, workers=None) != replace(new.desk, workers=None):
        parts.append("desk")
    return tuple(parts)


def _after_restart(old: Config, new: Config) -> tuple[str, ...]:
    names = {each.name for each in dataclasses.fields(Config)}
    present = [name for name in AT_RESTART if name in names]
    later = [name for name in present if getattr(old, name) != getattr(new, name)]
    return (*later, *(["desk.workers"] if old.desk.workers != new.desk.workers else []))
