"""What we do in calls out, driving the UA worker in control's place."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge import sdp
from edge.ua.messages import (
    EndedBy,
    UaCommandFailed,
    UaConfirmed,
    UaDigit,
    UaDisconnected,
    UaHangup,
    UaHold,
    UaNegotiated,
    UaProgress,
    UaRefer,
    UaReferred,
    UaReinvite,
    UaTransferStatus,
)
from tests.edge.ua.ua_peer import WorkerProcess

Script = Callable[[WorkerProcess, int], None]
"""Gets the worker and the leg that was dialled."""
MOVED_PORT = 31_702


def hang_up(worker: WorkerProcess, leg: int) -> None:
    """End the call."""
    worker.send(UaHangup(leg, headers={"Reason": "Q.850;cause=16"}))
    ended = worker.wait(UaDisconnected, where=lambda each: each.leg == leg)
    assert ended.by is EndedBy.LOCAL


def answered(worker: WorkerProcess, leg: int) -> UaNegotiated:
    """Wait for the answer; return what was agreed."""
    worker.wait(UaConfirmed, where=lambda each: each.leg == leg)
    return _round(worker, leg, 1)


def _round(worker: WorkerProcess, leg: int, number: int, timeout_s: float = 6.0) -> UaNegotiated:
    agreed = worker.wait(
        UaNegotiated, timeout_s, lambda each: each.leg == leg and each.generation == number
    )
    sdp.agreed(agreed.local_sdp, agreed.remote_sdp)
    return agreed


def _idle(worker: WorkerProcess, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        worker.pump()


def talk(worker: WorkerProcess, leg: int) -> None:
    """Be answered, then end the call."""
    answered(worker, leg)
    _idle(worker, 0.1)
    hang_up(worker, leg)


def talk_a_while(worker: WorkerProcess, leg: int) -> None:
    """Give the called side time for its own requests."""
    answered(worker, leg)
    _idle(worker, 0.5)
    hang_up(worker, leg)


talk_after_update = talk_a_while


def outlast_timer(worker: WorkerProcess, leg: int) -> None:
    """Stay until half of a session of 90 s is over and its refresh has been answered."""
    answered(worker, leg)
    _idle(worker, 47.0)
    hang_up(worker, leg)


def hear_early_media(worker: WorkerProcess, leg: int) -> None:
    """Get the SDP of a 183 before the answer."""
    progress = worker.wait(UaProgress, where=lambda each: each.leg == leg)
    assert progress.status == 183
    assert sdp.parse(progress.sdp).audio().port
    talk(worker, leg)


def wait_for_their_end(worker: WorkerProcess, leg: int) -> None:
    """Be answered, then be hung up on."""
    answered(worker, leg)
    ended = worker.wait(UaDisconnected, where=lambda each: each.leg == leg)
    assert (ended.by, ended.sip_status) == (EndedBy.REMOTE, 200)


def wait_for_any_end(worker: WorkerProcess, leg: int) -> None:
    """Wait until the worker ends a call that cannot go on."""
    worker.wait(UaDisconnected, where=lambda each: each.leg == leg)


def refused(status: int) -> Script:
    """Be refused with a status."""

    def script(worker: WorkerProcess, leg: int) -> None:
        ended = worker.wait(UaDisconnected, where=lambda each: each.leg == leg)
        assert (ended.sip_status, ended.by) == (status, EndedBy.REMOTE), ended

    return script


def give_up(worker: WorkerProcess, leg: int) -> None:
    """Cancel while it rings."""
    worker.wait(UaProgress, where=lambda each: each.leg == leg)
    hang_up(worker, leg)


def hold_and_resume(worker: WorkerProcess, leg: int) -> None:
    """Put on hold, take off."""
    answered(worker, leg)
    worker.send(UaHold(leg, True))
    held = _round(worker, leg, 2)
    assert "a=sendonly" in held.local_sdp
    worker.send(UaHold(leg, False))
    resumed = _round(worker, leg, 3)
    assert "a=sendrecv" in resumed.local_sdp
    hang_up(worker, leg)


def hold_once(worker: WorkerProcess, leg: int) -> None:
    """Put on hold, whatever it takes."""
    answered(worker, leg)
    worker.send(UaHold(leg, True))
    held = _round(worker, leg, 2, 8.0)
    assert "a=sendonly" in held.local_sdp
    hang_up(worker, leg)


def fail_to_hold(worker: WorkerProcess, leg: int) -> None:
    """Be refused a hold; the call goes on."""
    answered(worker, leg)
    worker.send(UaHold(leg, True))
    failed = worker.wait(UaCommandFailed, where=lambda each: each.leg == leg)
    assert "488" in failed.reason
    hang_up(worker, leg)


def hold_gone(worker: WorkerProcess, leg: int) -> None:
    """Ask for a hold in a dialog that the far end has lost."""
    answered(worker, leg)
    worker.send(UaHold(leg, True))
    worker.wait(UaDisconnected, where=lambda each: each.leg == leg)


def move_media(worker: WorkerProcess, leg: int) -> None:
    """Offer another port and codec."""
    answered(worker, leg)
    worker.send(UaReinvite(leg, "127.0.0.1", MOVED_PORT, ("PCMA",)))
    moved = _round(worker, leg, 2)
    assert sdp.agreed(moved.local_sdp, moved.remote_sdp).codec == "PCMA"
    hang_up(worker, leg)


def hear_rounds(rounds: int) -> Script:
    """Follow the called side's offers."""

    def script(worker: WorkerProcess, leg: int) -> None:
        answered(worker, leg)
        for number in range(2, rounds + 1):
            _round(worker, leg, number)
        _idle(worker, 0.2)
        hang_up(worker, leg)

    return script


def hear_digit(digit: str) -> Script:
    """Get a digit by INFO."""

    def script(worker: WorkerProcess, leg: int) -> None:
        answered(worker, leg)
        assert worker.wait(UaDigit, where=lambda each: each.leg == leg).digit == digit
        _idle(worker, 0.1)
        hang_up(worker, leg)

    return script


def transfer(final: int) -> Script:
    """Send REFER and be told how it went."""

    def script(worker: WorkerProcess, leg: int) -> None:
        answered(worker, leg)
        worker.send(UaRefer(leg, "<sip:+4930555@127.0.0.1>"))
        status = worker.wait(UaTransferStatus, where=lambda each: each.leg == leg and each.final)
        assert status.status == final
        hang_up(worker, leg)

    return script


def be_asked_to_refer(worker: WorkerProcess, leg: int) -> None:
    """Be told of a REFER that was declined."""
    answered(worker, leg)
    asked = worker.wait(UaReferred, where=lambda each: each.leg == leg)
    assert asked.refer_to == "sip:+4930999@192.0.2.1"
    _idle(worker, 0.2)
    hang_up(worker, leg)
