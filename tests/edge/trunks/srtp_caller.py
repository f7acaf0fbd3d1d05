"""Callers who send a tone, in the clear or encrypted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.edge.trunks.caller import Caller
from tests.edge.trunks.carrier import strongest_hz
from tests.edge.trunks.srtp_keys import SrtpKeys
from tests.harness.baresip import Baresip
from tests.harness.outside_phone import Samples, tone
from tests.harness.outside_sip import SipMessage

CALLER_HZ = 700
_TONE = tone(CALLER_HZ, 1.0)


@contextmanager
def talking(caller: Caller) -> Iterator[Caller]:
    """Call, be answered, hang up at the end."""
    answer = caller.call()
    try:
        assert answer.status == 200, answer
        yield caller
    finally:
        caller.hang_up()


class ToneCaller(Caller):
    """A caller who sends a tone."""

    _frames = 0

    def _next_frame(self) -> tuple[Samples, bool]:
        at = self._frames % 50 * 160
        self._frames += 1
        return _TONE[at : at + 160], False


class SrtpCaller(ToneCaller):
    """A caller whose RTP is encrypted.

    Args:
        keys: of the call.
    """

    def __init__(self, port: int, number: str, keys: SrtpKeys, **options: Any) -> None:
        super().__init__(port, number, **options)
        self.keys = keys

    def call(self, timeout_s: float = 15.0) -> SipMessage:
        """Call; the answer holds the far end's key."""
        return self._learn(super().call(timeout_s))

    def change(self) -> SipMessage:
        """Send a re-INVITE with what we are now."""
        return self._learn(self.reinvite())

    def _learn(self, answer: SipMessage) -> SipMessage:
        if answer.status == 200:
            self.keys.answered(answer.body)
        return answer

    def _offer(self) -> str:
        return self.keys.offer(super()._offer())

    def _transmit(self, datagram: bytes) -> None:
        super()._transmit(self.keys.wrap(datagram))

    def _take(self, datagram: bytes, *more: Any) -> None:
        super()._take(self.keys.unwrap(datagram), *more)


def check_baresip_called(
    folder: Path, port: int, number: str, source: str, baresip_port: int, hz: float
) -> None:
    """Call a baresip that takes nothing but RTP/SAVP; each must hear the other's tone.

    Args:
        folder: of baresip's files.
        port: of the service.
        number: that leads to baresip, which is its user part, too.
        source: address of the caller, who speaks in the clear.
        baresip_port: where it listens.
        hz: what baresip sends.
    """
    phone = Baresip(
        folder,
        tone(hz, 20.0),
        listen=f"127.0.0.1:{baresip_port}",
        user=number,
        more=";mediaenc=srtp-mand;answermode=auto",
    )
    phone.start(12)
    phone.wait_ready()
    with talking(ToneCaller(port, number, source=source)) as caller:
        assert caller.hears(hz), phone.output()
        time.sleep(1.0)
    heard = phone.finish(20)
    assert strongest_hz([heard[:8_000]]) == pytest.approx(CALLER_HZ, abs=10)
