"""A caller with a number to dial, headers of its own, and an ear for tones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.edge.trunks.carrier import strongest_hz
from tests.harness.outside_phone import OutsidePhone
from tests.harness.outside_sip import Dialled, OutsideDialog, SipMessage


class HeaderDialog(OutsideDialog):
    """A dialog whose INVITE carries more headers."""

    more: tuple[str, ...] = ()

    def _request(self, method: str, target: str, cseq: int, branch: str, body: str = "") -> str:
        text = super()._request(method, target, cseq, branch, body)
        if method == "INFO":
            return text.replace("application/sdp", "application/dtmf-relay")
        if method != "INVITE" or not self.more:
            return text
        start, _, rest = text.partition("\r\n")
        return "\r\n".join([start, *self.more, rest])


class Caller(OutsidePhone):
    """One caller.

    Args:
        port: of the service.
        number: dialled.
        headers: whole lines that go into the INVITE.
        source: local address.
    """

    def __init__(
        self,
        port: int,
        number: str = "100",
        headers: tuple[str, ...] = (),
        source: str = "127.0.0.1",
        caller: str = "+4930111",
        **options: Any,
    ) -> None:
        super().__init__("127.0.0.1", port, caller=caller, **options)
        self.dialog.close()
        dialled = Dialled("127.0.0.1", port, number, caller, source)
        self.dialog = HeaderDialog(dialled, self._offer, on_bye=self._stop_rtp)
        self.dialog.more = headers

    def statuses(self) -> list[int]:
        """Return the statuses of the INVITE's answers, in order."""
        return [each.status for each in self.dialog.messages if each.method == "INVITE"]

    def hears(self, hz: int, timeout_s: float = 3.0) -> bool:
        """Say whether a tone of this frequency comes."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            frames = [self.audio[key] for key in sorted(self.audio)[-25:]]
            if len(frames) == 25 and strongest_hz(frames) in range(hz - 15, hz + 16):
                return True
            time.sleep(0.05)
        return False

    def wait_status(self, status: int, timeout_s: float = 5.0) -> SipMessage | None:
        """Wait for an answer to the INVITE."""
        return self.dialog.wait_for(
            lambda each: each.status == status and each.method == "INVITE", timeout_s
        )


@contextmanager
def calling(port: int, number: str = "100", **options: Any) -> Iterator[Caller]:
    """Place a caller who is gone at the end."""
    caller = Caller(port, number, **options)
    try:
        yield caller
    finally:
        try:
            caller.hang_up()
        except TimeoutError:
            caller.close()
