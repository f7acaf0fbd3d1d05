from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.ua.messages import UaSettings
from tests.edge.ua.ua_peer import Peer, WorkerProcess, answered, hung_up, offer
from tests.sip_matrix.service import SipService

pytestmark = pytest.mark.integration


def _call(service: SipService) -> Peer:
    peer = Peer(service.port)
    try:
        peer.request("INVITE", offer(port=31_598))
        answer = peer.response(None)
        assert answer.status == 200, answer.text
        peer.request("ACK")
    except BaseException:
        peer.close()
        raise
    return peer


def test_a_hung_worker_is_replaced(tmp_path: Path) -> None:
    """A worker whose SIP thread hangs is given up within 3 s, its call recorded, new calls work."""
    service = SipService(tmp_path, (31_960, 31_965), (31_360, 31_369))
    service.start()
    first = second = None
    try:
        first = _call(service)
        hung = service.worker_pid()
        os.kill(hung, signal.SIGSTOP)
        began = time.monotonic()
        record = service.record(first.call_id, timeout_s=5)
        assert time.monotonic() - began < 3.5
        assert record["reason"] == "worker_lost"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and second is None:
            with Peer(service.port) as asking:
                asking.request("OPTIONS")
                message = asking.receive(0.5)
            if message is not None and message.status == 200:
                second = _call(service)
        assert second is not None, "no new worker within 10 s"
        assert service.worker_pid() != hung
        second.request("BYE")
        assert second.response(None).status == 200
    finally:
        for peer in (first, second):
            if peer is not None:
                peer.close()
        service.stop()


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    """Peers that are closed after the test."""
    made: list[Peer] = []
    yield made
    for each in made:
        each.close()


def test_public_address_is_what_the_far_end_sees(peers: list[Peer]) -> None:
    """Behind NAT the Contact carries the public address and our own requests' Via, too."""
    settings = UaSettings(
        "127.0.0.1", public_address="198.51.100.7", udp_port=31_970, tcp_port=31_970
    )
    worker = WorkerProcess(settings)
    worker.ready()
    peer = Peer(31_970)
    peers.append(peer)
    leg = answered(worker, peer)
    assert peer.remote_uri.startswith("sip:cordboard@198.51.100.7:31970")
    peer.remote_uri = "sip:cordboard@127.0.0.1:31970"
    hung_up(worker, peer, leg)
    assert worker.stop()[0] == 0


def test_contact_of_a_worker_that_listens_everywhere(peers: list[Peer]) -> None:
    """A caller on loopback of a worker on 0.0.0.0 gets a Contact with the right port."""
    worker = WorkerProcess(UaSettings("0.0.0.0", udp_port=31_972, tcp_port=None))
    worker.ready()
    peer = Peer(31_972)
    peers.append(peer)
    leg = answered(worker, peer)
    assert peer.remote_uri.endswith(":31972")
    hung_up(worker, peer, leg)
    assert worker.stop()[0] == 0
