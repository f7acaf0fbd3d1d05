from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.edge.trunks.caller import calling
from tests.edge.trunks.carrier import Carrier
from tests.edge.trunks.exchange import Exchange

pytestmark = pytest.mark.integration


def plan(one: Carrier, two: Carrier, wrong: Carrier) -> str:
    return f"""
trunks:
  isp:
    register:
      username: "4930999"
      auth_username: line7
      password: secret
      domain: isp.example
      expires_s: 60
      retry_s: 1
      retry_max_s: 2
    servers: ["127.0.0.1:{one.port}", "127.0.0.1:{two.port}"]
    qualify: {{interval_s: 1, timeout_ms: 300, failures: 2}}
    identity: {{number: "+4930999"}}
  locked:
    register: {{username: x, password: wrong}}
    servers: ["127.0.0.1:{wrong.port}"]
    qualify: {{interval_s: 0}}
dialplan:
  - {{match: {{trunk: isp}}, agent: desk}}
  - {{name: out, match: {{called: "+49304*"}}, number: "{{called}}", trunk: isp}}
agents: {{desk: {{greeting: Hello., instructions: Be brief.}}}}
"""


Line = tuple[Exchange, Carrier, Carrier, Carrier]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Provide a service that registers at two servers, and at one that refuses the password."""
    one, two = (Carrier(user="line7", password="secret", expires_s=4, hz=h) for h in (440, 660))
    wrong = Carrier(user="x", password="right")
    folder = tmp_path_factory.mktemp("registered")
    exchange = Exchange(folder, plan(one, two, wrong), rtp_ports=(30_700, 30_749))
    exchange.start()
    yield exchange, one, two, wrong
    exchange.stop()
    for each in (one, two, wrong):
        each.close()


def trunk(exchange: Exchange, name: str) -> dict:  # type: ignore[type-arg]
    trunks = json.loads(exchange.command("trunks", "--json").stdout)["trunks"]
    return next(each for each in trunks if each["name"] == name)


def until_server(exchange: Exchange, index: int, timeout_s: float = 8.0, **wanted: object) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        server = trunk(exchange, "isp")["servers"][index]
        if all(server[key] == value for key, value in wanted.items()):
            return
        assert time.monotonic() < deadline, server
        time.sleep(0.1)


def test_it_registers_at_every_server_and_refreshes(line: Line) -> None:
    """Digest with the account's own name, the domain in the URIs, refresh at half of 4 s."""
    exchange, one, two, _ = line
    until_server(exchange, 0, registration="registered")
    until_server(exchange, 1, registration="registered")
    first, second = one.wait("REGISTER"), one.wait("REGISTER", 2)
    assert first.first_line == "REGISTER sip:isp.example SIP/2.0"
    assert "<sip:4930999@isp.example>" in first.header("from")
    assert first.header("route") == ""
    assert 'username="line7"' in second.header("authorization")
    assert re.search(r"<sip:4930999@127\.0\.0\.1:\d+;.*line=[0-9a-f]+", second.header("contact"))
    third = one.wait("REGISTER", 3, 8)
    assert 1.2 < (third.at_ns - second.at_ns) / 1e9 < 3.5
    assert two.wait("REGISTER", 3, 8).header("call-id") != third.header("call-id")


def test_a_call_to_the_registered_contact_belongs_to_the_trunk(line: Line) -> None:
    """The line token of the Request-URI is enough, even from an address that nobody knows."""
    exchange, one, *_ = line
    contact = re.search(r"<sip:([^@]+)@[^>]*(line=\w+)", one.wait("REGISTER").header("contact"))
    assert contact is not None
    with calling(exchange.port, contact[1], source="127.0.0.40") as caller:
        caller.dialog.remote_target = f"sip:{contact[1]}@127.0.0.1:{exchange.port};{contact[2]}"
        assert caller.call().status == 200
    assert exchange.record(caller.dialog.call_id)["trunk"] == "isp"


def test_a_wrong_password_is_one_line_and_a_long_wait(line: Line) -> None:
    """After the refused answer to the challenge there is silence for a quarter of an hour."""
    exchange, _, _, wrong = line
    failed = exchange.wait_event("registration_failed", trunk="locked")
    assert (failed["sip_status"], failed["retry_s"]) in ((401, 900), (403, 900))
    tried = len(wrong.requests)
    time.sleep(2)
    assert len(wrong.requests) == tried
    assert [e["trunk"] for e in exchange.events("registration_failed")].count("locked") == 1
    assert exchange.command("trunks").returncode == 1


def test_a_dead_server_is_passed_over_and_comes_back(line: Line) -> None:
    """OPTIONS find it down; calls go out over the next one at once; OPTIONS bring it back."""
    exchange, one, two, _ = line
    until_server(exchange, 0, state="up", registration="registered")
    one.dead = True
    until_server(exchange, 0, state="down")
    with calling(exchange.port, "+4930400") as caller:
        began = time.monotonic()
        assert caller.call().status == 200
        assert time.monotonic() - began < 3
        assert caller.hears(660)
    exchange.wait_event("server_dead", trunk="isp")
    invite = two.wait("INVITE", 2)
    assert 'username="line7"' in invite.header("proxy-authorization")
    one.dead = False
    until_server(exchange, 0, state="up")


def test_a_server_that_fails_is_asked_again_ever_more_slowly(line: Line) -> None:
    """503 to REGISTER: waits of 1, 2 and again 2 s."""
    exchange, _, two, _ = line
    two.register_status = 503
    waits = []
    deadline = time.monotonic() + 14
    while len(waits) < 3 and time.monotonic() < deadline:
        lines = exchange.events("registration_failed")
        waits = [e["retry_s"] for e in lines if f":{two.port}" in e["server"]]
        time.sleep(0.2)
    two.register_status = 200
    assert waits[:3] == [1, 2, 2]
    until_server(exchange, 1, registration="registered")


def test_the_registrations_are_taken_back_at_the_end(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A service that stops says so to the registrar."""
    carrier = Carrier(expires_s=60)
    rest = f"""
trunks:
  isp: {{register: {{username: u, password: p}}, servers: ["127.0.0.1:{carrier.port}"]}}
dialplan: [{{agent: desk}}]
agents: {{desk: {{greeting: Hello., instructions: Be brief.}}}}
"""
    exchange = Exchange(tmp_path_factory.mktemp("ends"), rest, rtp_ports=(30_750, 30_799))
    exchange.start()
    exchange.wait_event("trunk_registered")
    exchange.stop()
    last = carrier.seen("REGISTER")[-1]
    carrier.close()
    assert last.header("expires") == "0" or "expires=0" in last.header("contact")
