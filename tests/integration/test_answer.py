from __future__ import annotations

import threading
import time

import pytest

from tests.harness.outside_phone import MS, tone
from tests.harness.outside_sip import sdp_audio
from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_a_call_is_answered_and_greeted(service: Service, phones: Dial, codec: str) -> None:
    """180, then 200 within 2 s of the INVITE, a spoken greeting, an unbroken stream, a record."""
    phone = phones(service, codec=codec)
    assert phone.call().status == 200
    statuses = [each.status for each in phone.dialog.messages if each.method == "INVITE"]
    assert 180 in statuses
    assert (phone.dialog.ok_ns - phone.dialog.invited_ns) / MS < 2_000
    greeting_ms = phone.greeting_ms()
    assert greeting_ms is not None
    assert greeting_ms < 1_500
    assert phone.wait_quiet()
    assert phone.largest_gap_ms() < 400
    phone.hang_up()
    record = service.record(phone.dialog.call_id)
    assert record["codec"] == codec
    assert (record["ended_by"], record["reason"]) == ("caller", "caller_hangup")
    assert record["turns"][0]["source"] == "greeting"
    assert record["packets_lost"] == 0


def test_options_are_answered(service: Service, phones: Dial) -> None:
    """A carrier's qualify gets 200."""
    assert phones(service).dialog.outside_dialog("OPTIONS").status == 200


def test_a_caller_who_gives_up_before_the_answer_is_released(
    service: Service, phones: Dial
) -> None:
    """CANCEL gets 200; the INVITE ends with 487, or had been answered already and gets BYE."""
    phone = phones(service)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(phone.dialog.invite()))
    thread.start()
    phone.dialog.wait_for(lambda each: each.status >= 100, 5)
    cancelled = phone.dialog.cancel()
    thread.join(10)
    assert cancelled.status in (200, 481)
    assert answers[0].status in (487, 200)
    if answers[0].status == 200:
        phone.dialog.bye()
    assert service.record(phone.dialog.call_id)["ended_by"] == "caller"


def test_hold_is_answered_and_resume_brings_the_conversation_back(
    service: Service, phones: Dial
) -> None:
    """Sendonly is answered with recvonly or inactive, sendrecv with sendrecv; the agent answers."""
    phone = phones(service)
    assert phone.call().status == 200
    assert phone.wait_quiet()
    held = phone.reinvite("sendonly")
    assert held.status == 200
    assert sdp_audio(held.body)[3] in ("recvonly", "inactive")
    time.sleep(1.0)
    resumed = phone.reinvite("sendrecv")
    assert resumed.status == 200
    assert sdp_audio(resumed.body)[3] == "sendrecv"
    time.sleep(0.5)
    assert phone.ask(speech("What are your opening hours?"), 20) is not None


def test_both_directions_are_recorded(service: Service, phones: Dial) -> None:
    """The recording has the caller left: a tone sent is found there by its frequency."""
    import wave

    import numpy as np

    phone = phones(service)
    assert phone.call().status == 200
    assert phone.wait_quiet()
    phone.say(tone(1_000, 1.0))
    phone.hang_up()
    record = service.record(phone.dialog.call_id)
    with wave.open(record["recording"], "rb") as file:
        assert file.getnchannels() == 2
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    spectrum = np.abs(np.fft.rfft(both[:, 0]))
    assert int(np.argmax(spectrum)) * 8_000 / len(both) == pytest.approx(1_000, abs=20)
    assert np.abs(both[:, 1]).max() > 1_000


def test_a_goodbye_ends_the_call(service: Service, phones: Dial) -> None:
    """The agent says goodbye and hangs up; the record says who ended it."""
    phone = phones(service)
    assert phone.call().status == 200
    assert phone.wait_quiet()
    phone.say(speech("Thank you, that is all. Goodbye."))
    assert phone.wait_ended(30)
    phone.close()
    record = service.record(phone.dialog.call_id)
    assert record["ended_by"] == "agent"
    assert record["reason"] == "agent_goodbye"
