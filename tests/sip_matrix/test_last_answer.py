from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import pytest

from media.messages import Message, StartConversation
from tests.edge.ua.ua_peer import Peer, SipMessage, offer
from tests.sip_matrix.service import ScriptedAgent, SipService

pytestmark = pytest.mark.integration

RTP_PORT = 31_598


class UnreadyAgent(ScriptedAgent):
    """Never gets ready for callers whose number begins with 9: they hear ringing."""

    def answer(self, message: Message) -> Iterable[Message]:
        unready = isinstance(message, StartConversation) and message.variables["called"][:1] == "9"
        return [] if unready else super().answer(message)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SipService]:
    """A service without front."""
    folder = tmp_path_factory.mktemp("last")
    made = SipService(folder, (31_974, 31_979), (31_370, 31_379), agent=UnreadyAgent())
    made.start()
    yield made
    made.stop()


Ringing = Callable[[], tuple[Peer, SipMessage]]


@pytest.fixture
def ringing(service: SipService) -> Iterator[Ringing]:
    """Call and hear ringing; every caller's socket is closed at the end."""
    with ExitStack() as callers:

        def call() -> tuple[Peer, SipMessage]:
            peer = callers.enter_context(Peer(service.port))
            peer.remote_uri = f"sip:900@127.0.0.1:{service.port}"
            peer.request("INVITE", offer(port=RTP_PORT))
            rings = peer.response(None, final=False)
            assert rings.status == 180, rings.text
            time.sleep(0.5)  # the tag is told behind the ringing; untold, the 503 has its own
            return peer, rings

        yield call


def answered_again(service: SipService) -> None:
    """The next worker takes calls."""
    deadline = time.monotonic() + 20
    while True:
        peer = Peer(service.port)
        peer.request("INVITE", offer(port=RTP_PORT))
        try:
            answer = peer.response(None, timeout_s=2)
            if answer.status == 200:
                peer.request("ACK")
                peer.request("BYE")
                assert peer.response(None).status == 200
                return
        except AssertionError:
            assert time.monotonic() < deadline, "no worker takes calls again"
        finally:
            peer.close()
        time.sleep(0.3)


def tag(message: SipMessage) -> str:
    """Return the To tag."""
    found = re.search(r";tag=([^;\s]+)", message.header("To"))
    assert found, message.text
    return found[1]


def test_callers_who_hear_ringing_are_told_when_the_worker_is_killed(
    service: SipService, ringing: Ringing
) -> None:
    """503 with Retry-After in the same dialog from the SIP port, then calls work as before."""
    calls = [ringing() for _ in range(2)]
    os.kill(service.worker_pid(), signal.SIGKILL)
    for peer, rings in calls:
        octets, source = b"", ("", 0)
        peer.socket.settimeout(10)
        while not octets.startswith(b"SIP/2.0 5"):
            octets, source = peer.socket.recvfrom(65_535)
        final = SipMessage(octets.decode())
        assert source == ("127.0.0.1", service.port)
        assert (final.status, final.header("Retry-After")) == (503, "7")
        assert final.header("CSeq") == "1 INVITE"
        assert sorted(final.header("Via").split(";")) == sorted(rings.header("Via").split(";"))
        assert tag(final) == tag(rings)
        peer.remote_tag = tag(final)
        peer.request("ACK", same_branch=True)
        record = service.record(peer.call_id)
        assert (record["reason"], record["sip_status"]) == ("worker_lost", 503)
    answered_again(service)
    assert '"lost_callers_answered"' in service.log_text()


def test_who_does_not_acknowledge_is_told_again_by_the_next_worker(
    service: SipService, ringing: Ringing
) -> None:
    """The first 503 may be lost: the next worker repeats it from the same port."""
    peer, _ = ringing()
    os.kill(service.worker_pid(), signal.SIGKILL)
    peer.socket.settimeout(15)
    seen = []
    while len(seen) < 2:
        octets, source = peer.socket.recvfrom(65_535)
        if octets.startswith(b"SIP/2.0 503"):
            seen.append((octets, source[1]))
    assert seen[0] == seen[1]
    assert seen[0][1] == service.port
    answered_again(service)


def test_a_caller_over_tcp_is_told_over_a_new_connection(service: SipService) -> None:
    """The connection died with the worker; the port in the Via gets the answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(15)
        port = listening.getsockname()[1]
        body = offer(port=RTP_PORT)
        lines = (
            f"INVITE sip:900@127.0.0.1:{service.port} SIP/2.0",
            f"Via: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bKtcp;rport",
            f"From: <sip:caller@127.0.0.1:{port}>;tag=over-tcp",
            f"To: <sip:900@127.0.0.1:{service.port}>",
            "Call-ID: over-tcp@test",
            "CSeq: 7 INVITE",
            f"Contact: <sip:caller@127.0.0.1:{port};transport=tcp>",
            "Max-Forwards: 70",
            "Content-Type: application/sdp",
            f"Content-Length: {len(body)}",
        )
        with socket.create_connection(("127.0.0.1", service.port), 5) as stream:
            stream.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            heard = b""
            while b"SIP/2.0 180" not in heard:
                heard += stream.recv(65_535)
            os.kill(service.worker_pid(), signal.SIGKILL)
            text = ""
            while not text:  # the worker had opened one, too, which died with it
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(5)
                    text = connection.recv(65_535).decode()
        assert text.startswith("SIP/2.0 503 "), text
        assert "CSeq: 7 INVITE" in text
    answered_again(service)
