from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.ua.ua_peer import Peer
from tests.harness.front_caller import ask
from tests.harness.fronted import TRUNK_ADDRESS, FrontedService
from tests.harness.service import ROOT
from tests.sip_matrix.service import SipService

pytestmark = pytest.mark.integration

TOOLS = ("svmap", "svwar", "svcrack")
RUNS = (("svmap", False), ("svwar", False), ("svcrack", False), ("svwar", True))
"""Each as it is, which says its name; one under the name of a telephone."""
PHONES = 'phones:\n  "100": {password: "1007"}\n  "101": {password: "1008"}\n'
DISGUISED = (
    "from sipvicious.libs import svhelper as h; "
    "h.makeRequest.__defaults__ = tuple('Z 3.15' if each == 'friendly-scanner' else each "
    "for each in h.makeRequest.__defaults__); "
)
BOUND = """
import socket, sys
class Here(socket.socket):  # sipvicious's own option for it is not heeded by all of its tools
    def bind(self, address):
        super().bind(("{address}", address[1]))
socket.socket = Here
"""


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontedService]:
    """A service behind Kamailio with two desk phones whose passwords are weak."""
    service = FrontedService(tmp_path_factory.mktemp("scanned"), 4, more=PHONES)
    service.start()
    yield service
    assert service.stop() == 0, service.log_tail()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SipService]:
    """A service without front and with a trunk, so that strangers are nobody."""
    more = f"trunks: {{carrier: {{sources: [{TRUNK_ADDRESS}]}}}}\n"
    service = SipService(tmp_path_factory.mktemp("bare"), (31_980, 31_985), more=more)
    service.start()
    yield service
    service.stop()


def scan(folder: Path, tool: str, port: int, address: str, *, disguised: bool) -> str:
    """Run one of sipvicious's tools from an address for a few seconds; return what it printed."""
    more = {
        "svmap": ["-p", str(port), "127.0.0.1"],
        "svwar": ["-p", str(port), "-e", "90-999", "--force", "127.0.0.1"],
        "svcrack": ["-p", str(port), "-u", "100", "-r", "900-1999", "127.0.0.1"],
    }[tool]
    code = BOUND.format(address=address) + (DISGUISED if disguised else "")
    code += f"\nfrom sipvicious.{tool} import main; main()"
    quick = [] if tool == "svmap" else ["--maximumtime", "2"]
    command = [sys.executable, "-c", code, "-v", "-x", address, "-P", "5099"]
    process = subprocess.Popen(
        [*command, *quick, *more],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        return process.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def found_nothing(printed: str) -> bool:
    """Say whether a tool's table, if any, is without entries."""
    rows = re.findall(r"^\| (?!SIP Device|Extension)([^|]*\|[^|]*)", printed, re.MULTILINE)
    return not rows


@pytest.mark.parametrize(("tool", "disguised"), RUNS)
def test_sipvicious_gets_nothing_from_kamailio(
    fronted: FrontedService, tmp_path: Path, tool: str, disguised: bool
) -> None:
    """No device, extension or password is found; the source is shut out, with a line for it."""
    address = f"127.0.1.{10 * TOOLS.index(tool) + disguised + 1}"
    printed = scan(tmp_path, tool, fronted.port, address, disguised=disguised)
    banned = f"source_banned source={address} reason="
    assert found_nothing(printed), printed
    if disguised:
        # it has learnt nothing from the answers and gives up, too soon for a ban
        assert "found nothing" in printed
        return
    assert banned in fronted.log_text(), printed
    assert ask("OPTIONS", fronted.port, address, timeout_s=0.5) is None
    assert ask("OPTIONS", fronted.port, TRUNK_ADDRESS) is not None


@pytest.mark.parametrize(("tool", "disguised"), RUNS)
def test_sipvicious_gets_nothing_from_a_worker(
    bare: SipService, tmp_path: Path, tool: str, disguised: bool
) -> None:
    """Without a front: 403 at most, then silence, and the log line for fail2ban."""
    address = f"127.0.2.{10 * TOOLS.index(tool) + disguised + 1}"
    printed = scan(tmp_path, tool, bare.port, address, disguised=disguised)
    line = f'"source": "{address}", "reason": "unknown"'
    assert line in bare.log_text(), printed + bare.log_text()[-3_000:]
    assert '"event": "sip_source_refused"' in bare.log_text()
    assert "cordboard" not in printed.lower()
    # svmap lists whoever answers at all, and 403 is an answer
    assert tool == "svmap" or found_nothing(printed), printed
    if tool == "svcrack":  # which does not give up
        assert f'"source": "{address}", "reason": "flood"' in bare.log_text()
        with Peer(bare.port, address) as peer:
            peer.request("OPTIONS")
            assert peer.receive(0.5) is None


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_who_keeps_on_is_shut_out_within_two_seconds(
    fronted: FrontedService, bare: SipService, method: str
) -> None:
    """With a harmless name and real pace, 50 requests a second, answers end before two seconds."""
    for number, port in enumerate((fronted.port, bare.port)):
        address = f"127.0.3.{10 * ['REGISTER', 'INVITE', 'OPTIONS'].index(method) + number + 1}"
        with Peer(port, address) as peer:
            began = last = time.monotonic()
            sent = 0
            while time.monotonic() - began < 3:
                peer.remote_uri = f"sip:{100 + sent}@127.0.0.1:{port}"
                peer.call_id = f"{method}-{address}-{sent}"
                peer.request(method)
                sent += 1
                deadline = time.monotonic() + 0.02
                while (left := deadline - time.monotonic()) > 0:
                    if peer.receive(left) is not None:
                        last = time.monotonic()
        assert sent > 60
        assert last - began < 2, f"{method} {number}: answered for {last - began:.1f} s"


def test_users_that_exist_are_answered_as_those_that_do_not(fronted: FrontedService) -> None:
    """Status, realm and header names of the answers are the same for REGISTER and INVITE."""
    for method in ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"):
        seen = []
        for number, user in enumerate(("100", "555")):
            answer = ask(method, fronted.port, f"127.0.4.{number + 1}", user=user, sender=user)
            assert answer is not None
            challenge = re.sub(
                r'nonce="[^"]*"',
                "",
                " ".join(
                    answer.header(each) for each in ("www-authenticate", "proxy-authenticate")
                ),
            )
            seen.append((answer.first_line, challenge, [name for name, _ in answer.headers]))
        assert seen[0] == seen[1], method
