from __future__ import annotations

import pytest

from tests.harness.outside_phone import Damage
from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = pytest.mark.integration


def test_a_conversation_survives_loss_and_jitter(service: Service, phones: Dial) -> None:
    """5 % random loss and 40 ms jitter: every question is answered, the record tells the damage."""
    phone = phones(service, damage=Damage(loss_ratio=0.05, jitter_ms=40, seed=7))
    assert phone.call().status == 200
    assert phone.wait_quiet()
    for question in ("What are your opening hours?", "How long is the warranty?"):
        assert phone.ask(speech(question), 25) is not None
        assert phone.wait_quiet()
    phone.hang_up()
    record = service.record(phone.dialog.call_id)
    assert 0.02 < record["loss_ratio"] < 0.09
    assert record["jitter_ms"] > 5
    assert record["mos"] < 4.3
