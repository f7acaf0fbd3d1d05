"""Set up what every transfer of the service shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge.call_surroundings import Asked
from edge.dialplan.plan import DialPlan
from edge.outbound import OutboundLegs
from edge.queues.desk import QueueDesk
from edge.records.writer import RecordWriter
from edge.transfer.onward import onward_by_plan
from edge.transfer.order import TransferSurroundings
from edge.transfer.outbox import Outbox
from edge.transfer.refer_memory import ReferMemory
from edge.transfer.wire_times import WireTimes
from media.config.model import Config
from media.messages import Message

WORKERS = 2
"""UA workers for calls to people where nothing else is configured."""


def people_workers(config: Config) -> int:
    """Return how many outbound workers people's phones need; none where there are no queues."""
    if config.desk.workers is not None:
        return config.desk.workers
    return WORKERS if config.queues else 0


def transfer_surroundings(
    config: Config,
    plan: DialPlan,
    media: Asked,
    agent: Asked,
    legs: OutboundLegs,
    records: RecordWriter,
    publish: Callable[[Message], None],
) -> TransferSurroundings:
    """Return what transfers need, its floor as the last run left it."""
    return TransferSurroundings(
        config=config,
        media=media,
        agent=agent,
        desk=QueueDesk(config, Path(config.run_dir) / "people.json"),
        legs=legs,
        records=records,
        publish=publish,
        refers=ReferMemory(),
        onward=onward_by_plan(plan),
        outbox=Outbox(),
        wire=WireTimes(),
    )


def reload_transfers(around: TransferSurroundings, config: Config, plan: DialPlan) -> None:
    """Go by a changed configuration; transfers in progress find what they have begun with."""
    before = around.config
    around.config = replace(
        config,
        queues={**before.queues, **config.queues},
        people={**before.people, **config.people},
    )
    around.onward = onward_by_plan(plan)
    around.desk.reload(config)


def resume_outbox(around: TransferSurroundings) -> None:
    """Tell webhooks what an earlier run could not."""
    told = set()
    for queue in around.config.queues.values():
        folder, webhook = queue.voicemail.folder, queue.voicemail.webhook
        if webhook is not None and folder not in told:
            told.add(folder)
            around.outbox.resume(Path(folder), webhook)
