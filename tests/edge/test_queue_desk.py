import asyncio
import json
from pathlib import Path

import pytest

from edge.commands.wallboard import person_now, wallboard
from edge.queues.desk import QueueDesk
from edge.queues.events import OfferAccepted, TalkEnded
from edge.queues.feature_codes import duty_of, person_of, recognise
from edge.queues.messages import (
    ChangeDuty,
    Duty,
    PersonView,
    QueueStatus,
    QueueStatusRequest,
)
from edge.transfer.events import QueueGaveUp, RingUnwanted, RingWanted, TransferEvent
from media import RemoteError
from media.config.model import AgentConfig, Config, RuleConfig
from media.config.queues import PersonConfig, QueueConfig, SeatConfig

pytestmark = pytest.mark.unit

ANN, BOB = PersonConfig("sip:ann@192.0.2.7:5062"), PersonConfig("sip:bob@192.0.2.8")


def config(**people: PersonConfig) -> Config:
    everybody = people or {"ann": ANN, "bob": BOB}
    seats = {name: SeatConfig() for name in everybody}
    queues = {"support": QueueConfig(members=seats, wrap_up_s=30, ring_timeout_s=5)}
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    return Config(agents, (RuleConfig(agent="desk"),), queues=queues, people=everybody)


class Holder:
    caller = "+4930123"

    def __init__(self) -> None:
        self.events: list[TransferEvent] = []
        self.told: list[tuple[int, int | None]] = []

    def post(self, event: TransferEvent) -> None:
        self.events.append(event)

    def announce(self, position: int, expected_wait_s: int | None) -> None:
        self.told.append((position, expected_wait_s))


@pytest.mark.parametrize(
    ("dialled", "meaning"),
    [
        ("*61", (Duty.JOIN, 0)),
        ("*62", (Duty.LEAVE, 0)),
        ("*63", (Duty.PAUSE, 0)),
        ("*64", (Duty.UNPAUSE, 0)),
        ("*65", (Duty.WRAP_UP, 0)),
        ("*6530", (Duty.WRAP_UP, 30)),
        ("*659999", (Duty.WRAP_UP, 3_600)),
        ("*65x", None),
        ("*66", None),
        ("61", None),
        ("", None),
    ],
)
def test_what_codes_mean(dialled: str, meaning: tuple[Duty, int] | None) -> None:
    """The shipped codes; wrap-up takes its seconds with it, an hour at the most."""
    assert duty_of(dialled, config()) == meaning


@pytest.mark.parametrize(
    ("from_uri", "source", "person"),
    [
        ("sip:ann@192.0.2.7:5062", "192.0.2.7:5062", "ann"),
        ("sip:ann@192.0.2.7", "192.0.2.7:40000", "ann"),
        ("sip:ann@example.org", "192.0.2.7:5062", "ann"),
        ("sip:ann@192.0.2.7", "203.0.113.5:5062", None),
        ("sip:bob@192.0.2.7", "192.0.2.7:5062", None),
        ("sip:192.0.2.7", "192.0.2.7:5062", None),
    ],
)
def test_whose_phone_calls(from_uri: str, source: str, person: str | None) -> None:
    """A name without the phone's own address is nobody: From is easily forged."""
    assert person_of(from_uri, source, {}, config()) == person


def test_a_forged_identity_header_is_nothing_without_a_front() -> None:
    """Only the front may say who has registered."""
    headers = {"x-cordboard-identity": "phone:ann"}
    everybody = config(ann=PersonConfig("ann"))
    assert person_of("sip:ann@203.0.113.5", "203.0.113.5:5060", headers, everybody) is None


def test_a_stranger_who_dials_a_code_makes_an_ordinary_call() -> None:
    """The code is not even looked at."""
    assert recognise("sip:*61@pbx", "sip:eve@203.0.113.5", "203.0.113.5:5060", {}, config()) is None
    found = recognise("sip:*6530@pbx", "sip:bob@x", "192.0.2.8:5060", {}, config())
    assert found == ChangeDuty("bob", Duty.WRAP_UP, 30)


async def test_who_is_rung_and_who_is_told(tmp_path: Path) -> None:
    """The floor's decisions reach the ticket's holder, and nobody after it has left."""
    desk, holder = QueueDesk(config(), tmp_path / "people.json"), Holder()
    desk.join("call/1", "support", holder)
    assert holder.events == [RingWanted("ann", 5_000)]
    desk.tell(OfferAccepted("call/1", "ann"))
    status = await desk.serve(QueueStatusRequest())
    assert isinstance(status, QueueStatus)
    assert [(each.name, each.state) for each in status.people] == [("ann", "busy"), ("bob", "idle")]
    desk.leave("call/1")
    status = await desk.serve(QueueStatusRequest())
    assert isinstance(status, QueueStatus)
    assert status.people[0].state == "wrap_up" and status.people[0].left_s == 30
    desk.tell(TalkEnded("ann"))
    assert len(holder.events) == 1
    desk.close()


