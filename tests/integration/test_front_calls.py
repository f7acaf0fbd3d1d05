from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.front_caller import ask, caller, many
from tests.harness.front_load import short_calls
from tests.harness.fronted import SLOTS, TRUNK_ADDRESS, FrontedService
from tests.harness.outside_sip import OutsideDialog, SipMessage

pytestmark = pytest.mark.integration

CALLS = 12


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontedService]:
    """Provide one service behind Kamailio for twelve callers."""
    service = FrontedService(tmp_path_factory.mktemp("fronted"), CALLS)
    with service.serving():
        yield service


@pytest.fixture(autouse=True)
def level(fronted: FrontedService) -> Iterator[None]:
    """Every test begins and ends with all slots free."""
    fronted.wait_level()
    yield
    fronted.wait_level()


def all_at_once(callers: list[OutsideDialog]) -> list[SipMessage]:
    """Call with all of them in the same moment."""
    answers: list[SipMessage | None] = [None] * len(callers)

    def call(index: int) -> None:
        answers[index] = callers[index].invite(20)

    threads = [threading.Thread(target=call, args=(each,)) for each in range(len(callers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [each for each in answers if each is not None]


def test_twelve_at_once_fill_three_workers_and_the_thirteenth_is_told_to_come_back(
    fronted: FrontedService,
) -> None:
    """200 for twelve in the same moment, 503 with Retry-After for one more, at once."""
    with many(CALLS, fronted.port) as callers:
        answers = all_at_once(callers)
        assert [each.status for each in answers] == [200] * CALLS
        assert fronted.legs() == [SLOTS] * (CALLS // SLOTS)
        one_more = caller(fronted.port)
        began = time.monotonic()
        refused = one_more.invite()
        assert time.monotonic() - began < 0.5
        assert refused.status == 503
        assert refused.header("retry-after") == "7"
        record = fronted.record(one_more.call_id)
        assert (record["sip_status"], record["reason"]) == (503, "full")
        assert record["trunk"] == "carrier"
        one_more.close()
        assert ask("OPTIONS", fronted.port, TRUNK_ADDRESS).status == 200
        callers[0].bye()
        time.sleep(0.2)
        again = caller(fronted.port)
        assert again.invite().status == 200
        again.bye()
        again.close()
        callers[0].remote_tag = ""


def test_twenty_at_once_get_twelve_answers_and_eight_refusals(fronted: FrontedService) -> None:
    """No call is lost between the workers, and none gets busy or a time-out."""
    with many(20, fronted.port) as callers:
        answers = all_at_once(callers)
        statuses = sorted(each.status for each in answers)
        assert statuses == [200] * CALLS + [503] * 8
        assert all(each.header("retry-after") for each in answers if each.status == 503)


def test_calls_spread_evenly(fronted: FrontedService) -> None:
    """Each of three calls in a row goes to another worker."""
    with many(3, fronted.port) as callers:
        for each in callers:
            assert each.invite().status == 200
        assert fronted.legs() == [1, 1, 1]


def test_the_true_source_reaches_the_record_and_headers_of_ours_do_not_come_in(
    fronted: FrontedService,
) -> None:
    """The trunk is recognised by the caller's address, not by Kamailio's or by what he claims."""
    with many(1, fronted.port) as (one,):
        forged = "X-Cordboard-Source: 203.0.113.9:5060;transport=udp\r\nX-Cordboard-Identity: a"
        plain = one._request
        one._request = lambda *given: plain(*given).replace(  # type: ignore[method-assign]
            "User-Agent: outside", f"User-Agent: outside\r\n{forged}"
        )
        assert one.invite().status == 200
        offered = fronted.log_text().rpartition('"event": "call_offered"')
        line = offered[0].rpartition("\n")[2] + offered[2].partition("\n")[0]
        assert f'"source": "{TRUNK_ADDRESS}:{one.port}"' in line
        assert '"trunk": "carrier"' in line


def test_nothing_of_ours_leaves_with_an_answer(fronted: FrontedService) -> None:
    """The Contact is the front's, and no header of ours is in any response."""
    with many(1, fronted.port) as (one,):
        answer = one.invite()
        assert f"@127.0.0.1:{fronted.port}" in answer.header("contact")
        assert not any(name.startswith("x-cordboard") for each in one.messages
                       for name, _ in each.headers)  # fmt: skip


def test_a_call_without_route_set_still_finds_its_worker(fronted: FrontedService) -> None:
    """BYE by Contact alone, as carriers send it that ignore Record-Route."""
    with many(1, fronted.port) as (one,):
        assert one.invite().status == 200
        one._route_set = []
        assert one.bye().status == 200
        one.remote_tag = ""


def test_requests_of_unknown_calls_get_481(fronted: FrontedService) -> None:
    """An outsider cannot reach anybody through the front by pretending to be in a call."""
    for user in ("w0", "w77", "100"):
        one = caller(fronted.port, number=user)
        one.remote_tag = "forged"
        one.remote_target = f"sip:{user}@127.0.0.1:{fronted.port}"
        assert one.in_dialog("BYE").status == 481
        one.remote_target = "sip:100@127.0.0.1:28198"
        one._route_set = [f"<sip:127.0.0.1:{fronted.port};lr>"]
        assert one.in_dialog("BYE").status == 481
        one.close()


def test_a_cancelled_call_frees_its_slot_at_once(fronted: FrontedService) -> None:
    """Fifty calls cancelled in a row; afterwards twelve at once are taken."""
    for _ in range(50):
        one = caller(fronted.port)
        thread = threading.Thread(target=one.invite)
        thread.start()
        one.wait_for(lambda each: each.status >= 100, 5)
        one.cancel()
        thread.join()
        final = [each.status for each in one.messages if each.method == "INVITE"][-1]
        if final == 200:  # the answer was quicker than the CANCEL
            one.bye()
        else:
            assert final == 487
        one.close()
    fronted.wait_level()
    with many(CALLS, fronted.port) as callers:
        assert [each.status for each in all_at_once(callers)] == [200] * CALLS


def test_offers_without_a_codec_of_ours_cost_no_slot(fronted: FrontedService) -> None:
    """A refused call gives its slot back in the front's books at once, not a second later."""
    with many(CALLS * 2, fronted.port) as callers:
        for each in callers[:CALLS]:
            assert each.invite(sdp=each.sdp().replace("AVP 0", "AVP 9")).status == 488
        refused = time.monotonic()
        for each in callers[CALLS:]:
            while (status := each.invite().status) == 503 and time.monotonic() - refused < 0.8:
                time.sleep(0.02)
            assert status == 200


@pytest.mark.timeout(240)
def test_all_slots_are_level_after_many_calls(fronted: FrontedService, tmp_path: Path) -> None:
    """Nine at once, one after the other: each is answered and none leaves anything behind."""
    done = short_calls(tmp_path, fronted.port, 150)
    assert done.returncode == 0, done.stdout[-3_000:] + fronted.log_tail()
    fronted.wait_level()
    assert all(each["starts"] == 1 for each in fronted.status()["workers"])


def test_a_killed_worker_costs_its_own_calls_only(fronted: FrontedService) -> None:
    """Its callers get BYE, the others go on, new calls are taken before and after its return."""
    with many(6, fronted.port) as callers:
        assert [each.invite().status for each in callers] == [200] * 6
        os.kill(fronted.worker_pid(1), signal.SIGKILL)
        began = time.monotonic()
        with many(2, fronted.port) as others:
            assert [each.invite().status for each in others] == [200, 200]
            assert time.monotonic() - began < 6
        deadline = time.monotonic() + 5
        while sum(each.ended_by_far_end for each in callers) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [each.ended_by_far_end for each in callers] == [False, True, False] * 2
        for each in callers:
            if not each.ended_by_far_end:
                assert each.bye().status == 200
                each.remote_tag = ""
    fronted.wait(lambda status: status["limit"] == CALLS)
    with many(CALLS, fronted.port) as callers:
        assert [each.status for each in all_at_once(callers)] == [200] * CALLS


def test_a_reload_changes_trunks_at_the_front_and_costs_no_call(fronted: FrontedService) -> None:
    """A carrier's new address is known without a restart; a call in progress goes on."""
    new = "127.0.0.77"
    before = ask("OPTIONS", fronted.port, new)
    assert before is not None
    assert before.status == 403
    with many(1, fronted.port) as (one,):
        assert one.invite().status == 200
        pid = fronted.process_pid("front")
        text = fronted.config.read_text()
        fronted.config.write_text(text.replace(TRUNK_ADDRESS, f"{TRUNK_ADDRESS}, {new}"))
        done = fronted.command("reload")
        assert done.returncode == 0, done.stdout + done.stderr
        time.sleep(0.3)
        after = ask("OPTIONS", fronted.port, new)
        assert after is not None
        assert after.status == 200
        assert fronted.process_pid("front") == pid
        assert not one.ended_by_far_end
        assert one.bye().status == 200
        one.remote_tag = ""
        with many(1, fronted.port, new) as (two,):
            assert two.invite().status == 200


def test_a_hung_worker_is_passed_over(fronted: FrontedService) -> None:
    """An INVITE to a worker that does not answer is another's after two seconds."""
    pid = fronted.worker_pid(0)
    os.kill(pid, signal.SIGSTOP)
    try:
        with many(1, fronted.port) as (one,):
            began = time.monotonic()
            assert one.invite().status == 200
            assert time.monotonic() - began < 5
    finally:
        fronted.wait(lambda status: status["workers"][0]["pid"] not in (0, pid))
    fronted.wait(lambda status: status["limit"] == CALLS)


def test_a_drained_worker_keeps_its_calls_and_takes_no_more(fronted: FrontedService) -> None:
    """Its calls end in their own time, new ones go elsewhere, and it comes back."""
    with many(3, fronted.port) as (first, second, third):
        assert [each.invite().status for each in (first, second, third)] == [200] * 3
        done = fronted.command("drain", "1")
        assert done.returncode == 0, done.stderr
        assert "1 in progress" in done.stdout
        with many(9, fronted.port) as more:
            statuses = [each.invite().status for each in more]
            assert statuses == [200] * 6 + [503] * 3
            assert fronted.legs() == [4, 1, 4]
        assert not second.ended_by_far_end
        assert second.in_dialog("OPTIONS").status == 200
        assert second.bye().status == 200
        second.remote_tag = ""
        done = fronted.command("drain", "1", "--wait", "5")
        assert done.returncode == 0
        assert fronted.command("undrain", "1").returncode == 0
        assert second is not None
        with many(1, fronted.port) as (again,):
            assert again.invite().status == 200
            assert fronted.legs()[1] == 1
    assert fronted.command("drain", "9").returncode == 1


def test_calls_outlive_kamailio(fronted: FrontedService) -> None:
    """Killed, it is back within five seconds; calls that were up go on and end as they should."""
    with many(3, fronted.port) as callers:
        assert [each.invite().status for each in callers] == [200] * 3
        before = fronted.process_pid("front")
        os.kill(before, signal.SIGKILL)
        began = time.monotonic()
        fronted.wait(
            lambda status: any(
                each["role"] == "front" and each["up"] and each["pid"] not in (0, before)
                for each in status["processes"]
            )
        )
        assert time.monotonic() - began < 5
        with many(CALLS - 3, fronted.port) as more:
            assert [each.status for each in all_at_once(more)] == [200] * (CALLS - 3)
            assert fronted.legs() == [4, 4, 4]
        assert not any(each.ended_by_far_end for each in callers)


def test_without_control_calls_are_refused_at_once_and_taken_again_soon(
    fronted: FrontedService,
) -> None:
    """Control killed: callers get BYE, later ones 503 with Retry-After instead of a time-out."""
    with many(2, fronted.port) as callers:
        assert [each.invite().status for each in callers] == [200] * 2
        os.kill(fronted.process_pid("edge"), signal.SIGKILL)
        deadline = time.monotonic() + 4
        while not all(each.ended_by_far_end for each in callers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert all(each.ended_by_far_end for each in callers)
    fronted.wait(lambda status: status["limit"] == CALLS, 15)
    with many(CALLS, fronted.port) as callers:
        assert [each.status for each in all_at_once(callers)] == [200] * CALLS
