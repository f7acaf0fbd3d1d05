from __future__ import annotations

import time

import pytest

from tests.harness.outside_phone import MS, OutsidePhone
from tests.harness.service import Service
from tests.integration.conftest import Dial

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

RECOVERY_S = 10
LOADING_S = 15
"""The same, with slack for the agent process: it loads its models while other things run."""


def _up(service: Service, phones: Dial) -> OutsidePhone:
    phone = phones(service)
    assert phone.call().status == 200, service.log_tail()
    assert phone.greeting_ms() is not None
    return phone


def _new_call_within(service: Service, phones: Dial, seconds: float) -> float:
    """Return how long after now a new call is answered and greeted."""
    began = time.monotonic()
    while time.monotonic() - began < seconds + 30:
        phone = phones(service)
        try:
            if phone.call(5).status == 200 and phone.greeting_ms(3) is not None:
                phone.hang_up()
                return time.monotonic() - began
        except TimeoutError:
            pass
        phone.close()
        time.sleep(0.25)
    raise AssertionError(f"no call was answered again\n{service.log_tail()}")


def _released(phone: OutsidePhone) -> bool:
    """Say whether the caller heard BYE, or silence at least (no RTP for half a second)."""
    last_ns = max(each.at_ns for each in phone.heard)
    return phone.ended_by_far_end or time.monotonic_ns() - last_ns > 500 * MS


def test_a_killed_worker_takes_only_its_own_calls(fragile_service: Service, phones: Dial) -> None:
    """The record says worker_lost, media stops within 4 s, new calls work within 10 s."""
    phone = _up(fragile_service, phones)
    fragile_service.kill("worker")
    killed = time.monotonic()
    recovery_s = _new_call_within(fragile_service, phones, RECOVERY_S)
    assert recovery_s < RECOVERY_S
    while not _released(phone) and time.monotonic() - killed < 6:
        time.sleep(0.1)
    assert _released(phone)
    assert fragile_service.record(phone.dialog.call_id)["reason"] == "worker_lost"


def test_a_killed_agent_leaves_no_silent_call(fragile_service: Service, phones: Dial) -> None:
    """The caller hears an apology, then BYE; agent_lost in the record, new calls within 10 s."""
    phone = _up(fragile_service, phones)
    phone.wait_quiet()
    before_ns = time.monotonic_ns()
    fragile_service.kill("agent")
    killed = time.monotonic()
    assert phone.wait_speech(before_ns, 8) is not None, "no apology was heard"
    _new_call_within(fragile_service, phones, LOADING_S)
    recovery_s = time.monotonic() - killed
    assert phone.wait_ended(15)
    phone.close()
    assert fragile_service.record(phone.dialog.call_id)["reason"] == "agent_lost"
    print(f"first call answered and greeted {recovery_s:.1f} s after the kill")
    assert recovery_s < LOADING_S


def test_killed_media_releases_its_calls(fragile_service: Service, phones: Dial) -> None:
    """BYE within 4 s, media_lost in the record, new calls within 10 s."""
    fragile_service.wait_ready(60)
    phone = _up(fragile_service, phones)
    fragile_service.kill("media")
    assert phone.wait_ended(4)
    phone.close()
    assert fragile_service.record(phone.dialog.call_id)["reason"] == "media_lost"
    assert _new_call_within(fragile_service, phones, RECOVERY_S) < RECOVERY_S


def test_a_killed_control_process_frees_its_callers(fragile_service: Service, phones: Dial) -> None:
    """Workers send BYE within 2 s (a second of grace for the test), the record is closed anew."""
    fragile_service.wait_ready(60)
    phone = _up(fragile_service, phones)
    fragile_service.kill("edge")
    assert phone.wait_ended(3)
    phone.close()
    assert _new_call_within(fragile_service, phones, RECOVERY_S) < RECOVERY_S
    assert fragile_service.record(phone.dialog.call_id)["reason"] == "control_lost"
