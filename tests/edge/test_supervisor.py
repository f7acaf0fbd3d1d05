import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.supervisor import (
    Child,
    StartError,
    Supervisor,
    children,
    only_one,
    wait_for_sip_ports,
)
from media.config.model import AgentConfig, Config, RuleConfig, SipConfig
from tests.harness.waiting import until

pytestmark = pytest.mark.integration

STAY = (
    "import os, signal, sys, time; p = sys.argv[1];"
    "open(p, 'a').write(f'{os.getpid()} {os.nice(0)}\\n');"
    "end = lambda *_: (open(p + '.end', 'a').write(sys.argv[2]), sys.exit());"
    "signal.signal(signal.SIGTERM, end);"
    "time.sleep(60)"
)


def child(folder: Path, role: str, niceness: int = 0) -> Child:
    program = (sys.executable, "-S", "-c", STAY, str(folder / "lives"), f"{role}\n")
    return Child(role, program, niceness)


def lives(folder: Path) -> list[list[str]]:
    path = folder / "lives"
    return [line.split() for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_children_run_restart_and_stop_in_order(tmp_path: Path) -> None:
    """A killed child is back at once; at the end the last one started is stopped first."""
    stop = asyncio.Event()
    family = (child(tmp_path, "media"), child(tmp_path, "edge", niceness=5))
    running = asyncio.create_task(Supervisor(family).run(stop))
    await until(lambda: len(lives(tmp_path)) == 2)
    ours = os.nice(0)
    assert sorted(int(nice) for _, nice in lives(tmp_path)) == [ours, min(ours + 5, 19)]
    killed_at = time.monotonic()
    os.kill(int(lives(tmp_path)[0][0]), signal.SIGKILL)
    await until(lambda: len(lives(tmp_path)) == 3)
    assert time.monotonic() - killed_at < 2
    stop.set()
    await asyncio.wait_for(running, 10)
    assert (tmp_path / "lives.end").read_text("utf-8").split() == ["edge", "media"]
    assert not any(alive(int(pid)) for pid, _ in lives(tmp_path))


async def test_a_child_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork that the kernel refuses is waited out; the keeper does not end silently."""
    refusals = [OSError(12, "Cannot allocate memory"), OSError(11, "Try again")]
    start = asyncio.create_subprocess_exec

    async def scarce(*program: str, **options: Any) -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        return await start(*program, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    stop = asyncio.Event()
    running = asyncio.create_task(Supervisor((child(tmp_path, "media"),)).run(stop))
    await until(lambda: len(lives(tmp_path)) == 1, 10)
    assert refusals == [], "both were met before the child came to life"
    ((pid, _),) = lives(tmp_path)
    assert alive(int(pid))
    stop.set()
    await asyncio.wait_for(running, 10)
    assert (tmp_path / "lives.end").read_text("utf-8").split() == ["media"]


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    """Kill -9 of the parent takes the children with it."""
    script = (
        "import asyncio, sys; from pathlib import Path;"
        "from edge.supervisor import supervise; from tests.edge.test_supervisor import child;"
        "asyncio.run(supervise((child(Path(sys.argv[1]), 'media'),)))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parent.parent.parent,
    )
    deadline = time.monotonic() + 10
    while not lives(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    (pid, _) = lives(tmp_path)[0]
    parent.kill()
    parent.wait()
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(pid))


def test_a_run_directory_has_one_service(tmp_path: Path) -> None:
    """A second start says who is running; a stale lock file is no obstacle."""
    (tmp_path / "cordboard.pid").write_text("999999\n")
    with (
        only_one(tmp_path),
        pytest.raises(StartError, match=f"already running .*pid {os.getpid()}"),
        only_one(tmp_path),
    ):
        pass
    with only_one(tmp_path):
        pass


def test_a_run_directory_that_cannot_be_made_is_one_readable_line(tmp_path: Path) -> None:
    """Which directory, which setting, and why."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"cannot write to .*/file/run \(run_dir\): Not a dir"):
        only_one(tmp_path / "file" / "run").__enter__()


def sip(udp_port: int, tcp_port: int | None = None) -> Config:
    agents = {"support": AgentConfig("Hello.", "Be brief.")}
    config = Config(agents, (RuleConfig(agent="support"),))
    return replace(config, sip=SipConfig("127.0.0.1", udp_port=udp_port, tcp_port=tcp_port))


def test_a_taken_sip_port_is_one_readable_line() -> None:
    """Which transport, address, port and setting, in one line."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 22_070))
        with pytest.raises(StartError) as error:
            wait_for_sip_ports(sip(22_070), 0.1)
    assert str(error.value) == (
        "SIP cannot listen on UDP 127.0.0.1:22070 (sip.udp_port): address already in use"
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 22_071))
        taken.listen()
        with pytest.raises(StartError, match=r"TCP 127.0.0.1:22071 \(sip.tcp_port\)"):
            wait_for_sip_ports(sip(22_070, 22_071), 0.1)
    wait_for_sip_ports(sip(22_070, 22_071), 0.1)


def test_the_family() -> None:
    """Media, agent and edge start alike; who has time steps back by itself."""
    family = children(Path("/etc/cordboard.yaml"))
    assert [(each.role, each.niceness) for each in family] == [
        ("media", 0),
        ("agent", 0),
        ("edge", 0),
    ]
    assert family[0].program[1:] == ("-m", "media", "--config", "/etc/cordboard.yaml")
