"""A language model's server that breaks while people are on the line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.harness.service import Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial, service_folder

pytestmark = pytest.mark.integration

FOR_THE_MODEL = (
    "Can a thief delete the recordings from my cloud?",
    "Is there a way to get fewer alerts from the street?",
    "Must I keep the box to return the camera?",
)


class _Answers(BaseHTTPRequestHandler):
    """Offer one model; each answer breaks off after a few words, or is a 500."""

    def do_GET(self) -> None:
        self._send(200, {"data": [{"id": "broken"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "box" not in asked["messages"][-1]["content"]:
            self._send(500, {"error": {"message": "out of memory"}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in ("You ", "need ", "the ", "original ", "box ", "for "):
            delta = {"choices": [{"delta": {"content": word}}]}
            self.wfile.write(f"data: {json.dumps(delta)}\n\n".encode())
        self.wfile.write(b'data: {"error": {"message": "out of memory"}}\n\n')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _send(self, status: int, body: object) -> None:
        octets = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)


@contextmanager
def broken_model() -> Iterator[str]:
    """Run the server; give its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.timeout(240)
def test_every_question_is_answered_although_the_model_fails(phones: Dial) -> None:
    """The reviewed fact is said instead, the call goes on, and the record has what happened."""
    with broken_model() as url:
        service = Service(
            service_folder("no-model"),
            rtp_ports=(26_400, 26_599),
            sip_ports=(26_060, 26_099),
            overrides={"engines": f"{{language_model: openai, language_model_url: '{url}'}}"},
        )
        try:
            service.start()
            phone = phones(service)
            assert phone.call().status == 200
            assert phone.wait_quiet()
            for question in FOR_THE_MODEL:
                assert phone.ask(speech(question)) is not None, f"no answer to {question!r}"
                assert phone.wait_quiet()
            assert not phone.ended_by_far_end
            phone.hang_up()
            record = service.record(phone.dialog.call_id)
        finally:
            service.stop()
    answers = [each for each in record["turns"] if each["speaker"] == "agent"][1:]
    told = [each for each in answers if each["source"] != "filler"]
    failed = [bool(json.loads(each["detail"]).get("failed")) for each in told]
    assert failed == [True] * len(FOR_THE_MODEL), answers
    assert "recordings" in told[0]["text"] and told[0]["source"] == "fact"
    assert "motion" in told[1]["text"] and told[1]["source"] == "fact"
    assert "original box" in told[2]["text"] and told[2]["text"].endswith(".")
    assert record["reason"] == "caller_hangup", record
    events = service.log_events("answer_failed")
    assert len(events) >= len(FOR_THE_MODEL)
    assert "out of memory" in events[0]["reason"]
