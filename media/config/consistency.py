"""Check what single values cannot tell: references between sections and fields that go together."""

from __future__ import annotations

from media.config.model import Config
from media.config.read import Problem, Reading, did_you_mean


def check_consistency(config: Config, reading: Reading) -> list[Problem]:
    """Note every problem between values of a configuration, which may be a flawed draft.

    Args:
        config: the configuration before its paths are made absolute.
        reading: takes problems; knows positions and the names of flawed entries.

    Returns:
        warnings: what works and should still be looked at.
    """
    if config.media.port_max - config.media.port_min < 1:
        reading.note_at(
            "media.port_max",
            f"{config.media.port_max} leaves no port pair above port_min {config.media.port_min}; "
            "expected a larger number",
        )
    if "agents" in reading.positions and not reading.names.get("agents"):
        reading.note_at("agents", "no agent is defined; expected at least one name with a greeting")
    if "dialplan" in reading.positions and not _has_items(reading, "dialplan"):
        reading.note_at("dialplan", "no rule is given; expected at least '- agent: NAME'")
    agents = reading.names.get("agents", [])
    for index, rule in enumerate(config.dialplan):
        if rule.agent not in agents:
            reading.note_at(f"dialplan[{index}].agent", unknown("agent", rule.agent, agents))
    return []


def unknown(kind: str, name: str, known: list[str]) -> str:
    """Say that a name is not defined, and which are."""
    hint = did_you_mean(name, known)
    return f'unknown {kind} "{name}"{hint or "; known: " + (", ".join(known) or "none")}'


def _has_items(reading: Reading, path: str) -> bool:
    return f"{path}[0]" in reading.positions
