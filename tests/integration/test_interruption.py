from __future__ import annotations

import pytest

from tests.harness.outside_phone import median
from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = pytest.mark.integration


def test_an_interruption_stops_the_agent_and_is_answered(service: Service, phones: Dial) -> None:
    """The agent yields within a second (the bench is stricter) and answers what was said."""
    phone = phones(service)
    assert phone.call().status == 200
    assert phone.wait_quiet()
    yielded: list[float] = []
    for question, interruption in (
        ("How long does the battery last?", "Sorry, what are your opening hours?"),
        ("How do I reset the camera?", "Wait, how long is the warranty?"),
    ):
        said = phone.say(speech(question))
        answer = phone.wait_speech(said.last_ns, 20)
        assert answer is not None
        assert phone.wait_talking(900), "no answer of a second: nothing to interrupt"
        barge_in_ms, interrupting = phone.interrupt(speech(interruption))
        assert barge_in_ms is not None, "the agent had finished before it was interrupted"
        yielded.append(barge_in_ms)
        assert phone.wait_speech(interrupting.last_ns, 20) is not None
        assert phone.wait_quiet()
    phone.hang_up()
    print(f"barge-in ms: {[round(each) for each in yielded]}")
    assert median(yielded) < 1_000
    turns = service.record(phone.dialog.call_id)["turns"]
    interrupted = [each for each in turns if each["interrupted"]]
    assert len(interrupted) >= 2, turns
    answers = " ".join(each["text"] for each in turns if each["speaker"] == "agent").lower()
    assert "open" in answers
