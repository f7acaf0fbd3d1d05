from __future__ import annotations

import time

import pytest

from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = pytest.mark.soak


@pytest.mark.timeout(1_800)
def test_two_hundred_calls_leave_the_service_where_it_was(service: Service, phones: Dial) -> None:
    """Memory, descriptors and slots after 200 calls are those after 20."""
    before = None
    for number in range(200):
        phone = phones(service)
        assert phone.call().status == 200, f"call {number}\n{service.log_tail()}"
        assert phone.greeting_ms() is not None
        phone.hang_up()
        time.sleep(0.3)  # a closed port drains for 30 s: 100 port pairs carry 3 calls a second
        if number == 19:
            time.sleep(35)  # the drained ports of the first calls are gone
            before = service.usage()
    time.sleep(35)
    after = service.usage()
    assert before is not None
    assert after.descriptors <= before.descriptors + 2, (before, after)
    assert after.resident_mb <= before.resident_mb * 1.05 + 30, (before, after)
    assert service.status()["calls"] == []


@pytest.mark.timeout(2_400)
def test_a_call_of_half_an_hour_stays_up(service: Service, phones: Dial) -> None:
    """A question every 25 s for 29 minutes is answered each time."""
    phone = phones(service)
    assert phone.call().status == 200
    assert phone.wait_quiet()
    began = time.monotonic()
    asked = answered = 0
    while time.monotonic() - began < 29 * 60:
        asked += 1
        answered += phone.ask(speech("What are your opening hours?"), 20) is not None
        phone.wait_quiet()
        time.sleep(max(0.0, began + asked * 25 - time.monotonic()))
        assert not phone.ended_by_far_end, f"ended after {time.monotonic() - began:.0f} s"
    assert answered >= asked * 0.98
    assert phone.largest_gap_ms() < 1_000