async def test_a_change_is_answered_with_what_is_now_so(tmp_path: Path) -> None:
    """Also where it takes effect after a call: nothing that was asked for happens unseen."""
    desk = QueueDesk(config(), tmp_path / "people.json")

    async def now(person: str, duty: Duty, seconds: int = 0) -> str:
        answer = await desk.serve(ChangeDuty(person, duty, seconds))
        assert isinstance(answer, PersonView)
        return person_now(answer)

    assert await now("bob", Duty.PAUSE) == "bob is paused"
    assert await now("bob", Duty.WRAP_UP, 40) == (
        "bob is paused; 40 s of wrap-up after the next call"
    )
    assert await now("bob", Duty.WRAP_UP) == "bob is paused"
    assert await now("bob", Duty.LEAVE) == "bob is off duty"
    desk.join("call/1", "support", Holder())
    assert await now("ann", Duty.JOIN) == "ann is being rung"
    desk.tell(OfferAccepted("call/1", "ann"))
    assert await now("ann", Duty.PAUSE) == (
        "ann is busy; paused after that; 30 s of wrap-up after the present call"
    )
    desk.tell(TalkEnded("ann"))
    assert await now("ann", Duty.WRAP_UP, 9) == "ann is in wrap-up, 9 s left; paused after that"
    desk.close()


async def test_a_caller_who_leaves_stops_the_phones(tmp_path: Path) -> None:
    """A crashed transfer's ticket holds nobody: the person is free for the next caller."""
    desk, first, second = QueueDesk(config(ann=ANN), tmp_path / "people.json"), Holder(), Holder()
    desk.join("a/1", "support", first)
    desk.join("b/1", "support", second)
    assert second.events == []
    desk.leave("a/1")
    assert second.events == [RingWanted("ann", 5_000)]
    assert RingUnwanted("ann", False) not in second.events
    desk.close()


async def test_duty_outlives_a_restart(tmp_path: Path) -> None:
    """Who left or paused before a restart has left or pauses after it."""
    state = tmp_path / "run" / "people.json"
    desk = QueueDesk(config(), state)
    await desk.serve(ChangeDuty("ann", Duty.LEAVE))
    await desk.serve(ChangeDuty("bob", Duty.PAUSE))
    desk.close()
    again = QueueDesk(config(), state)
    assert not again.floor.members["ann"].online and again.floor.members["bob"].paused
    holder = Holder()
    again.join("c/1", "support", holder)
    assert isinstance(holder.events[0], QueueGaveUp)
    again.close()


async def test_a_broken_state_file_is_passed_over(tmp_path: Path) -> None:
    """A file that cannot be read costs what it remembered, not the start."""
    state = tmp_path / "people.json"
    state.write_text("{")
    desk = QueueDesk(config(), state)
    assert desk.floor.members["ann"].online
    state.write_text(json.dumps({"ann": 1}))
    assert QueueDesk(config(), state).floor.members["ann"].online
    desk.close()


async def test_unknown_people_are_refused(tmp_path: Path) -> None:
    """The answer names those who are known."""
    desk = QueueDesk(config(), tmp_path / "people.json")
    with pytest.raises(RemoteError, match="known: ann, bob"):
        await desk.serve(ChangeDuty("eve", Duty.JOIN))


async def test_deadlines_come_by_themselves(tmp_path: Path) -> None:
    """A wait that is too long ends without anybody asking."""
    base = config(ann=ANN)
    queue = QueueConfig(members={"ann": SeatConfig()}, max_wait_s=1)
    desk = QueueDesk(
        Config(base.agents, base.dialplan, queues={"support": queue}, people=base.people),
        tmp_path / "people.json",
    )
    first, second = Holder(), Holder()
    desk.join("a/1", "support", first)
    desk.join("b/1", "support", second)
    for _ in range(60):
        await asyncio.sleep(0.05)
        if second.events:
            break
    assert isinstance(second.events[0], QueueGaveUp)
    desk.close()


async def test_the_wallboard(tmp_path: Path) -> None:
    """Waiting callers, what rings for them, people and the service level are all on it."""
    desk = QueueDesk(config(), tmp_path / "people.json")
    desk.join("20260101-call/1", "support", Holder())
    status = await desk.serve(QueueStatusRequest())
    assert isinstance(status, QueueStatus)
    text = wallboard(status)
    assert "SUPPORT  open, longest_idle, 1 of 2 free" in text
    assert "1. +4930123   0:00  ringing ann  20260101-call" in text
    assert "within 20 s -" in text and "ann  ringing" in text
    assert wallboard(QueueStatus((), ())) == "no queues are configured"
    desk.close()
