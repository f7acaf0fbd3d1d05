from __future__ import annotations

import threading
import time

import pytest

from tests.harness.outside_phone import OutsidePhone
from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = pytest.mark.integration


def test_three_callers_are_answered_the_fourth_is_refused_and_slots_come_back(
    service: Service, phones: Dial
) -> None:
    """503 with Retry-After for the fourth; after the hang-ups three more are taken at once."""
    callers = [phones(service) for _ in range(3)]
    assert [each.call().status for each in callers] == [200, 200, 200]
    refused = phones(service).call()
    assert refused.status == 503
    assert int(refused.header("retry-after").split()[0]) > 0
    assert all(each.wait_quiet() for each in callers)
    answers: dict[int, float | None] = {}

    def ask(index: int, phone: OutsidePhone) -> None:
        answers[index] = phone.ask(speech("What are your opening hours?"), 40)

    threads = [threading.Thread(target=ask, args=each) for each in enumerate(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert None not in answers.values(), answers
    assert len(answers) == 3
    for phone in callers:
        phone.hang_up()
    time.sleep(1)
    again = [phones(service) for _ in range(3)]
    assert [each.call().status for each in again] == [200, 200, 200]


@pytest.mark.timeout(240)
def test_calls_in_a_row_leave_nothing_behind(service: Service, phones: Dial) -> None:
    """Descriptors, memory and slots are after 25 calls where they were after 5."""
    _calls(service, phones, 5)
    # a closed RTP port is drained for a while before its descriptors go
    time.sleep(1)
    before = service.usage()
    _calls(service, phones, 20)
    deadline = time.monotonic() + 45
    while service.usage().descriptors > before.descriptors + 2 and time.monotonic() < deadline:
        time.sleep(1)
    after = service.usage()
    assert after.descriptors <= before.descriptors + 2, (before, after)
    assert after.resident_mb <= before.resident_mb * 1.05 + 30, (before, after)
    status = service.status()
    assert status["ready"]
    assert status["calls"] == []
    assert all(each["legs"] == 0 for each in status["workers"])


def _calls(service: Service, phones: Dial, count: int) -> None:
    for _ in range(count):
        phone = phones(service)
        assert phone.call().status == 200
        assert phone.greeting_ms() is not None
        phone.hang_up()
