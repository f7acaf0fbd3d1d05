from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from media.messages import Failed, StartConversation
from media.reload_messages import ReloadConfig
from tests.edge.trunks.caller import calling
from tests.edge.trunks.exchange import Exchange

pytestmark = pytest.mark.integration

RELOADS = 50


def plan(status: int = 404, agent: str = "Hello.", calls: int = 3) -> str:
    return f"""
trunks: {{t: {{sources: 127.0.0.1, limits: {{calls: {calls}}}}}}}
dialplan:
  - {{name: desk, match: {{called: "100"}}, agent: desk}}
  - {{name: rest, reject: {status}}}
agents: {{desk: {{greeting: "{agent}", instructions: Be brief.}}}}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Provide a service whose file may be changed."""
    exchange = Exchange(tmp_path_factory.mktemp("reload"), plan(), rtp_ports=(30_800, 30_849))
    exchange.start()
    yield exchange
    exchange.stop()


@pytest.fixture
def fresh(service: Exchange) -> Exchange:
    """Provide the service with the plan that tests begin with."""
    service.agent.refuse.clear()
    service.write(plan())
    assert service.command("reload").returncode == 0
    service.agent.heard.clear()
    return service


def status_of(exchange: Exchange, number: str) -> int:
    with calling(exchange.port, number) as caller:
        return caller.call().status


def test_the_next_call_goes_by_the_new_file(fresh: Exchange) -> None:
    """By command and by SIGHUP; the command says what changed and what needs a restart."""
    assert status_of(fresh, "999") == 404
    fresh.write(plan(status=410))
    done = fresh.command("reload")
    assert (done.returncode, done.stdout) == (0, "dialplan: 2 rules\n")
    assert status_of(fresh, "999") == 410
    fresh.write(plan(status=603, calls=4))
    fresh.hang_up_signal()
    fresh.wait_event("config_reloaded", changed=["trunks.t", "dialplan: 2 rules"])
    assert status_of(fresh, "999") == 603
    text = fresh.path.read_text().replace("record: false", "record: true")
    fresh.path.write_text(text)
    done = fresh.command("reload")
    assert (done.returncode, done.stdout) == (0, "nothing is different\nafter a restart: media\n")


def test_a_wrong_file_changes_nothing_and_says_why(fresh: Exchange) -> None:
    """Every problem with its line on the command's stderr and in one log line; the plan stays."""
    fresh.write(plan(status=410).replace("agent: desk", "agent: dusk") + "typo: 1\n")
    done = fresh.command("reload")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "dialplan[0].agent" in done.stderr
    assert "typo" in done.stderr
    assert lines[-1] == "nothing has changed"
    assert len(fresh.wait_event("reload_refused")["problems"]) == len(lines) - 1
    assert status_of(fresh, "999") == 404


def test_a_persona_that_the_agent_process_refuses_changes_nothing(fresh: Exchange) -> None:
    """The agent process is asked first; its words are passed on, and the plan stays as well."""
    fresh.agent.refuse[ReloadConfig] = Failed("agents.desk: its voice is not loaded", 500)
    fresh.write(plan(status=410, agent="Good day."))
    done = fresh.command("reload")
    assert done.returncode == 1
    assert "its voice is not loaded" in done.stderr
    assert status_of(fresh, "999") == 404
    fresh.agent.refuse.clear()
    assert fresh.command("reload").returncode == 0
    assert fresh.hear(ReloadConfig).path == str(fresh.path)
    assert status_of(fresh, "999") == 410


def test_limits_count_the_calls_that_were_there_before(fresh: Exchange) -> None:
    """A call in progress keeps its line; the new limit is full with it."""
    with calling(fresh.port) as caller:
        assert caller.call().status == 200
        fresh.write(plan(calls=1))
        assert fresh.command("reload").returncode == 0
        assert status_of(fresh, "100") == 503
        assert not caller.dialog.ended_by_far_end
    fresh.record(caller.dialog.call_id)
    assert status_of(fresh, "100") == 200


def test_the_limit_of_the_service_can_be_changed(fresh: Exchange) -> None:
    """With one caller allowed the second gets 503 and the new Retry-After."""
    text = fresh.path.read_text()
    fresh.path.write_text(text.replace("{retry_after_s: 7}", "{retry_after_s: 9, calls: 1}"))
    done = fresh.command("reload")
    assert done.stdout == "limits\n"
    with calling(fresh.port) as caller:
        assert caller.call().status == 200
        with calling(fresh.port) as second:
            answer = second.call()
        assert (answer.status, answer.header("retry-after")) == (503, "9")


def resident_kb(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4


def reload_under_load(exchange: Exchange, reloads: int) -> tuple[int, list[int]]:
    """Reload so many times while calls come and one stays; return calls and memory in kB."""
    lost: list[int] = []
    placed = 0
    stop = threading.Event()

    def call_on() -> None:
        nonlocal placed
        while not stop.is_set():
            placed += 1
            status = status_of(exchange, "100")
            if status != 200:
                lost.append(status)

    memory: list[int] = []
    before = len(exchange.events("config_reloaded"))
    with calling(exchange.port) as caller:
        assert caller.call().status == 200
        thread = threading.Thread(target=call_on)
        thread.start()
        try:
            for number in range(1, reloads + 1):
                exchange.write(plan(status=404 + number % 2))
                exchange.hang_up_signal()
                deadline = time.monotonic() + 10
                while len(exchange.events("config_reloaded")) < before + number:
                    assert time.monotonic() < deadline, number
                    time.sleep(0.01)
                time.sleep(0.1)
                if number % max(reloads // 10, 1) == 0:
                    memory.append(resident_kb(exchange.edge_pid()))
        finally:
            stop.set()
            thread.join()
        assert not caller.dialog.ended_by_far_end
        assert caller.largest_gap_ms() < 500
    assert lost == []
    return placed, memory


def test_no_call_is_lost_to_reloads(fresh: Exchange) -> None:
    """Fifty reloads under calls: none is refused or cut, and memory stays level."""
    placed, memory = reload_under_load(fresh, RELOADS)
    assert placed > 3
    assert memory[-1] < memory[len(memory) // 2] * 1.05 + 1_000
    assert fresh.agent.told(StartConversation)
