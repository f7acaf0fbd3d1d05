from __future__ import annotations

import json
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ua_peer import Peer, WorkerProcess, answered, hung_up, offer

from edge.ua.messages import UaHeartbeat, UaHold, UaInvite, UaLimit, UaNegotiated, UaSettings

pytestmark = pytest.mark.integration

PORT = 21_200
MakePeer = Callable[..., Peer]


@pytest.fixture
def own_worker() -> Iterator[WorkerProcess]:
    """A worker for one test only."""
    worker = WorkerProcess(UaSettings(address="127.0.0.1", udp_port=PORT, tcp_port=PORT))
    worker.ready()
    yield worker
    worker.stop()


def _descriptors(worker: WorkerProcess) -> int:
    return len(list(Path(f"/proc/{worker.process.pid}/fd").iterdir()))


def _resident_kib(worker: WorkerProcess) -> int:
    text = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


def test_nothing_but_the_log_is_written(own_worker: WorkerProcess) -> None:
    """Standard output stays empty: a collector that expects JSON would trip over pjlib's lines."""
    own_worker.process.terminate()
    written, _ = own_worker.process.communicate(timeout=10)
    assert written == b""


def test_death_of_control_ends_calls(own_worker: WorkerProcess, peer: MakePeer) -> None:
    """When control's socket closes, answered callers get BYE, ringing ones 503, within 2 s."""
    talking, ringing = peer(PORT), peer(PORT)
    answered(own_worker, talking)
    ringing.request("INVITE", offer())
    own_worker.wait(UaInvite)
    began = time.monotonic()
    own_worker.socket.close()
    bye = talking.received_request(None, "BYE")
    talking.respond(bye, 200)
    assert ringing.response(None).status == 503
    ringing.request("ACK", same_branch=True)
    assert own_worker.process.wait(timeout=3) == 0
    assert time.monotonic() - began < 2.0


def test_silent_control_is_dead_control(own_worker: WorkerProcess, peer: MakePeer) -> None:
    """A control that sends nothing for 2 s is taken for dead."""
    talking = peer(PORT)
    answered(own_worker, talking)
    began = time.monotonic()
    bye = talking.received_request(None, "BYE", timeout_s=6.0)
    talking.respond(bye, 200)
    assert 1.5 < time.monotonic() - began < 4.0
    assert own_worker.process.wait(timeout=3) == 0


def test_unresponsive_peer_does_not_delay_the_end(
    own_worker: WorkerProcess, peer: MakePeer
) -> None:
    """SIGTERM with a peer that never answers the BYE still ends the process within 2 s."""
    talking = peer(PORT)
    answered(own_worker, talking)
    began = time.monotonic()
    own_worker.process.terminate()
    talking.received_request(None, "BYE")
    assert own_worker.process.wait(timeout=3) == 0
    assert time.monotonic() - began < 2.0


