"""A worker process and SIP peers for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ua_peer import Peer, WorkerProcess

from edge.ua.messages import UaSettings


@pytest.fixture(scope="module")
def shared_worker() -> Iterator[WorkerProcess]:
    """One worker for all tests of a module; each must leave it without legs."""
    worker = WorkerProcess(UaSettings(address="127.0.0.1", udp_port=21_100, tcp_port=21_100))
    worker.ready()
    yield worker
    code, errors = worker.stop()
    assert code == 0, errors


@pytest.fixture
def worker(shared_worker: WorkerProcess) -> WorkerProcess:
    """The shared worker, with nothing unread."""
    shared_worker.pump(0)
    shared_worker.pending.clear()
    return shared_worker


@pytest.fixture
def peer() -> Iterator[Callable[[int], Peer]]:
    """Make SIP peers that are closed after the test."""
    peers: list[Peer] = []

    def make(target_port: int = 21_100) -> Peer:
        peers.append(Peer(target_port))
        return peers[-1]

    yield make
    for each in peers:
        each.close()
