"""Say what a call can be connected to: a persona, an announcement, a number, a queue.

A :class:`Destination` is what the call's state machine calls its conversation. It is asked to get
ready while the caller hears ringing; only when it is, the call is answered. One that cannot get
ready raises :class:`DestinationError`, and the next one of the plan's ``on_failure`` chain is asked
(:class:`Chain`), so a caller is never answered for something that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from edge.call_events import EndReason, Event
from media import RemoteError
from media.messages import CallId

log = structlog.get_logger()


class DestinationError(RemoteError):
    """A destination cannot take the call.

    Args:
        reason: for the record.
        sip_status: for the caller, where nothing else takes the call.
        end_reason: of the record.
        headers: that go with the refusal.
    """

    def __init__(
        self,
        reason: str,
        sip_status: int,
        end_reason: EndReason,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(reason, sip_status=sip_status)
        self.end_reason = end_reason
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Line:
    """What a destination is given of the call that it serves."""

    call_id: CallId
    stream: int
    """The caller's stream at media."""
    local_address: str | None
    """Address to bind and advertise for further legs; None takes the configured one."""
    post: Callable[[Event], None]
    """Hand news to the call's state machine."""
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    """Run work as a child of the call."""
    open_early_audio: Callable[[], None]
    """Let the caller hear the stream before the answer (183 with SDP), where an offer came."""
    send_info: Callable[[str], None] = lambda digit: None
    """Send a key press to the caller by SIP INFO."""


class Destination(Protocol):
    """What a call is connected to."""

    @property
    def uses_agent(self) -> bool:
        """Whether the end of the agent process breaks it."""

    async def prepare(self, line: Line) -> None:
        """Return once the call can be answered.

        Raises:
            DestinationError: it never can.
        """

    def answered(self, at_ns: int) -> None:
        """The caller hears us from now on."""

    def held(self, held: bool) -> None:
        """The caller put us on hold, or took us off."""

    def digit(self, digit: str, *, in_audio: bool = False) -> None:
        """The caller pressed a key.

        Args:
            digit: 0-9 * # A-D.
            in_audio: it came by RFC 4733, else by SIP INFO.
        """

    def clip_finished(self, clip: int) -> None:
        """A clip that the edge plays on the caller's stream has ended."""

    async def end(self, reason: EndReason) -> None:
        """Let go of everything; returns when the last word about the call was said."""


@dataclass(slots=True)
class Chain:
    """Try destinations in turn until one is ready; then it is that one.

    Args:
        links: makers of the destinations, in the plan's order; a maker may refuse itself.
    """

    links: tuple[Callable[[], Destination], ...]
    current: Destination | None = None
    failures: list[str] = field(default_factory=list)
    """Why those before the current one did not take the call."""
    _over: bool = False

    @property
    def uses_agent(self) -> bool:
        """Whether the destination that is tried or has the call needs the agent process."""
        return self.current is not None and self.current.uses_agent

    async def prepare(self, line: Line) -> None:
        """Ask one after the other, nobody any more once the call is over.

        Raises:
            DestinationError: none takes the call; the last one's words.
        """
        failure = DestinationError("the dial plan names nothing", 404, EndReason.REJECTED)
        for make in self.links:
            if self._over:
                raise failure
            self.current = None
            try:
                self.current = make()
                await self.current.prepare(line)
            except DestinationError as error:
                failure = error
                self.failures.append(str(error))
                log.info("destination_failed", reason=str(error), sip_status=error.sip_status)
                if self.current is not None and not self._over:
                    await self.current.end(error.end_reason)
                continue
            return
        self.current = None
        raise failure

    def answered(self, at_ns: int) -> None:
        """Pass on."""
        if self.current is not None:
            self.current.answered(at_ns)

    def held(self, held: bool) -> None:
        """Pass on."""
        if self.current is not None:
            self.current.held(held)

    def digit(self, digit: str, *, in_audio: bool = False) -> None:
        """Pass on."""
        if self.current is not None:
            self.current.digit(digit, in_audio=in_audio)

    def clip_finished(self, clip: int) -> None:
        """Pass on."""
        if self.current is not None:
            self.current.clip_finished(clip)

    async def end(self, reason: EndReason) -> None:
        """Pass on; nobody else is asked for a caller who is gone."""
        self._over = True
        if self.current is not None:
            await self.current.end(reason)
