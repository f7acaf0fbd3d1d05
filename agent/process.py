"""Run the agent process: engines loaded once, one conversation per call (thin asyncio shell).

Edge connects to us, we connect to media. A conversation that fails ends alone; a lost edge link
ends its conversations, a lost media link ends them and tells edge.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from agent.conversation import Conversation
from agent.desk_speech import DeskSpeech
from agent.human_requests import HumanRequests
from agent.ladder import Step
from agent.ladder_watch import LadderWatch
from agent.opening import open_sessions
from agent.persona_book import LoadEngines, PersonaBook, StoreOf
from agent.tuning import tune
from media import ConfigError, CordboardError
from media.config.model import Config
from media.link import Link, connect, listen
from media.load_messages import AgentFiguresRequest, TuneTurns
from media.messages import (
    AgentStatus,
    AgentStatusRequest,
    AttachStream,
    CallAnswered,
    CallDigit,
    CallHeld,
    CallId,
    ClipFinished,
    ClipStarted,
    ConversationFailed,
    Done,
    DtmfReceived,
    EndConversation,
    Failed,
    Message,
    PlaybackCleared,
    ResumeConversation,
    SpeakText,
    StartConversation,
    StreamGone,
    SummarizeConversation,
    SuspendConversation,
)
from media.paths import socket_address
from media.reload_messages import ReloadConfig, Reloaded
from media.wire import AudioFrame

RECONNECT_S = 0.2
RELOAD_S = 10.0

log = structlog.get_logger()


class AgentProcess:
    """The agent side of one switchboard.

    Args:
        config: loaded, paths absolute.
        load: loads the engines; told what to report while it does.
        store_of: opens a voice's store of known sentences; none keeps them in memory only.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        config: Config,
        load: LoadEngines,
        store_of: StoreOf | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._config = config
        self._clock = clock
        self._detail = "starting"
        self._ready = False
        self._media: Link | None = None
        self._edges: set[Link] = set()
        self._conversations: dict[CallId, Conversation] = {}
        self._streams: dict[int, Conversation] = {}
        self._owners: dict[CallId, Link] = {}
        self._opening: dict[CallId, Link] = {}
        """Conversations that open; who ends one meanwhile takes it out, and it closes at once."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._desk = DeskSpeech(lambda: self._media, self._streams.__contains__, clock)
        self._watch = LadderWatch(config.ladder, lambda: self._report(self._detail), clock)
        self._book = PersonaBook(config, load, store_of, self._watch.waits)
        self._human = HumanRequests(self._conversations, self._book.get, self._desk)

    async def run(self) -> None:
        """Serve until cancelled."""
        server = await listen(socket_address(self._config, "agent"), self._accept)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stay_connected())
                group.create_task(self._get_ready())
                group.create_task(server.serve_forever())
        finally:
            server.close()
            for conversation in list(self._conversations.values()):
                await conversation.close()
            for link in [*self._edges, *([self._media] if self._media else [])]:
                link.close("agent is stopping")

    # ------------------------------------------------------------ getting ready

    async def _get_ready(self) -> None:
        while not self._ready:
            began = time.monotonic()
            try:
                await self._book.load(self._report)
            except CordboardError as error:
                # what is missing may be fetched meanwhile
                log.error("agent_not_ready", reason=str(error))
                self._report(str(error).splitlines()[0])
                await asyncio.sleep(RELOAD_S)
                continue
            self._ready = True
            engines = self._book.engine_names
            notes = self._book.engines.notes
            self._report("; ".join([", ".join(sorted(set(engines.values()))), *notes]))
            log.info("agent_ready", seconds=round(time.monotonic() - began, 1), **engines)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self._book.warm_up(lambda: not self._conversations))

    async def _reload(self, link: Link, message: ReloadConfig, request_id: int | None) -> None:
        """Take over changed personas; conversations in progress keep theirs."""
        try:
            changed = await self._book.reload(Path(message.path))
        except CordboardError as error:
            log.warning("reload_refused", reason=str(error))
            link.reply(request_id, Failed(str(error), 500))
            return
        log.info("personas_reloaded", changed=changed)
        link.reply(request_id, Reloaded(tuple(f"agent {name}" for name in changed)))

    def _report(self, detail: str) -> None:
        self._detail = detail
        for link in self._edges:
            link.send(self._status())

    def _status(self) -> AgentStatus:
        ready = self._ready and self._media is not None
        detail = self._detail if self._media is not None or not self._ready else "no link to media"
        step = self._watch.step
        return AgentStatus(
            ready,
            detail,
            self._book.engine_names,
            len(self._conversations),
            ladder=step.name.lower(),
            refusing=step is Step.REFUSE_CALLS,
        )

    # ------------------------------------------------------------ links

    async def _stay_connected(self) -> None:
        address = socket_address(self._config, "media")
        while True:
            lost = asyncio.Event()
            try:
                link = await connect(
                    address,
                    role="agent",
                    on_message=self._from_media,
                    on_audio=self._hear,
                    on_closed=lambda _link, _reason, lost=lost: lost.set(),  # type: ignore[misc]
                )
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            self._media = link
            self._report(self._detail)
            await lost.wait()
            self._media = None
            self._desk.media_lost()
            log.warning("link_lost", peer="media")
            await self._end_all("media is gone")
            self._report(self._detail)
            await asyncio.sleep(RECONNECT_S)

    async def _end_all(self, reason: str) -> None:
        for call_id, conversation in list(self._conversations.items()):
            if (owner := self._owners.get(call_id)) is not None:
                owner.send(ConversationFailed(call_id, reason))
            await self._end(call_id, conversation)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(
            reader,
            writer,
            role="agent",
            on_message=self._from_edge,
            on_closed=self._edge_lost,
        )
        self._edges.add(link)
        link.start()
        link.send(self._status())

    def _edge_lost(self, link: Link, reason: str) -> None:
        self._edges.discard(link)
        self._opening = {key: each for key, each in self._opening.items() if each is not link}
        for call_id, owner in list(self._owners.items()):
            if owner is link and (conversation := self._conversations.get(call_id)) is not None:
                log.warning("link_lost", peer="edge", reason=reason, call_id=call_id)
                self._spawn(self._end(call_id, conversation))

    # ------------------------------------------------------------ messages

    def _from_edge(self, link: Link, message: Message, request_id: int | None) -> None:
        match message:
            case StartConversation():
                self._spawn(self._start(link, message, request_id))
            case EndConversation(call_id=call_id):
                self._spawn(self._end_for(link, call_id, request_id))
            case (
                SuspendConversation() | ResumeConversation() | SummarizeConversation() | SpeakText()
            ):
                self._spawn(self._answer(link, message, request_id))
            case AgentStatusRequest():
                link.reply(request_id, self._status())
            case AgentFiguresRequest():
                link.reply(request_id, self._watch.figures(len(self._conversations)))
            case ReloadConfig():
                self._spawn(self._reload(link, message, request_id))
            case TuneTurns():
                self._tune(link, message, request_id)
            case CallAnswered(call_id=call_id):
                self._tell(call_id, Conversation.answered)
            case CallHeld(call_id=call_id, held=held):
                self._tell(call_id, lambda each: each.hold(held))
            case CallDigit(call_id=call_id, digit=digit):
                self._tell(call_id, lambda each: each.press(digit))
            case _:
                link.reply(request_id, Failed(f"{type(message).__name__} is not for agent", 400))

    async def _answer(self, link: Link, message: Message, request_id: int | None) -> None:
        link.reply(request_id, await self._human.answer(message))

    def _tune(self, link: Link, wanted: TuneTurns, request_id: int | None) -> None:
        try:
            done = tune(wanted, self._book.personas, self._conversations)
        except ConfigError as error:
            link.reply(request_id, Failed("; ".join(error.problems), 400))
            return
        log.info("turns_tuned", settings=wanted.settings, agents=done.agents, calls=done.calls)
        link.reply(request_id, done)

    def _from_media(self, link: Link, message: Message, request_id: int | None) -> None:
        if self._desk.receive(message):
            return
        match message:
            case ClipStarted() | ClipFinished() | PlaybackCleared():
                self._tell_stream(message.stream, lambda each: each.receive(message))
            case DtmfReceived(stream=stream, digit=digit):
                self._tell_stream(stream, lambda each: each.press(digit))
            case StreamGone(stream=stream):
                self._streams.pop(stream, None)
            case _:
                link.reply(request_id, Failed(f"{type(message).__name__} is not for agent", 400))

    def _hear(self, link: Link, frame: AudioFrame) -> None:
        self._tell_stream(frame.stream, lambda each: each.receive_audio(frame))

    def _tell_stream(self, stream: int, action: Callable[[Conversation], None]) -> None:
        conversation = self._streams.get(stream)
        if conversation is not None:
            self._tell(conversation.call_id, action)

    def _tell(self, call_id: CallId, action: Callable[[Conversation], None]) -> None:
        conversation = self._conversations.get(call_id)
        if conversation is None:
            return
        try:
            action(conversation)
        except Exception as error:  # the call's own edge: this call ends, the others go on
            conversation.fail(error)

    # ------------------------------------------------------------ calls

    async def _start(self, link: Link, message: StartConversation, request_id: int | None) -> None:
        self._opening[message.call_id] = link
        try:
            conversation = await self._open(link, message)
        except CordboardError as error:
            log.warning("conversation_refused", call_id=message.call_id, reason=str(error))
            link.reply(request_id, Failed(str(error), getattr(error, "sip_status", 500)))
            return
        except Exception as error:  # the call's own edge
            log.exception("conversation_failed", call_id=message.call_id)
            link.reply(request_id, Failed(f"{type(error).__name__}: {error}", 500))
            return
        finally:
            wanted = self._opening.pop(message.call_id, None) is not None
        if not wanted:
            await conversation.close()
            link.reply(request_id, Failed("the conversation was ended while it opened", 487))
            return
        self._conversations[message.call_id] = conversation
        self._streams[message.stream] = conversation
        self._owners[message.call_id] = link
        link.reply(request_id, Done())

    async def _open(self, link: Link, message: StartConversation) -> Conversation:
        persona, media = self._book.get(message.agent), self._media
        if not self._ready or persona is None or media is None:
            raise NotReadyError(self._status().detail)
        sessions = await open_sessions(
            persona,
            self._book.engines,
            self._watch,
            lambda: media.request(AttachStream(message.stream)),
            self._clock,
        )
        conversation = Conversation(
            message.call_id, message.stream, persona, sessions, media, link, self._clock
        )
        conversation.caller = message.variables.get("caller", "")
        return conversation

    async def _end_for(self, link: Link, call_id: CallId, request_id: int | None) -> None:
        self._opening.pop(call_id, None)
        conversation = self._conversations.get(call_id)
        if conversation is not None:
            await self._end(call_id, conversation)
        link.reply(request_id, Done())

    async def _end(self, call_id: CallId, conversation: Conversation) -> None:
        try:
            await conversation.close()
        finally:
            self._conversations.pop(call_id, None)
            self._owners.pop(call_id, None)
            self._streams.pop(conversation.stream, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class NotReadyError(CordboardError):
    """A conversation was asked for before it can be held."""

    sip_status = 503
