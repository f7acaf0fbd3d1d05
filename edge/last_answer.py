"""Answer INVITEs finally whose UA worker died before it did (front: none).

A caller who has heard ringing and then nothing waits until their own patience ends. The control
process knows what a final response needs (RFC 3261 section 8.2.6.2): Via, From, Call-ID and CSeq of
the INVITE, and the To tag that the ringing carried. It sends 503 from the port that the INVITE came
to, which is free as long as the next worker has not bound it, and gives it up again after a quarter
of a second, ACK or not: a worker needs longer to start. Whoever has not acknowledged by then is
answered again by the next worker, from the same port, as often as a transaction would.

Over TCP the connection died with the worker. The response goes to the port in the Via over a new
one (section 18.2.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from edge.ua.messages import UaInvite, UaRespond
from edge.ua.sip_text import reply_port

BIND_S = 0.2
"""How long the kernel may take to give the dead worker's port back."""
HOLD_S = 0.25
AGAIN_S = (0.0, 1.0, 3.0)
"""When the next worker repeats what was not acknowledged."""
_POLL_S = 0.01
_BURST = 64
"""Datagrams taken at once: callers who ring again meanwhile must not hold up the process."""
_CONNECT_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """One response and where it goes."""

    sip_call_id: str
    text: str
    address: str
    port: int
    transport: str


def last_answer(invite: UaInvite, to: str, retry_after_s: int) -> LastAnswer | None:
    """Return the refusal of an INVITE, None where its headers were not told.

    Args:
        invite: that was not answered.
        to: the To header of the ringing, empty where none has left.
        retry_after_s: said to the caller.
    """
    headers = invite.response_headers
    address, _, port = invite.source.rpartition(":")
    if not headers.get("via") or not port.isdigit():
        return None
    own_to = to or f"{headers['to']};tag={secrets.token_hex(8)}"
    text = "\r\n".join(
        (
            "SIP/2.0 503 Service Unavailable",
            f"Via: {headers['via']}",
            f"From: {headers['from']}",
            f"To: {own_to}",
            f"Call-ID: {headers['call-id']}",
            f"CSeq: {headers['cseq']}",
            f"Retry-After: {retry_after_s}",
            'Reason: Q.850;cause=41;text="worker_lost"',
            "Content-Length: 0",
            "",
            "",
        )
    )
    back = reply_port(text, int(port))
    if invite.transport != "UDP":
        back = reply_port(re.sub(r";\s*rport[^;,\r]*", "", text), int(port))
    return LastAnswer(invite.sip_call_id, text, address.strip("[]"), back, invite.transport)


class LastAnswers:
    """Final answers that callers of dead workers are owed.

    Args:
        address: that the worker listens on.
        port: its UDP port.
        send: sends a message to the worker of that port, once it is up.
        hold_s: how long the port is kept for ACKs.
    """

    def __init__(
        self,
        address: str,
        port: int,
        send: Callable[[UaRespond], None],
        *,
        hold_s: float = HOLD_S,
    ) -> None:
        self._here = (address, port)
        self._send = send
        self._hold_s = hold_s
        self._owed: dict[str, LastAnswer] = {}
        self._worker_up = False
        self._tasks: set[asyncio.Task[None]] = set()

    def give(self, answers: list[LastAnswer]) -> None:
        """Answer callers whose worker has died."""
        self._worker_up = False
        over_udp = {each.sip_call_id: each for each in answers if each.transport == "UDP"}
        if over_udp:
            self._spawn(self._answer(over_udp))
        for each in answers:
            if each.transport != "UDP":
                self._spawn(_answer_over_stream(each))

    def worker_ready(self) -> None:
        """The next worker has the port."""
        self._worker_up = True
        owed, self._owed = self._owed, {}
        if owed:
            self._spawn(self._repeat(owed))

    async def _answer(self, answers: dict[str, LastAnswer]) -> None:
        waiting = dict(answers)
        with await self._bind() as here:
            loop = asyncio.get_running_loop()
            for each in answers.values():
                with contextlib.suppress(OSError):
                    await loop.sock_sendto(here, each.text.encode(), (each.address, each.port))
            ends = loop.time() + self._hold_s
            is_over = False
            while waiting and not is_over:
                # looked at once more at the end: on a busy machine that is when the ACK is there
                is_over = loop.time() >= ends
                acks = _pending_acks(here)
                waiting = {k: v for k, v in waiting.items() if not any(k in ack for ack in acks)}
                await asyncio.sleep(0 if is_over else _POLL_S)
        log.info(
            "lost_callers_answered", count=len(answers), acknowledged=len(answers) - len(waiting)
        )
        if self._worker_up:
            await self._repeat(waiting)
        else:
            self._owed |= waiting

    async def _bind(self) -> socket.socket:
        address, port = self._here
        here = socket.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM
        )
        here.setblocking(False)
        for _ in range(round(BIND_S / _POLL_S)):
            try:
                here.bind((address, port))
            except OSError:
                await asyncio.sleep(_POLL_S)
            else:
                return here
        log.warning("lost_callers_port_taken", port=port)
        return here  # from any port: better than not at all

    async def _repeat(self, answers: dict[str, LastAnswer]) -> None:
        before_s = 0.0
        for at_s in AGAIN_S:
            await asyncio.sleep(at_s - before_s)
            before_s = at_s
            for each in answers.values():
                self._send(UaRespond(each.text, each.address, each.port))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _pending_acks(here: socket.socket) -> list[str]:
    """Return the ACKs among what waits in a socket that does not block."""
    acks: list[str] = []
    with contextlib.suppress(OSError):
        for _ in range(_BURST):
            octets = here.recv(65_535)
            if octets.startswith(b"ACK "):
                acks.append(octets.decode("utf-8", "replace"))
    return acks


async def _answer_over_stream(answer: LastAnswer) -> None:
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(answer.address, answer.port)
    except (OSError, TimeoutError) as error:
        log.info("lost_caller_unreachable", sip_call_id=answer.sip_call_id, reason=repr(error))
        return
    acknowledged = False
    try:
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(answer.text.encode())
            async with asyncio.timeout(_CONNECT_S):
                acknowledged = (await reader.readline()).startswith(b"ACK ")
    finally:
        writer.close()
    log.info("lost_callers_answered", count=1, acknowledged=int(acknowledged))
