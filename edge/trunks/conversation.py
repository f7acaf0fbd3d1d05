"""Connect a call to a persona of the agent process."""

from __future__ import annotations

import asyncio

import structlog

from edge.call_events import EndReason
from edge.call_surroundings import Asked
from edge.trunks.destination import DestinationError, Line
from media import RemoteError
from media.link import LinkClosedError, NoAnswerError, RequestFailedError
from media.messages import (
    CallAnswered,
    CallDigit,
    CallHeld,
    CallId,
    EndConversation,
    StartConversation,
)

START_TIMEOUT_S = 180.0
"""The call's own answer timeout is shorter; this only bounds a reply that never comes."""
END_TIMEOUT_S = 4.0

log = structlog.get_logger()


class Conversation:
    """A persona that talks to the caller.

    Args:
        agent: the agent process.
        persona: its name.
        variables: what the plan and the call's headers say.
    """

    uses_agent = True

    def __init__(self, agent: Asked, persona: str, variables: dict[str, str]) -> None:
        self._agent = agent
        self._persona = persona
        self._variables = variables
        self._call_id = CallId("")
        self._begun = False
        self._starting: asyncio.Timeout | None = None
        """Of a persona that is not ready yet: reached when the call is over before it is."""

    async def prepare(self, line: Line) -> None:
        """Have the persona get ready.

        Raises:
            DestinationError: 503 while the process is down or full, else 480; also 480 once the
                call is over.
        """
        self._call_id = line.call_id
        self._begun = True
        request = StartConversation(line.call_id, line.stream, self._persona, self._variables)
        try:
            async with asyncio.timeout(None) as self._starting:
                await self._agent.request(request, START_TIMEOUT_S)
        except (TimeoutError, NoAnswerError) as error:
            raise _refused("the call was over before it was ready", 480) from error
        except RequestFailedError as error:
            status = 503 if error.sip_status == 503 else 480
            raise _refused(str(error), status) from error
        except LinkClosedError as error:
            raise _refused(str(error), 503) from error
        finally:
            self._starting = None

    def answered(self, at_ns: int) -> None:
        """Have it greet."""
        self._agent.send(CallAnswered(self._call_id, at_ns))

    def held(self, held: bool) -> None:
        """Have it wait."""
        self._agent.send(CallHeld(self._call_id, held))

    def digit(self, digit: str, *, in_audio: bool = False) -> None:
        """Pass a key on; those in audio it has from media."""
        if not in_audio:
            self._agent.send(CallDigit(self._call_id, digit))

    def clip_finished(self, clip: int) -> None:
        """Nothing: the agent process plays its own clips."""

    async def end(self, reason: EndReason) -> None:
        """End it and wait for its last turn."""
        if not self._begun:
            return
        self._begun = False
        try:
            await self._agent.request(EndConversation(self._call_id, reason), END_TIMEOUT_S)
        except RemoteError as error:
            log.info("conversation_end_unheard", reason=str(error))
        if self._starting is not None:
            self._starting.reschedule(asyncio.get_running_loop().time())


def _refused(reason: str, status: int) -> DestinationError:
    return DestinationError(reason, status, EndReason.CONVERSATION_FAILED)
