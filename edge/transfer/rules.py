"""Turn a queue's configuration into a transfer's rules."""

from __future__ import annotations

from edge.transfer.events import Accept, AfterHangup, Connect, TransferRules
from media.config.queues import QueueConfig


def transfer_rules(queue: QueueConfig, refer: bool) -> TransferRules:
    """Return what the transfer needs to know of a queue.

    Args:
        queue: the configuration.
        refer: whether the caller's trunk is asked to take the call over.
    """
    whisper = queue.whisper
    return TransferRules(
        accept=Accept(whisper.accept),
        accept_key=whisper.accept_key,
        decline_key=whisper.decline_key,
        repeat_key=whisper.repeat_key,
        accept_timeout_ms=int(whisper.accept_timeout_s * 1_000),
        whisper_timeout_ms=int(whisper.timeout_s * 1_000),
        connect=Connect.REFER if refer else Connect.BRIDGE,
        after_hangup=AfterHangup(queue.after_hangup),
        refer_first_news_ms=int(queue.refer_news_s * 1_000),
        refer_ms=int(queue.refer_s * 1_000),
    )
