"""Say what edge and agent tell each other about load and about turn settings in use."""

from __future__ import annotations

from dataclasses import dataclass, field

from media.messages import CallId, Message


@dataclass(frozen=True, slots=True)
class AgentFiguresRequest(Message):
    """Ask the agent process for its figures. Reply: AgentFigures."""


@dataclass(frozen=True, slots=True)
class AgentFigures(Message):
    """What the agent process measures of itself."""

    conversations: int
    ladder_step: int
    """0 normal, 1 no provisional work, 2 short answers, 3 fast lane only, 4 refusing calls."""
    ladder_changes: int
    """Steps taken, up and down, since the process started."""
    loop_lag_ms: float
    cpu_pressure: float
    """0 to 100."""
    engine_wait_ms: dict[str, float] = field(default_factory=dict)
    """By job: ``recognizer``, ``language_model``, ``turn_model``, ``voice``."""
    second_hearings: int = 0
    """Short answers that were recognised twice since the process started."""


@dataclass(frozen=True, slots=True)
class TuneTurns(Message):
    """Change turn settings, edge to agent. Reply: TurnsTuned, or Failed with every problem.

    With a call only that call changes; without one the persona's calls in progress and those to
    come do, until the configuration is read again.
    """

    settings: dict[str, str]
    """Names of ``agents.NAME.turn`` to values, written as in the file."""
    agent: str | None = None
    """None: every persona."""
    call_id: CallId | None = None


@dataclass(frozen=True, slots=True)
class TurnsTuned(Message):
    """Reply to TuneTurns: what holds now."""

    agents: tuple[str, ...]
    """Personas whose calls to come are changed."""
    calls: tuple[CallId, ...]
    """Calls in progress that are changed."""
    now: dict[str, str] = field(default_factory=dict)
    """Persona or call to its settings in one line."""
