"""Answer what edge asks about handing callers over: one request, one reply (asyncio shell)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from agent.desk_speech import DeskSpeech
from agent.persona import Persona
from agent.summary import Summary
from media import CordboardError
from media.messages import (
    CallId,
    ConversationSummary,
    Done,
    Failed,
    Message,
    ResumeConversation,
    SpeakText,
    SummarizeConversation,
    SuspendConversation,
)

log = structlog.get_logger()


class Away(Protocol):
    """A conversation whose caller may be elsewhere: :class:`agent.conversation.Conversation`."""

    def suspend(self) -> None:
        """Let somebody else have the caller."""
        ...

    async def resume(self, reason: str) -> None:
        """Have the caller again."""
        ...

    def summarize(self, max_spoken_s: float) -> Summary:
        """Tell what was talked about."""
        ...

    def fail(self, error: BaseException) -> None:
        """End it."""
        ...


class HumanRequests:
    """The requests around a transfer.

    Args:
        conversations: by call; the process keeps them.
        persona_of: returns a persona by name, None where there is none.
        desk: speaks outside of conversations.
    """

    def __init__(
        self,
        conversations: Mapping[CallId, Away],
        persona_of: Callable[[str], Persona | None],
        desk: DeskSpeech,
    ) -> None:
        self._conversations = conversations
        self._persona_of = persona_of
        self._desk = desk

    async def answer(self, message: Message) -> Message:
        """Carry a request out and return the reply."""
        try:
            return await self._answer(message)
        except CordboardError as error:
            log.info("request_failed", request=type(message).__name__, reason=str(error))
            return Failed(str(error), getattr(error, "sip_status", 500))
        except Exception as error:  # one call's own edge
            log.exception("request_failed", request=type(message).__name__)
            conversation = self._conversations.get(getattr(message, "call_id", CallId("")))
            if conversation is not None:
                conversation.fail(error)
            return Failed(f"{type(error).__name__}: {error}", 500)

    async def _answer(self, message: Message) -> Message:
        if isinstance(message, SpeakText):
            persona = self._persona_of(message.agent)
            if persona is None:
                return Failed(f"no agent {message.agent!r}", 404)
            await self._desk.say(persona, message.stream, message.text)
            return Done()
        assert isinstance(message, SuspendConversation | ResumeConversation | SummarizeConversation)
        conversation = self._conversations.get(message.call_id)
        if conversation is None:
            return Failed("no such conversation", 404)
        match message:
            case SuspendConversation():
                conversation.suspend()
            case ResumeConversation(reason=reason):
                await conversation.resume(reason)
            case SummarizeConversation(max_spoken_s=max_spoken_s):
                summary = conversation.summarize(max_spoken_s)
                return ConversationSummary(summary.text, summary.short_reason)
        return Done()