def test_taken_port_is_one_readable_line() -> None:
    """A worker that cannot bind says so in one line and exits with 1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", PORT + 2))
        worker = WorkerProcess(UaSettings(address="127.0.0.1", udp_port=PORT + 2, tcp_port=None))
        assert worker.process.wait(timeout=10) == 1
        _, errors = worker.stop()
    (line,) = map(json.loads, errors.splitlines())
    assert (line["event"], line["level"], line["role"]) == ("process_failed", "error", "worker")
    assert line["reason"] == (f"cannot listen on UDP 127.0.0.1:{PORT + 2}: Address already in use")


def test_heartbeat_comes_from_the_sip_thread(own_worker: WorkerProcess) -> None:
    """A heartbeat comes every 500 ms; control gives up whoever is silent for 2 s."""
    times = [own_worker.wait(UaHeartbeat).at_ns for _ in range(4)]
    gaps_ms = [(b - a) / 1e6 for a, b in zip(times, times[1:], strict=False)]
    assert all(450 < gap < 2_000 for gap in gaps_ms), gaps_ms


def test_drained_worker_refuses(own_worker: WorkerProcess, peer: MakePeer) -> None:
    """After UaLimit(0) an INVITE gets 503 with its Retry-After, calls that are up go on."""
    first = peer(PORT)
    leg = answered(own_worker, first)
    own_worker.send(UaLimit(0, 33))
    own_worker.pump(0.05)
    time.sleep(0.1)
    second = peer(PORT)
    second.request("INVITE", offer())
    response = second.response(own_worker)
    assert (response.status, response.header("Retry-After")) == (503, "33")
    second.request("ACK", same_branch=True)
    hung_up(own_worker, first, leg)


def test_garbage_is_survived(own_worker: WorkerProcess, peer: MakePeer) -> None:
    """Random bytes and truncated or mutated SIP, by UDP and TCP, leave calls and worker alone."""
    talking = peer(PORT)
    leg = answered(own_worker, talking)
    random_source = random.Random(7)
    head = (
        f"INVITE sip:1@127.0.0.1:{PORT} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:1@b>\r\nCall-ID: garbage\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:a@127.0.0.1:9>\r\nContent-Type: application/sdp\r\n"
    )
    sdp = offer()
    whole = f"{head}Content-Length: {len(sdp)}\r\n\r\n{sdp}".encode()
    noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(600):
        octets = bytearray(whole)
        if number % 3 == 0:
            octets = bytearray(random_source.randbytes(random_source.randrange(1, 1_400)))
        elif number % 3 == 1:
            octets = octets[: random_source.randrange(1, len(octets) - len(sdp) - 2)]
        else:
            for _ in range(6):
                # not in the first line, so that no accidental INVITE of another method counts
                octets[random_source.randrange(20, 200)] = random_source.randrange(256)
        noise.sendto(bytes(octets), ("127.0.0.1", PORT))
        if number % 50 == 0:
            own_worker.pump(0.02)
    noise.close()
    with socket.create_connection(("127.0.0.1", PORT)) as stream:
        stream.sendall(whole[:150] + random_source.randbytes(3_000))
    own_worker.pump(0.2)
    assert own_worker.process.poll() is None
    hung_up(own_worker, talking, leg)


def test_call_over_tcp(own_worker: WorkerProcess) -> None:
    """An INVITE over TCP is reported as such and can be refused."""
    with socket.create_connection(("127.0.0.1", PORT)) as stream:
        port = stream.getsockname()[1]
        body = offer()
        stream.sendall(
            (
                f"INVITE sip:1@127.0.0.1:{PORT};transport=tcp SIP/2.0\r\n"
                f"Via: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK-tcp\r\n"
                f"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:1@127.0.0.1>\r\nCall-ID: tcp{port}\r\n"
                f"CSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:{port};transport=tcp>\r\n"
                f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )
        invite = own_worker.wait(UaInvite)
        assert (invite.transport, invite.source) == ("TCP", f"127.0.0.1:{port}")


class Capture:
    """Counts UDP packets on loopback by source port (AF_PACKET)."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind(("lo", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.setblocking(False)

    def source_ports(self) -> set[int]:
        """Return the source ports of all UDP packets seen so far."""
        ports = set()
        while True:
            try:
                frame = self.socket.recv(65_536)
            except BlockingIOError:
                return ports
            if len(frame) > 42 and frame[23] == socket.IPPROTO_UDP:
                start = 14 + (frame[14] & 15) * 4
                ports.add(struct.unpack_from("!H", frame, start)[0])


def _udp_ports(worker: WorkerProcess) -> set[int]:
    """Return the local UDP ports of the worker's open sockets."""
    root = Path(f"/proc/{worker.process.pid}")
    links = [str(each.readlink()) for each in (root / "fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [line.split() for line in (root / "net/udp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[9] in inodes}


@pytest.mark.skipif(os.geteuid() != 0, reason="AF_PACKET needs root")
def test_no_packet_leaves_from_unadvertised_ports(
    own_worker: WorkerProcess, peer: MakePeer
) -> None:
    """Re-INVITEs, holds and BYE make the worker send from its SIP port only; it has no other."""
    capture = Capture()
    rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtp.bind(("127.0.0.1", 0))
    rtp_port = rtp.getsockname()[1]
    rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtcp.bind(("127.0.0.1", rtp_port + 1))
    for _ in range(3):
        caller = peer(PORT)
        leg = answered(own_worker, caller, offer(port=rtp_port))
        for version in range(2, 5):
            caller.request("INVITE", offer(port=rtp_port, version=version))
            assert caller.response(own_worker).status == 200
            caller.request("ACK")
            own_worker.wait(UaNegotiated)
        own_worker.send(UaHold(leg, True))
        invite = caller.received_request(own_worker, "INVITE")
        assert "a=sendonly" in invite.body
        caller.respond(invite, 200, body=offer(port=rtp_port, version=9))
        caller.received_request(own_worker, "ACK")
        own_worker.wait(UaNegotiated)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            own_worker.pump(0.1)
        assert _udp_ports(own_worker) == {PORT}
        hung_up(own_worker, caller, leg)
    assert PORT in capture.source_ports()
    capture.socket.close()
    for each in (rtp, rtcp):
        each.setblocking(False)
        with pytest.raises(BlockingIOError):
            each.recv(1)
        each.close()


def test_many_calls_leave_nothing_behind(own_worker: WorkerProcess, peer: MakePeer) -> None:
    """300 calls leave descriptors, slots and memory where they were after the first half."""
    descriptors, resident_kib = 0, 0
    for number in range(300):
        with Peer(PORT) as caller:
            leg = answered(own_worker, caller)
            if number % 4 == 0:
                caller.request("INVITE", offer(version=2))
                assert caller.response(own_worker).status == 200
                caller.request("ACK")
            hung_up(own_worker, caller, leg)
        if number == 150:
            descriptors, resident_kib = _descriptors(own_worker), _resident_kib(own_worker)
    own_worker.pending.clear()
    assert own_worker.wait(UaHeartbeat).legs == 0
    assert _descriptors(own_worker) <= descriptors + 2
    assert _resident_kib(own_worker) < resident_kib + 12_000
