from __future__ import annotations

import json

import pytest

from tests.harness.outside_phone import median
from tests.harness.service import Service, cordboard
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = pytest.mark.integration

QUESTIONS = (
    "How long does the battery last?",
    "What are your opening hours?",
    "How do I reset the camera?",
    "Does it work with five gigahertz wifi?",
    "How long is the warranty?",
    "Can I get a refund?",
    "Are you open on Saturday?",
    "How do I charge the battery?",
    "My doorbell is offline. What can I do?",
    "How do I connect it to the wifi?",
)
AGREEMENT_MS = 60


@pytest.mark.timeout(420)
def test_every_question_of_ten_is_answered_and_the_record_agrees(
    service: Service, phones: Dial
) -> None:
    """Ten turns, ten spoken answers; each response time in the record is the outside one ±60 ms."""
    phone = phones(service)
    assert phone.call().status == 200
    assert phone.wait_quiet()
    measured: list[float] = []
    for question in QUESTIONS:
        response_ms = phone.ask(speech(question), 20)
        assert response_ms is not None, f"no answer to {question!r}; so far {measured}"
        measured.append(response_ms)
        assert phone.wait_quiet()
    phone.hang_up()
    print(f"response ms: {[round(each) for each in measured]}, median {median(measured):.0f}")
    assert median(measured) < 6_000
    record = service.record(phone.dialog.call_id)
    shown = json.loads(
        cordboard(
            "calls", "--config", str(service.config), "--json", "show", record["call_id"]
        ).stdout
    )
    turns = shown["turns"]
    told: list[int | None] = []
    for before, turn in zip(turns, turns[1:], strict=False):
        if before["speaker"] == "caller" and turn["speaker"] == "agent":
            told.append(turn["response_ms"])
    assert len(told) == len(QUESTIONS), turns
    for outside_ms, inside_ms in zip(measured, told, strict=True):
        assert inside_ms is not None, turns
        assert inside_ms == pytest.approx(outside_ms, abs=AGREEMENT_MS), (measured, told)
