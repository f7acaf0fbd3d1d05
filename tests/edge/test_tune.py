from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import pytest

from edge.client_messages import CallStatus, Status
from edge.clients import Clients
from edge.commands import tune
from media import CordboardError
from media.link import RequestFailedError
from media.load_messages import TuneTurns, TurnsTuned
from media.messages import CallId, Message

pytestmark = pytest.mark.integration

CALL = CallId("20260131-120000-123-4f2a9c")
STATUS = Status(True, "", 3, 1, calls=(CallStatus(CALL, "talking", "a", "b", "support", 3),))


class Board:
    """A control process that passes changes to an agent process."""

    def __init__(self, refuse: str = "") -> None:
        self.asked: list[Message] = []
        self.refuse = refuse
        self.clients = Clients(lambda: STATUS, lambda call: False)
        self.clients.relay(TuneTurns, self.answer)

    async def answer(self, message: Message) -> Message:
        self.asked.append(message)
        if self.refuse:
            raise RequestFailedError(self.refuse, 400)
        return TurnsTuned(("support",), (CALL,), {"support": "preset=patient"})


async def changed(board: Board, folder: Path, *args: str | None) -> TurnsTuned:
    address = f"unix://{folder}/edge.sock"
    await board.clients.start(address)
    try:
        return await tune.change(address, {"preset": "patient"}, *args)  # type: ignore[arg-type]
    finally:
        await board.clients.stop()


async def test_a_change_reaches_the_agent_process_and_its_answer_comes_back(tmp_path: Path) -> None:
    """The control process passes the words on and returns what holds now."""
    board = Board()
    done = await changed(board, tmp_path, "support", None)
    assert board.asked == [TuneTurns({"preset": "patient"}, "support", None)]
    assert done.now == {"support": "preset=patient"}


async def test_a_call_is_named_by_the_end_of_its_id(tmp_path: Path) -> None:
    """As with 'cordboard calls', a part of the id is enough."""
    board = Board()
    await changed(board, tmp_path, None, "4f2a9c")
    assert board.asked == [TuneTurns({"preset": "patient"}, None, CALL)]


async def test_what_the_agent_refuses_is_told(tmp_path: Path) -> None:
    """The reason arrives as it was given."""
    with pytest.raises(RequestFailedError, match="no agent"):
        await changed(Board('no agent "supprt"'), tmp_path, "supprt", None)


def test_unknown_and_doubtful_calls_are_refused() -> None:
    """No call, or several, is an error that lists those in progress."""
    with pytest.raises(CordboardError, match="no calls"):
        tune.choose_call("zz", [CALL])
    with pytest.raises(CordboardError, match="2 calls"):
        tune.choose_call("2026", [CALL, CallId("20260131-130000-123-aaaaaa")])


@pytest.mark.parametrize("words", [["preset"], ["=5"], ["preset=eager", "preset=patient"]])
def test_words_of_another_shape_are_refused(words: list[str]) -> None:
    """Only NAME=VALUE, each name once."""
    with pytest.raises(CordboardError):
        tune.parse(words)


def test_a_wrong_setting_is_refused_before_anybody_is_asked() -> None:
    """The checks of the file are made by the command itself."""
    parser = argparse.ArgumentParser()
    tune.add_arguments(parser)
    with pytest.raises(CordboardError, match="out of range"):
        tune.run(parser.parse_args(["complete_ms=1"]))


async def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    """Without a service the error says so."""
    with pytest.raises(CordboardError, match="not running"):
        await tune.change(f"unix://{tmp_path}/edge.sock", {"preset": "eager"}, None, None)


async def test_observers_hear_the_news_before_subscribers() -> None:
    """Whoever observes within the process is told each piece of news once."""
    clients = Clients(lambda: STATUS, lambda call: False)
    heard: list[Message] = []
    clients.observe(heard.append)
    clients.publish(STATUS)
    await asyncio.sleep(0)
    assert heard == [STATUS]
