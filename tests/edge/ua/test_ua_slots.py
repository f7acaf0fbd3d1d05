import signal

import pytest

from edge.ua.messages import UaAnswer, UaConfirmed, UaHangup, UaInvite, UaSettings
from tests.edge.ua.ua_peer import Peer, WorkerProcess, answered, offer

pytestmark = pytest.mark.integration


def test_a_slot_that_is_taken_again_in_the_same_moment() -> None:
    """A BYE and the next INVITE arrive together, and the INVITE gets the slot: both are served."""
    settings = UaSettings(address="127.0.0.1", udp_port=0, tcp_port=None, callers=3)
    worker = WorkerProcess(settings)
    try:
        port = worker.ready().udp_port
        calls = [Peer(port) for _ in range(2)]
        legs = {peer: answered(worker, peer) for peer in calls}
        for turn in range(32):
            # pjsua2 takes slots in turn: calls that it refuses move it on, to every one in time
            for _ in range(turn % 4):
                with Peer(port) as refused:
                    refused.request("INVITE", offer(formats="18"))
                    assert refused.response(worker).status == 488
                    refused.request("ACK", same_branch=True)
            old, new = calls.pop(0), Peer(port)
            worker.process.send_signal(signal.SIGSTOP)
            old.request("BYE")
            new.request("INVITE", offer())
            worker.process.send_signal(signal.SIGCONT)
            leg = worker.wait(UaInvite, where=lambda m, new=new: m.sip_call_id == new.call_id).leg
            worker.send(UaAnswer(leg, "127.0.0.1", 21_800))
            response = new.response(worker)
            assert response.status == 200, response.start
            new.request("ACK")
            worker.wait(UaConfirmed, where=lambda m, leg=leg: m.leg == leg)
            old.close()
            calls.append(new)
            legs[new] = leg
        for peer in calls:
            worker.send(UaHangup(legs[peer]))
            peer.close()
    finally:
        worker.stop()
