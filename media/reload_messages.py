"""Messages of a reload: the command line to edge, edge to agent."""

from __future__ import annotations

from dataclasses import dataclass

from media.messages import Message


@dataclass(frozen=True, slots=True)
class ReloadConfig(Message):
    """Read the configuration again and go by it; what is in progress is not touched.

    Reply: Reloaded, or Failed with every problem, one a line; then nothing has changed.
    """

    path: str = ""
    """File to read; empty takes the one that the process was started with."""


@dataclass(frozen=True, slots=True)
class Reloaded(Message):
    """Reply to ReloadConfig: the new configuration is in force."""

    changed: tuple[str, ...] = ()
    """What is different now, for people."""
    after_restart: tuple[str, ...] = ()
    """Sections that have changed in the file and take effect at the next start."""
