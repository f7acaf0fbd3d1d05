from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest
from torture_table import FOLDER, TABLE, Expectation, Kind
from ua_peer import Peer, WorkerProcess

from edge.ua.messages import UaInvite, UaReject, UaSettings

pytestmark = pytest.mark.integration

PORT = 31_880
SETTLE_S = 0.1
"""For an answer that should not come."""
WAIT_S = 3.0
"""For one that should."""


def _batches() -> list[list[Expectation]]:
    """Part the messages so that none looks like a repetition of another."""
    batches: list[list[Expectation]] = []
    for each in TABLE:
        for batch in batches:
            if all(each.transaction != other.transaction for other in batch):
                batch.append(each)
                break
        else:
            batches.append([each])
    return batches


def _deliver(worker: WorkerProcess, each: Expectation, address: str) -> tuple[list[int], bool]:
    """Send one message as it is; return the statuses that came and whether a call was offered.

    OPTIONS is sent behind it: its answer shows that the message has been dealt with.
    """
    statuses: list[int] = []
    offered = False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, Peer(PORT) as asking:
        peer.bind((address, each.reply_port))
        peer.sendto(each.octets, ("127.0.0.1", PORT))
        asking.request("OPTIONS")
        assert asking.response(worker).status == 200, f"after {each.name}"
        dealt_with = time.monotonic()
        while (waited := time.monotonic() - dealt_with) < SETTLE_S or (
            waited < WAIT_S and len(statuses) < len(each.statuses)
        ):
            worker.pump(0.01)
            for message in worker.pending:
                if isinstance(message, UaInvite):
                    offered = True
                    worker.send(UaReject(message.leg, 480))
            worker.pending.clear()
            if select.select([peer], [], [], 0)[0]:
                statuses.append(int(peer.recv(65_535).split(b" ")[1]))
    return statuses, offered


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, tuple[list[int], bool]]]:
    """What came of each message; OPTIONS was answered after each."""
    found: dict[str, tuple[list[int], bool]] = {}
    for batch in _batches():
        worker = WorkerProcess(UaSettings("127.0.0.1", udp_port=PORT, tcp_port=None))
        worker.ready()
        for each in batch:
            found[each.name] = _deliver(worker, each, f"127.44.75.{10 + TABLE.index(each)}")
        code, errors = worker.stop()
        assert code == 0, errors
    yield found


@pytest.mark.parametrize("each", TABLE, ids=lambda each: each.name)
def test_torture_message(seen: dict[str, tuple[list[int], bool]], each: Expectation) -> None:
    """The message is answered as the RFC asks for, and no call comes of it where none may."""
    statuses, offered = seen[each.name]
    assert offered is each.offered
    assert tuple(statuses[:1]) == each.statuses
    if each.kind is Kind.INVALID:
        assert not any(status < 400 for status in statuses)


def test_all_messages_are_there() -> None:
    """The table names each of the 49 messages once."""
    names = [each.name for each in TABLE]
    assert sorted(names) == sorted(path.stem for path in FOLDER.glob("*.dat"))
    assert len(set(names)) == 49
