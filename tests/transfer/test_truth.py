"""What may be true of an attempt follows from causes, not from the script."""

import dataclasses

import pytest

from tests.transfer.rtp import Rtp
from tests.transfer.truth import NEVER, Patience, S, Story, check

pytestmark = pytest.mark.unit

PATIENCE = Patience(3.0, 2.0)
RUNG = Story(100 * S)
ANSWERED = dataclasses.replace(RUNG, answered_ns=101 * S)


def true(story: Story, left_s: float | None = None, deaths: tuple[int, ...] = (), **more: float):
    """Return what may be true of a story; times in seconds."""
    times = {f"{name}_ns": int(at * S) for name, at in more.items()}
    left_ns = NEVER if left_s is None else int(left_s * S)
    return dataclasses.replace(story, **times).outcomes(left_ns, PATIENCE, deaths)


def test_one_cause_is_one_truth() -> None:
    """A refusal, a key, a hang-up or a caller who leaves: nothing else can be said of it."""
    assert true(dataclasses.replace(RUNG, status=486), refused=101, closed=101.1) == {"busy"}
    assert true(RUNG, 101, closed=101.2) == {"caller_left"}
    assert true(ANSWERED, declined=101.5, closed=101.8) == {"declined"}
    assert true(ANSWERED, hung_up=101.5, closed=101.6) == {"agent_hung_up_in_whisper"}
    assert true(dataclasses.replace(ANSWERED, met=True), 105, closed=105.1) == {"connected"}


def test_time_outs_need_their_time() -> None:
    """Silence is no answer after the ring time, and no key is a time-out after the key's."""
    assert true(RUNG, closed=103.1) == {"no_answer"}
    assert true(RUNG, closed=102.9) == set()
    assert true(ANSWERED, closed=103.1) == {"timed_out"}
    assert true(ANSWERED, closed=102.9) == set()


def test_what_crosses_may_both_be_true() -> None:
    """A caller who hangs up after the key and before the BYE: nobody on the wire knows."""
    assert true(ANSWERED, 101.6, declined=101.5, closed=101.8) == {"declined", "caller_left"}
    assert true(ANSWERED, 101.9, declined=101.5, closed=101.8) == {"declined"}


def test_who_was_heard_by_the_person_only_may_have_been_connected() -> None:
    """The join was there, the person's voice was not: lost then, it is both."""
    heard = dataclasses.replace(ANSWERED, overheard=True)
    lost = true(heard, accepted=101.5, closed=101.7, deaths=(int(101.6 * S),))
    assert lost == {"connected", "failed"}
    assert true(dataclasses.replace(heard, met=True), closed=101.7) == {"connected"}


def test_a_tone_that_stops_may_be_a_beep() -> None:
    """A phone that sent nothing for a while sounded like a mailbox; one that went on did not."""
    assert true(dataclasses.replace(ANSWERED, beeped=True), closed=102) == {"voicemail"}
    rtp = Rtp("cleo")
    rtp.sent_ns.extend((101 * S, 101 * S + S // 50, 102 * S))
    assert rtp.paused(101 * S, 102 * S, S // 4)
    assert not rtp.paused(101 * S, 102 * S, S)
    assert not rtp.paused(102 * S, 102 * S + S // 50, S // 4)
    assert not rtp.paused(0, 101 * S, S // 4)


def test_a_death_may_fail_what_it_touched() -> None:
    """Before, and long after, it is no excuse."""
    assert true(ANSWERED, closed=101.5, deaths=(int(101.2 * S),)) == {"failed"}
    assert true(ANSWERED, closed=101.5, deaths=(102 * S, 80 * S)) == set()


def test_wrong_records_are_found() -> None:
    """A false label, a missing attempt and one too many are told apart from the truth."""
    busy = dataclasses.replace(RUNG, status=486, refused_ns=101 * S, closed_ns=102 * S)

    def found(*outcomes: tuple[str, str]) -> str:
        return check(outcomes, {"ann": busy}, NEVER, PATIENCE, ())[0]

    assert found(("ann", "busy")) == ""
    assert "no_answer is none of ['busy']" in found(("ann", "no_answer"))
    assert "ann was rung and is not recorded" in found()
    assert "failed is none of []" in found(("ann", "busy"), ("bob", "failed"))
