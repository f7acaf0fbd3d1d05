"""Check what personas refer to when they hand callers over."""

from __future__ import annotations

from media.config.model import AgentConfig, Config
from media.config.queue_checks import CheckReference
from media.config.read import Reading

TRANSFER = "transfer:"
"""What follows a reviewed sentence that hands the caller over, with the queue's name behind it."""
_THENS = ("listen", "goodbye")


def check_agents(config: Config, reading: Reading, check: CheckReference) -> None:
    """Note queues that personas name and nobody defines."""
    queues = reading.names.get("queues", [])
    for name, agent in config.agents.items():
        path = f"agents.{name}"
        check(f"{path}.handover.queue", "queue", agent.handover.queue, queues, reading)
        for queue in agent.transfers:
            check(f"{path}.transfers.{queue}", "queue", queue, queues, reading)
        _check_fast_lane(path, agent, queues, reading, check)


def _check_fast_lane(
    path: str, agent: AgentConfig, queues: list[str], reading: Reading, check: CheckReference
) -> None:
    for index, entry in enumerate(agent.fast_lane):
        at = f"{path}.fast_lane[{index}].then"
        if entry.then.startswith(TRANSFER):
            check(at, "queue", entry.then.removeprefix(TRANSFER), queues, reading)
        elif entry.then not in _THENS:
            reading.note_at(
                at, f'"{entry.then}" is not known; expected listen, goodbye or transfer:QUEUE'
            )
