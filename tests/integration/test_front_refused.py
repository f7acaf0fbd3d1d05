from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from media.config.load import load_config
from tests.harness.call_records import call_records
from tests.harness.front_caller import caller, many
from tests.harness.fronted import SLOTS, TRUNK_ADDRESS, FrontedService
from tests.harness.kamailio_rpc import tell_kamailio
from tests.harness.outside_sip import OutsideDialog

pytestmark = pytest.mark.integration

ROUNDS_S = 1.5
"""Longer than Kamailio's notes wait to be read."""
LONG = "u" * 1_000
CALLS = 2 * SLOTS
WRITTEN = [
    ("q\"';--{}\\,:<>()", "a'b;c=d", "100';x=y"),
    ("jürgen-北京", "j%C3%BCrgen", "100"),
    ("i" * 900, LONG, LONG),
    ("$(var(x))$sht(a=>b)%s", "$fU", "$rU"),
]
"""Call-ID, user part of the caller, number."""


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontedService]:
    """Provide one service behind Kamailio with two workers."""
    service = FrontedService(tmp_path_factory.mktemp("refused"), CALLS)
    with service.serving():
        yield service


@pytest.fixture
def full(fronted: FrontedService) -> Iterator[FrontedService]:
    """All lines are taken."""
    fronted.wait_level()
    with many(CALLS, fronted.port) as callers:
        assert [each.invite().status for each in callers] == [200] * CALLS
        yield fronted
    fronted.wait_level()


def counted(fronted: FrontedService) -> Counter[str]:
    """Return how many records each Call-ID has, once nothing can be on its way any more."""
    time.sleep(ROUNDS_S)
    rows = call_records(fronted.folder / "calls.db")
    return Counter(each["sip_call_id"] for each in rows)


def one_more(fronted: FrontedService) -> OutsideDialog:
    """Return a caller who is one too many."""
    made = caller(fronted.port)
    made.dialled.caller = "4930123"
    return made


def test_one_too_many_has_one_record_with_its_trunk(full: FrontedService) -> None:
    """Who called whom, from where, when, and what they were answered."""
    one = one_more(full)
    refused = one.invite()
    assert (refused.status, refused.header("retry-after")) == (503, "7")
    record = full.record(one.call_id)
    assert (record["sip_status"], record["reason"], record["trunk"]) == (503, "full", "carrier")
    assert (record["ended_by"], record["cause"]) == ("system", "all lines are taken")
    assert record["caller"] == f"sip:4930123@{TRUNK_ADDRESS}:{one.port}"
    assert record["called"] == f"sip:100@127.0.0.1:{full.port}"
    assert record["source"] == f"{TRUNK_ADDRESS}:{one.port}"
    assert (record["direction"], record["duration_ms"]) == ("inbound", 0)
    assert counted(full)[one.call_id] == 1
    # the same caller tries again: another call
    assert one.invite().status == 503
    assert counted(full)[one.call_id] == 2
    one.close()


def test_an_invite_that_is_repeated_is_one_call(full: FrontedService) -> None:
    """A caller who has not heard the 503 sends the same again: one answer each, one record."""
    one = one_more(full)
    target = f"sip:100@127.0.0.1:{full.port}"
    invite = one._request("INVITE", target, 1, "z9hG4bKrepeated", one.sdp())
    for count in range(1, 4):
        one._send(invite)
        deadline = time.monotonic() + 5
        while sum(each.status == 503 for each in one.messages) < count:
            assert time.monotonic() < deadline, [each.first_line for each in one.messages]
            time.sleep(0.02)
        time.sleep(1.2 if count == 1 else 0)  # the note has been read by now
    assert counted(full)[one.call_id] == 1
    one.close()


def test_what_a_caller_writes_is_in_the_record_and_nowhere_else(full: FrontedService) -> None:
    """Quotes, semicolons, UTF-8, long URIs and Kamailio's own words; the next one is recorded."""
    for call_id, user, number in WRITTEN:
        one = one_more(full)
        one.call_id, one.dialled.caller, one.dialled.number = call_id, user, number
        assert one.invite().status == 503
        record = full.record(call_id)
        assert record["caller"] == f"sip:{user}@{TRUNK_ADDRESS}:{one.port}"[:1_024]
        assert record["called"] == f"sip:{number}@127.0.0.1:{full.port}"[:1_024]
        assert (record["trunk"], record["reason"]) == ("carrier", "full")
        one.close()
    after = one_more(full)
    assert after.invite().status == 503
    assert full.record(after.call_id)["reason"] == "full"
    after.close()


