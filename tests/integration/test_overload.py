from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.outside_phone import OutsidePhone
from tests.harness.service import ROOT, Service
from tests.harness.speakers import speech
from tests.integration.conftest import Dial

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

LIMIT = 93
"""CPU pressure, %, at which this service takes every step."""
STEP = f"{{cpu_pressure: {LIMIT}, engine_wait_ms: 0, loop_lag_ms: 0}}"
LADDER = (
    f"{{no_provisional: {STEP}, short_answers: {STEP}, fast_lane_only: {STEP}, "
    f"refuse_calls: {STEP}, climb_ms: 300, descend_ms: 500, release: 97}}"
)
CLIMB = ["no_provisional", "short_answers", "fast_lane_only", "refuse_calls"]
QUESTION = speech("What are your opening hours?")
BURNERS = 6
CALM_WITHIN_S = 60


def pressure() -> float:
    """Return the share of the last 10 s in which something waited for a processor."""
    line = Path("/proc/pressure/cpu").read_text().splitlines()[0]
    return float(dict(each.split("=") for each in line.split()[1:])["avg10"])


def calm(limit: float, timeout_s: float) -> bool:
    """Wait until the pressure is below a limit; say whether it came to that."""
    deadline = time.monotonic() + timeout_s
    while pressure() > limit:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Keep the processors busy with as many endless loops."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


@pytest.fixture(scope="module")
def loaded_service() -> Iterator[Service]:
    """A service whose ladder follows the pressure on the processors alone."""
    if not Path("/proc/pressure/cpu").exists():
        pytest.skip("this kernel does not tell the pressure on the processors")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    parent = ROOT / "var" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    service = Service(
        Path(tempfile.mkdtemp(prefix="overload-", dir=parent)),
        rtp_ports=(26_400, 26_599),
        sip_ports=(26_060, 26_099),
        overrides={"ladder": LADDER, "metrics": f"{{port: {port}}}"},
    )
    service.start()
    service.metrics_url = f"http://127.0.0.1:{port}/metrics"
    yield service
    assert service.stop() == 0, service.log_tail()


def figure(service: Service, name: str) -> float:
    """Return one figure of the metrics page."""
    with urllib.request.urlopen(service.metrics_url, timeout=10) as page:
        text = page.read().decode()
    line = next(each for each in text.splitlines() if each.startswith(f"{name} "))
    return float(line.split()[1])


def talk_until(service: Service, step: str, timeout_s: float, caller: OutsidePhone) -> None:
    """Let a call go on, every question answered, until the status names a step."""
    deadline = time.monotonic() + timeout_s
    while (now := service.status()["ladder"]) != step:
        assert time.monotonic() < deadline, f"{now}, pressure {pressure()}"
        assert caller.ask(QUESTION, 40) is not None, f"no answer: {now}, pressure {pressure()}"
        assert caller.wait_quiet()
        assert not caller.ended_by_far_end


def test_overload_refuses_new_calls_and_keeps_the_one_in_progress(
    loaded_service: Service, phones: Dial
) -> None:
    """Busy processors climb the ladder: 503 for new calls, answers for the old; calm ends it."""
    service = loaded_service
    if not calm(LIMIT * 0.9, CALM_WITHIN_S) or service.status()["ladder"] != "normal":
        pytest.skip(f"the machine is overloaded by others: pressure {pressure()} %")
    caller = phones(service)
    assert caller.call().status == 200
    assert caller.wait_quiet()
    with burning(BURNERS):
        talk_until(service, "refuse_calls", 90, caller)
        assert figure(service, "cordboard_ladder_step") == 4
        answer = phones(service).call()
        assert answer.status == 503
        assert int(answer.header("retry-after").split()[0]) > 0
        assert caller.ask(QUESTION, 40) is not None
        assert caller.wait_quiet()
    assert not caller.ended_by_far_end
    caller.hang_up()
    turns = service.record(caller.dialog.call_id)["turns"]
    asked = [each for each in turns if each["speaker"] == "caller"]
    told = [each for each in turns if "nine to six" in each["text"]]
    assert len(told) >= 0.6 * len(asked) > 0, [each["text"] for each in turns]
    steps = [each["step"] for each in service.log_events("ladder_changed")]
    first = steps.index("refuse_calls")
    assert steps[first - 3 : first + 1] == CLIMB
    if not calm(LIMIT * 0.9, CALM_WITHIN_S):
        pytest.skip(f"climbed; others keep the machine overloaded: pressure {pressure()} %")
    deadline = time.monotonic() + 30
    while not service.status()["ready"]:
        assert time.monotonic() < deadline, f"still refusing at pressure {pressure()}"
        time.sleep(0.5)
    assert phones(service).call().status == 200
