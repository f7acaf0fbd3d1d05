from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.trunks.caller import Caller, calling
from tests.edge.trunks.exchange import Exchange

pytestmark = pytest.mark.integration

PLAN = """
trunks: {known: {sources: 127.0.0.1}}
dialplan: [{agent: desk}]
agents: {desk: {greeting: Hello., instructions: Be brief.}}
"""


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Provide a service that drops what strangers say."""
    folder: Path = tmp_path_factory.mktemp("silent")
    exchange = Exchange(folder, PLAN, ", unknown_source: drop", rtp_ports=(30_600, 30_649))
    exchange.start()
    yield exchange
    exchange.stop()


@pytest.fixture(scope="module")
def forbidding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Provide a service that forbids strangers, as it does by default."""
    exchange = Exchange(tmp_path_factory.mktemp("forbid"), PLAN, rtp_ports=(30_650, 30_699))
    exchange.start()
    yield exchange
    exchange.stop()


def credentials(challenge: str, password: str, uri: str, nc: str = "00000001") -> str:
    pairs = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    name = {"SHA-256": "sha256", "MD5": "md5"}[pairs["algorithm"]]

    def digest(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    secret = digest(f"pbx:{pairs['realm']}:{password}")
    asked = digest(f"INVITE:{uri}")
    response = digest(f"{secret}:{pairs['nonce']}:{nc}:abc:auth:{asked}")
    return (
        f'Authorization: Digest username="pbx", realm="{pairs["realm"]}", '
        f'nonce="{pairs["nonce"]}", uri="{uri}", response="{response}", cnonce="abc", '
        f"qop=auth, nc={nc}, algorithm={pairs['algorithm']}"
    )


def challenged(caller: Caller) -> list[str]:
    answer = caller.call()
    assert answer.status == 401
    return answer.all("www-authenticate")


@pytest.mark.parametrize("which", [0, 1])
def test_a_switchboard_proves_itself_by_digest(exchange: Exchange, which: int) -> None:
    """401 asks for SHA-256 and for MD5; either answer lets the call in, on the right trunk."""
    with calling(exchange.port, "+4930100", source="127.0.0.20") as caller:
        challenges = challenged(caller)
        assert ["SHA-256" in each for each in challenges] == [True, False]
        uri = f"sip:+4930100@127.0.0.1:{exchange.port}"
        caller.dialog.more = (credentials(challenges[which], "secret", uri),)
        assert caller.call().status == 200
    record = exchange.record(caller.dialog.call_id)
    assert record["trunk"] == "pbx"
    assert len(exchange.records("sip_call_id = ?", caller.dialog.call_id)) == 1


def test_a_wrong_password_is_403_and_one_log_line(exchange: Exchange) -> None:
    """Nothing of it becomes a call; the line is fit for fail2ban."""
    with calling(exchange.port, "+4930100", source="127.0.0.21") as caller:
        (challenge, _) = challenged(caller)
        uri = f"sip:+4930100@127.0.0.1:{exchange.port}"
        caller.dialog.more = (credentials(challenge, "wrong", uri),)
        assert caller.call().status == 403
    line = exchange.wait_event("sip_source_refused", source="127.0.0.21")
    assert (line["reason"], line["trunk"]) == ("bad_password", "pbx")
    assert exchange.records("sip_call_id = ?", caller.dialog.call_id) == []


def options(port: int, source: str, number: int) -> bytes:
    return (
        f"OPTIONS sip:100@127.0.0.1:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {source}:5999;rport;branch=z9hG4bK{source}{number}\r\n"
        f"From: <sip:scan@{source}>;tag={number}\r\nTo: <sip:100@127.0.0.1>\r\n"
        f"Call-ID: {source}-{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def scan(port: int, source: str, count: int, pause_s: float = 0.01) -> list[bytes]:
    """Send so many OPTIONS from a source and return what was answered."""
    answers: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
        scanner.bind((source, 0))
        scanner.settimeout(pause_s)
        for number in range(count):
            scanner.sendto(options(port, source, number), ("127.0.0.1", port))
            try:
                answers.append(scanner.recv(4_096))
            except TimeoutError:
                continue
        scanner.settimeout(0.3)
        try:
            while True:
                answers.append(scanner.recv(4_096))
        except TimeoutError:
            return answers


def test_a_stranger_is_forbidden_and_then_ignored(forbidding: Exchange) -> None:
    """A few 403, then nothing; two log lines, whatever comes; a known source gets its 200."""
    answers = scan(forbidding.port, "127.0.0.30", 60)
    assert [each.split(b" ")[1] for each in answers] == [b"403"] * 8
    assert scan(forbidding.port, "127.0.0.30", 5) == []
    forbidding.wait_event("sip_source_refused", source="127.0.0.30", reason="flood")
    lines = [e for e in forbidding.events("sip_source_refused") if e["source"] == "127.0.0.30"]
    assert [(each["reason"], each["method"]) for each in lines] == [
        ("unknown", "OPTIONS"),
        ("flood", "OPTIONS"),
    ]
    assert lines[0]["agent"] == "friendly-scanner"
    assert scan(forbidding.port, "127.0.0.1", 1)[0].startswith(b"SIP/2.0 200")
    assert forbidding.records() == []


def test_a_stranger_hears_nothing_where_the_policy_says_so(silent: Exchange) -> None:
    """Neither OPTIONS nor INVITE of an unknown source is answered, not even with 100."""
    assert scan(silent.port, "127.0.0.31", 5, 0.05) == []
    with calling(silent.port, source="127.0.0.32") as caller:
        with pytest.raises(TimeoutError):
            caller.dialog.invite(2.0)
        assert caller.dialog.messages == []
    with calling(silent.port) as known:
        assert known.call().status == 200


def test_a_scanner_costs_a_call_nothing(forbidding: Exchange) -> None:
    """A thousand requests of strangers: known OPTIONS stay quick, the call goes on."""
    with calling(forbidding.port) as caller:
        assert caller.call().status == 200
        thread = threading.Thread(
            target=lambda: [scan(forbidding.port, f"127.0.1.{n}", 100, 0.001) for n in range(10)]
        )
        thread.start()
        took = []
        while thread.is_alive():
            began = time.monotonic()
            assert caller.dialog.outside_dialog("OPTIONS").status == 200
            took.append(time.monotonic() - began)
            time.sleep(0.02)
        thread.join()
        assert sorted(took)[len(took) // 2] < 0.05
        assert not caller.dialog.ended_by_far_end
