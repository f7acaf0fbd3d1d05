"""What is left of a call when our own code fails, or media does not answer: nothing."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge.call_events import (
    Confirmed,
    Crashed,
    Disconnected,
    EndReason,
    InviteArrived,
    Negotiated,
)
from edge.call_parts import CallTimers
from edge.call_surroundings import CallerLeg, Surroundings
from edge.call_task import CallTask
from edge.records.columns import Parties
from edge.trunks.destination import Chain, Destination, Line
from edge.trunks.routed import Routed
from edge.ua.messages import UaAnswer, UaHangup, UaReject
from media.link import LinkClosedError, NoAnswerError
from media.messages import (
    AllocateStream,
    CallId,
    CloseStream,
    ConfigureStream,
    Done,
    EndConversation,
    Message,
    StreamAllocated,
    StreamClosed,
    StreamParameters,
    StreamQuality,
)

pytestmark = pytest.mark.unit

PARAMETERS = StreamParameters("127.0.0.1", 4000, 4001, "PCMU", 0)


class Talk:
    """A destination that is ready at once, or breaks where it is told to."""

    uses_agent = False

    def __init__(self, breaks: str = "") -> None:
        self.breaks = breaks
        self.ended: list[EndReason] = []

    def _may_break(self, where: str) -> None:
        if where in self.breaks:
            raise ValueError("a fault of ours")

    async def prepare(self, line: Line) -> None:
        self._may_break("prepare")

    def answered(self, at_ns: int) -> None:
        self._may_break("answered")

    def held(self, held: bool) -> None:
        pass

    async def end(self, reason: EndReason) -> None:
        self.ended.append(reason)
        self._may_break("end")


class Rig:
    """One call between a worker, media and agent that only listen."""

    def __init__(self, talk: Talk, configure: Exception | None = None) -> None:
        self.talk, self.configure = talk, configure
        self.ua: list[Message] = []
        self.media: list[Message] = []
        self.agent: list[Message] = []
        self.rows: list[dict[str, Any]] = []
        around = SimpleNamespace(
            media=SimpleNamespace(request=self._ask_media, send=self.media.append),
            agent=SimpleNamespace(send=self.agent.append),
            records=SimpleNamespace(put=lambda columns, *rest: self.rows.append(columns)),
            publish=lambda message: None,
            retry_after_s=lambda: 5,
            record=False,
            timers=CallTimers(ending_ms=200),
            transfers=SimpleNamespace(config=SimpleNamespace(agents={}, queues={})),
        )
        leg = CallerLeg(1, self._tell_worker, None)
        routed = Routed(Chain((lambda: cast(Destination, talk),)))
        parties = Parties("abc@caller", "sip:a@a", "sip:b@b", "127.0.0.1:5062")
        surroundings = cast(Surroundings, around)
        self.task = CallTask(CallId("c1"), parties, leg, routed, surroundings, lambda _: None)

    def _tell_worker(self, message: Message) -> None:
        self.ua.append(message)
        if isinstance(message, UaAnswer):
            self.task.post(Negotiated(PARAMETERS))
            self.task.post(Confirmed())
        elif isinstance(message, UaReject | UaHangup):
            self.task.post(Disconnected(False, 200))

    async def _ask_media(self, message: Message, timeout_s: float = 5.0) -> Message:
        self.media.append(message)
        match message:
            case AllocateStream():
                return StreamAllocated(7, "127.0.0.1", 4000)
            case CloseStream(stream):
                return StreamClosed(stream, StreamQuality())
            case ConfigureStream() if self.configure is not None:
                raise self.configure
        return Done()

    async def live(self) -> None:
        await asyncio.wait_for(self.task.run(InviteArrived()), 5)

    @property
    def closed(self) -> tuple[str, int]:
        """Reason and status of the record."""
        return self.rows[-1]["reason"], self.rows[-1]["sip_status"]


def kinds(messages: list[Message]) -> list[type[Message]]:
    return [type(each) for each in messages]


async def test_a_fault_while_getting_ready_refuses_the_caller() -> None:
    """A child task's fault is a final response, a closed stream and an ended conversation."""
    rig = Rig(Talk(breaks="prepare"))
    await rig.live()
    assert [each.status for each in rig.ua if isinstance(each, UaReject)] == [500]
    assert CloseStream(7) in rig.media
    assert rig.talk.ended == [EndReason.INTERNAL_ERROR]
    assert rig.closed == ("internal_error", 500)


async def test_a_fault_of_the_end_itself_keeps_nothing_open() -> None:
    """A conversation whose end fails is over as well, and does not hold up the call's."""
    rig = Rig(Talk(breaks="prepare end"))
    await rig.live()
    assert UaReject in kinds(rig.ua)
    assert CloseStream(7) in rig.media


async def test_a_fault_after_the_answer_is_a_bye() -> None:
    """What fails in the call's own task ends the call everywhere, too."""
    rig = Rig(Talk(breaks="answered"))
    await rig.live()
    assert UaHangup in kinds(rig.ua)
    assert CloseStream(7) in rig.media
    assert rig.closed == ("internal_error", 200)


@pytest.mark.parametrize("breaks", ["", "end"])
async def test_where_the_state_machine_fails_everything_still_ends(
    monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    """The last resort: BYE, CloseStream and the conversation's end without the state machine."""
    rig = Rig(Talk(breaks=f"answered {breaks}"))
    receive = rig.task.call.receive

    def broken(event: Any, now_ns: int) -> Any:
        if isinstance(event, Crashed):
            raise RuntimeError("it cannot even say that it failed")
        return receive(event, now_ns)

    monkeypatch.setattr(rig.task.call, "receive", broken)
    await rig.live()
    assert UaHangup in kinds(rig.ua)
    assert CloseStream(7) in rig.media
    assert rig.talk.ended == [EndReason.INTERNAL_ERROR]
    assert rig.agent == ([EndConversation(CallId("c1"), "internal_error")] if breaks else [])
    assert rig.closed == ("internal_error", 500)


async def test_media_that_does_not_answer_in_time_is_told_to_close() -> None:
    """A time-out is no lost link: the stream may stand, and is given back."""
    rig = Rig(Talk(), configure=NoAnswerError("no answer to ConfigureStream"))
    await rig.live()
    assert CloseStream(7) in rig.media
    assert UaHangup in kinds(rig.ua)
    assert rig.closed == ("media_failed", 200)


async def test_media_that_is_gone_has_no_stream_to_close() -> None:
    """With the link every stream is gone."""
    rig = Rig(Talk(), configure=LinkClosedError("peer closed the link"))
    await rig.live()
    assert CloseStream not in kinds(rig.media)
    assert rig.closed == ("media_lost", 200)
