from __future__ import annotations

import asyncio
import dataclasses
import socket
import time

import pytest

from edge.last_answer import LastAnswer, LastAnswers, last_answer
from edge.ua.invite import describe_invite
from edge.ua.messages import UaInvite, UaRespond
from edge.ua.sip_text import parse_message
from tests.harness.waiting import until

pytestmark = pytest.mark.unit

VIA = "SIP/2.0/{} 10.0.0.1:5070;branch=z9hG4bK1{}, SIP/2.0/UDP far;branch=z9hG4bK0"


def invite(source: str = "127.0.0.1:6000", via: str = VIA.format("UDP", ";rport")) -> UaInvite:
    """Describe an INVITE as a worker does."""
    text = (
        "INVITE sip:100@example.net SIP/2.0\r\n"
        f"Via: {via}\r\n"
        'From: "A" <sip:a@example.org>;tag=theirs\r\nTo: <sip:100@example.net>\r\n'
        "Call-ID: one\r\nCSeq: 7 INVITE\r\nContact: <sip:a@10.0.0.1>\r\n\r\n"
    )
    return describe_invite(1, parse_message(text), source, None)


def test_the_answer_is_that_of_the_transaction_and_of_the_ringing() -> None:
    """Via with received and rport, the To of the 180, Retry-After; back to the source."""
    answer = last_answer(invite(), "<sip:100@example.net>;tag=ours", 9)
    assert answer is not None
    lines = answer.text.split("\r\n")
    assert lines[0] == "SIP/2.0 503 Service Unavailable"
    top = "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport=6000;received=127.0.0.1"
    assert f"Via: {top}, SIP/2.0/UDP far;branch=z9hG4bK0" in lines
    assert "To: <sip:100@example.net>;tag=ours" in lines
    assert "CSeq: 7 INVITE" in lines
    assert "Retry-After: 9" in lines
    assert (answer.address, answer.port) == ("127.0.0.1", 6_000)


def test_without_ringing_a_tag_is_made() -> None:
    """Every final response has a To tag (RFC 3261 section 8.2.6.2)."""
    answer = last_answer(invite(), "", 9)
    assert answer is not None
    assert "To: <sip:100@example.net>;tag=" in answer.text


def test_it_goes_to_the_port_in_the_via_without_rport_and_over_tcp() -> None:
    """RFC 3261 section 18.2.2."""
    plain = last_answer(invite(via=VIA.format("UDP", "")), "", 9)
    stream = last_answer(invite(via=VIA.format("TCP", ";rport")), "", 9)
    assert plain is not None
    assert stream is not None
    assert (plain.port, stream.port, stream.transport) == (5_070, 5_070, "TCP")


def test_an_invite_without_its_headers_is_left_alone() -> None:
    """What was not told cannot be answered."""
    told = invite()
    untold = UaInvite(
        1, "one", told.from_uri, "", told.to_uri, told.request_uri, "", told.source, "UDP", "", ""
    )
    assert last_answer(untold, "", 9) is None


@pytest.mark.parametrize("ready", ["while the port is held", "later"])
async def test_who_has_not_acknowledged_is_left_to_the_next_worker(ready: str) -> None:
    """One of two callers sends ACK; only the other is answered again."""
    sent: list[UaRespond] = []
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quick,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as worker,
    ):
        for each in (quick, deaf, worker):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        port = worker.getsockname()[1]
        worker.close()
        answers = LastAnswers("127.0.0.1", port, sent.append, hold_s=1.0)
        made = []
        for name, each in (("quick", quick), ("deaf", deaf)):
            told = invite(f"127.0.0.1:{each.getsockname()[1]}")
            told.response_headers["call-id"] = name
            answer = last_answer(told, "", 9)
            assert answer is not None
            made.append(replaced(answer, name))
        answers.give(made)
        octets, source = await asyncio.wait_for(loop.sock_recvfrom(quick, 4_096), 5)
        assert octets.startswith(b"SIP/2.0 503")
        assert source[1] == port
        await loop.sock_sendto(quick, b"ACK sip:x SIP/2.0\r\nCall-ID: quick\r\n\r\n", source)
        if ready == "later":
            await asyncio.sleep(1.2)
            assert sent == []
        answers.worker_ready()
        await until(lambda: sent)
        assert {each.port for each in sent} == {deaf.getsockname()[1]}


async def test_an_ack_that_came_while_the_machine_was_busy_counts() -> None:
    """The wait is over when the process gets round to it: it is read all the same."""
    sent: list[UaRespond] = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as worker,
    ):
        caller.bind(("127.0.0.1", 0))
        caller.settimeout(5)
        worker.bind(("127.0.0.1", 0))
        port = worker.getsockname()[1]
        worker.close()
        answers = LastAnswers("127.0.0.1", port, sent.append, hold_s=0.2)
        answer = last_answer(invite(f"127.0.0.1:{caller.getsockname()[1]}"), "", 9)
        assert answer is not None
        answers.give([replaced(answer, "one")])
        answers.worker_ready()
        for _ in range(5):
            await asyncio.sleep(0)
        # nothing else of this process runs from here to the end of the wait
        _, source = caller.recvfrom(4_096)
        caller.sendto(b"ACK sip:x SIP/2.0\r\nCall-ID: one\r\n\r\n", source)
        time.sleep(0.4)  # noqa: ASYNC251
        await asyncio.sleep(0.3)
        assert sent == []


def replaced(answer: LastAnswer, sip_call_id: str) -> LastAnswer:
    """Return it under another Call-ID."""
    return dataclasses.replace(answer, sip_call_id=sip_call_id)


async def test_over_tcp_it_comes_over_a_new_connection() -> None:
    """The whole response arrives at the port in the Via; the connection waits for the ACK."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ACK sip:x SIP/2.0\r\n\r\n")
        rest = await reader.read()  # to its end: they have closed
        writer.close()
        heard.set_result(octets + rest)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        via = f"SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK1;rport"
        answer = last_answer(invite(via=via), "", 9)
        assert answer is not None
        LastAnswers("127.0.0.1", 1, lambda _: None).give([answer])
        assert (await asyncio.wait_for(heard, 5)).decode() == answer.text