def mislead(fronted: FrontedService, *places: int) -> None:
    """Have Kamailio believe, until control speaks again, that workers could take more."""
    config = load_config(fronted.config)
    for key, table in (("free", "front"), *((str(place), "free") for place in places)):
        tell_kamailio(config, fronted.folder, "htable.seti", table, key, 9)


def call_misled(fronted: FrontedService, *places: int) -> tuple[OutsideDialog, int]:
    """Call until workers have refused by themselves; return that call and its final answer."""
    for _ in range(10):
        one = one_more(fronted)
        before = fronted.log_text().count("worker_passed_over")
        mislead(fronted, *places)
        status = one.invite().status
        if fronted.log_text().count("worker_passed_over") == before + len(places):
            return one, status
        if status == 200:
            one.bye()
            fronted.wait(lambda now: len(now["calls"]) == CALLS - 1)
        one.close()
    raise AssertionError("control was always quicker")


def test_a_call_that_workers_refused_too_has_one_record(full: FrontedService) -> None:
    """Both workers say that they are full, and only what the caller heard is recorded."""
    one, status = call_misled(full, 0, 1)
    assert status == 503
    record = full.record(one.call_id)
    assert (record["sip_status"], record["reason"], record["trunk"]) == (503, "full", "carrier")
    assert counted(full)[one.call_id] == 1
    one.close()


def test_a_call_that_the_next_worker_took_has_one_record(fronted: FrontedService) -> None:
    """That the first worker had no room is no call of its own."""
    fronted.wait_level()
    with many(CALLS - 1, fronted.port) as callers:
        assert [each.invite().status for each in callers] == [200] * (CALLS - 1)
        one, status = call_misled(fronted, fronted.legs().index(SLOTS))
        assert status == 200
        one.bye()
        assert fronted.record(one.call_id)["reason"] == "caller_hangup"
        assert counted(fronted)[one.call_id] == 1
        one.close()


def test_many_at_once_have_one_record_each(fronted: FrontedService) -> None:
    """More than are read at once; those that were answered have theirs, too."""
    fronted.wait_level()
    with many(80, fronted.port) as callers:
        threads = [threading.Thread(target=each.invite, args=(20,)) for each in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers = {e.call_id: max(m.status for m in e.messages) for e in callers}
        assert sorted(answers.values()) == [200] * CALLS + [503] * (80 - CALLS)
        for call_id in (each for each, status in answers.items() if status == 503):
            assert fronted.record(call_id, 20)["reason"] == "full"
    fronted.wait_level()
    records = counted(fronted)
    assert {call_id: records[call_id] for call_id in answers} == dict.fromkeys(answers, 1)


def test_what_is_refused_while_control_is_away_is_recorded_when_it_is_back(
    fronted: FrontedService,
) -> None:
    """By its own time, with another reason than full."""
    fronted.wait_level()
    one = one_more(fronted)
    pid = fronted.process_pid("edge")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(4)  # the lease runs out
    began = datetime.now(UTC)
    try:
        assert one.invite().status == 503
        answered = datetime.now(UTC)
    finally:
        os.kill(pid, signal.SIGKILL)
    record = fronted.record(one.call_id, 30)
    assert (record["sip_status"], record["reason"]) == (503, "not_ready")
    assert record["cause"] == "the control process was not up"
    offered = datetime.fromisoformat(record["offered_at"])
    assert began - timedelta(seconds=1) < offered < answered + timedelta(seconds=1)
    fronted.wait(lambda status: status["ready"] and status["limit"] == CALLS, 30)
    assert counted(fronted)[one.call_id] == 1
    one.close()


def test_who_gives_up_at_a_hung_worker_is_recorded(fronted: FrontedService) -> None:
    """No worker has heard of the call, so nobody but Kamailio can tell."""
    fronted.wait_level()
    fronted.wait(lambda status: status["limit"] == CALLS, 30)
    pid = fronted.worker_pid(0)
    one = one_more(fronted)
    os.kill(pid, signal.SIGSTOP)
    config = load_config(fronted.config)
    for place, free in (("0", SLOTS), ("1", 0)):
        tell_kamailio(config, fronted.folder, "htable.seti", "free", place, free)
    try:
        thread = threading.Thread(target=one.invite)
        thread.start()
        assert one.wait_for(lambda each: each.status == 100, 5) is not None
        one.cancel()
        thread.join()
    finally:
        with suppress(ProcessLookupError):  # control has seen that it hangs
            os.kill(pid, signal.SIGKILL)
    record = fronted.record(one.call_id)
    assert (record["sip_status"], record["ended_by"]) == (487, "caller")
    assert record["reason"] == "caller_cancelled"
    fronted.wait(lambda status: status["limit"] == CALLS, 30)
    assert counted(fronted)[one.call_id] == 1
    one.close()
