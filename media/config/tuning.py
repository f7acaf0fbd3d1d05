"""Change a persona's turn settings by ``name=value`` words, with the checks of the YAML file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from media import ConfigError
from media.config.model import TurnConfig
from media.config.nodes import MappingNode, NodeError, compose
from media.config.read import Reading, read_dataclass

TIMINGS = tuple(
    each.name for each in dataclasses.fields(TurnConfig) if each.name.endswith(("_ms", "_weight"))
)


def tuned(turn: TurnConfig, settings: Mapping[str, str]) -> TurnConfig:
    """Return turn settings with some of them changed.

    A preset that is named replaces every timing that was set before; timings named beside it hold.

    Args:
        turn: the present ones.
        settings: names of ``agents.NAME.turn`` to values, written as in the file.

    Raises:
        ConfigError: an unknown name or an impossible value; holds every problem.
    """
    reading = Reading("tune")
    text = "\n".join(f"{name}: {value}" for name, value in settings.items()) + "\n"
    flaws: list[NodeError] = []
    try:
        root = compose(text, flaws)
    except NodeError as error:
        raise ConfigError([f"cannot be read: {error}"]) from error
    if flaws:
        raise ConfigError([f"cannot be read: {each}" for each in flaws])
    if not isinstance(root, MappingNode) or len(root.pairs) != len(settings):
        raise ConfigError(["nothing to change; expected for example preset=patient"])
    changed = read_dataclass(TurnConfig, root, "", reading)
    if reading.problems:
        raise ConfigError([f"{each.path}: {each.message}" for each in sorted(reading.problems)])
    values: dict[str, Any] = dict.fromkeys(TIMINGS) if "preset" in settings else {}
    values |= {name: getattr(changed, name) for name in settings}
    return dataclasses.replace(turn, **values)
