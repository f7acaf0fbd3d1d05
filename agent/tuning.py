"""Change turn settings while people talk: of one call, or of personas and all their calls.

What is changed holds until the configuration is read again: then calls to come have the file's
settings, and calls in progress keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

from agent.endpointing import resolve_timing
from agent.persona import Persona
from media import ConfigError
from media.config.model import TurnConfig
from media.config.tuning import tuned
from media.load_messages import TuneTurns, TurnsTuned
from media.messages import CallId


class Tunable(Protocol):
    """A call in progress: :class:`agent.conversation.Conversation`."""

    @property
    def persona(self) -> Persona:
        """Who talks."""
        ...

    @property
    def turn(self) -> TurnConfig:
        """The turn settings in use."""
        ...

    def retune(self, turn: TurnConfig) -> None:
        """Use other turn settings from now on."""
        ...


def tune(
    wanted: TuneTurns, personas: Mapping[str, Persona], calls: Mapping[CallId, Tunable]
) -> TurnsTuned:
    """Carry out a change, wholly or not at all.

    Args:
        wanted: what to change.
        personas: all, by name.
        calls: those in progress.

    Raises:
        ConfigError: an impossible setting, or no such persona or call.
    """
    fresh: dict[str, TurnConfig] = {}
    if wanted.call_id is not None:
        chosen = _one_call(wanted, calls)
    else:
        fresh = {
            name: tuned(persona.config.turn, wanted.settings)
            for name, persona in _chosen(wanted, personas).items()
        }
        chosen = {
            call_id: tuned(call.turn, wanted.settings)
            for call_id, call in calls.items()
            if call.persona.name in fresh
        }
    for name, turn in fresh.items():
        personas[name].retune(turn)
    for call_id, turn in chosen.items():
        calls[call_id].retune(turn)
    now: dict[str, TurnConfig] = fresh | {str(name): turn for name, turn in chosen.items()}
    return TurnsTuned(
        tuple(fresh), tuple(chosen), {name: in_words(turn) for name, turn in now.items()}
    )


def in_words(turn: TurnConfig) -> str:
    """Return turn settings in one line, the preset's values put in."""
    timing = resolve_timing(turn)
    timings = [f"{each.name}={getattr(timing, each.name)}" for each in fields(timing)]
    switches = f"barge_in={_yaml(turn.barge_in)} protect_greeting={_yaml(turn.protect_greeting)}"
    return f"preset={turn.preset} {' '.join(timings)} {switches}"


def _yaml(value: bool) -> str:
    return "true" if value else "false"


def _chosen(wanted: TuneTurns, personas: Mapping[str, Persona]) -> Mapping[str, Persona]:
    if wanted.agent is None:
        return personas
    if wanted.agent not in personas:
        raise ConfigError([f'no agent "{wanted.agent}"; known: {", ".join(personas)}'])
    return {wanted.agent: personas[wanted.agent]}


def _one_call(wanted: TuneTurns, calls: Mapping[CallId, Tunable]) -> dict[CallId, TurnConfig]:
    assert wanted.call_id is not None
    call = calls.get(wanted.call_id)
    if call is None:
        raise ConfigError([f"no call {wanted.call_id} with an agent is in progress"])
    return {wanted.call_id: tuned(call.turn, wanted.settings)}
