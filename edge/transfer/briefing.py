"""Have ready what a person is told about the caller: the agent's summary, or what the record says.

The summary is asked for at the decision and never waited for beyond the first ring (the few words
on the display) and the pick-up (the whisper); then the queue's fallback text is used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from edge.transfer.order import Order
from edge.transfer.texts import fill
from media import RemoteError
from media.config.queues import WhisperConfig
from media.messages import ConversationSummary, Message, SummarizeConversation

SUMMARY_MS = 4_000
"""The agent process is asked to answer within it; a phone is rarely picked up sooner."""

Asking = Callable[[Message, float], Awaitable[Message]]
"""Sends a request with a time-out in seconds: :meth:`edge.peer.Peer.request`."""

log = structlog.get_logger()


class Briefing:
    """What is known about one caller.

    Args:
        order: the caller.
        whisper: the queue's texts and keys.
    """

    def __init__(self, order: Order, whisper: WhisperConfig) -> None:
        self._order = order
        self._whisper = whisper
        self._summary: ConversationSummary | None = None
        self.summary_ns: int | None = None
        """When the summary came."""
        self._settled = asyncio.Event()

    @property
    def summarized(self) -> bool:
        """Whether the summary came."""
        return self._summary is not None

    async def fetch(self, ask: Asking) -> None:
        """Ask for the summary; a failure leaves the fallback."""
        request = SummarizeConversation(self._order.call_id, SUMMARY_MS)
        try:
            answer = await ask(request, SUMMARY_MS / 1_000 + 1)
            if isinstance(answer, ConversationSummary):
                self._summary, self.summary_ns = answer, time.monotonic_ns()
        except RemoteError as error:
            log.info("summary_missing", call_id=self._order.call_id, reason=str(error))
        finally:
            self._settled.set()

    async def settle(self, until_s: float) -> None:
        """Wait for the summary, but no longer than that."""
        try:
            await asyncio.wait_for(self._settled.wait(), max(until_s, 0))
        except TimeoutError:
            return

    def short_reason(self) -> str:
        """Return a few words for a display."""
        summary = self._summary
        return summary.short_reason if summary is not None else self._order.reason[:40]

    def whisper_text(self) -> str:
        """Return what is spoken into the person's ear."""
        rules = self._whisper
        if self._summary is not None and self._summary.text.strip():
            known = self._summary.text.strip()
        else:
            known = fill(
                rules.fallback,
                caller=self._order.caller or "an unknown number",
                queue=self._order.queue,
                reason=self._order.reason or "not given",
            )
        keys = {"accept": rules.accept_key, "decline": rules.decline_key}
        prompt = fill(rules.prompt, **keys, repeat=rules.repeat_key)
        return f"{known} {prompt}".strip()
