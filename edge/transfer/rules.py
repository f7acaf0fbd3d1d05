"""Turn a queue's configuration into a transfer's rules."""

from __future__ import annotations

import dataclasses

from edge.transfer.events import Accept, AfterHangup, Connect, TransferRules
from media.config.model import Config
from media.config.queues import QueueConfig


def transfer_rules(queue: QueueConfig, connect: Connect) -> TransferRules:
    """Return what the transfer needs to know of a queue.

    Args:
        queue: the configuration.
        connect: what the trunk's ladder leaves of the queue's wish.
    """
    whisper = queue.whisper
    return TransferRules(
        accept=Accept(whisper.accept),
        accept_key=whisper.accept_key,
        decline_key=whisper.decline_key,
        repeat_key=whisper.repeat_key,
        accept_timeout_ms=int(whisper.accept_timeout_s * 1_000),
        whisper_timeout_ms=int(whisper.timeout_s * 1_000),
        connect=connect,
        after_hangup=AfterHangup(queue.after_hangup),
        refer_first_news_ms=int(queue.refer_news_s * 1_000),
        refer_ms=int(queue.refer_s * 1_000),
    )


def outside_rules(queue: QueueConfig, connect: Connect) -> TransferRules:
    """Return what the transfer needs to know of a queue that is a number.

    Args:
        queue: the configuration.
        connect: what the trunk's ladder leaves of the queue's wish; there is no dialog of ours to
            replace, so every REFER is a blind one.
    """
    by_trunk = connect is not Connect.BRIDGE
    return dataclasses.replace(
        transfer_rules(queue, Connect.BLIND_REFER if by_trunk else Connect.BRIDGE),
        accept=Accept.PICK_UP,
    )


def second_queue(config: Config, queue: str, person: str) -> str | None:
    """Return the queue whose people may join a talk, None where there is none.

    Args:
        config: the queues.
        queue: of the talk.
        person: who is wanted, empty for anybody.
    """
    usual = config.queues[queue].second_line or queue
    names = [usual, *config.queues] if person else [usual]
    for name in names:
        members = config.queues[name].members
        if person in members or (members and not person):
            return name
    return None
