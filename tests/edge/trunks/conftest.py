"""One service and one carrier for the tests that leave them as they found them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.trunks.carrier import Carrier
from tests.edge.trunks.exchange import Exchange
from tests.harness.service import ROOT

TCP_PORT = 30_150
SOUND = ROOT / "media" / "sounds" / "confirmed.wav"


def plan(carrier: Carrier, spare: Carrier) -> str:
    """Return the sections that the shared service runs on."""
    return f"""
trunks:
  carrier:
    sources: 127.0.0.1
    servers: ["127.0.0.1:{carrier.port}", "127.0.0.1:{spare.port}"]
    qualify: {{interval_s: 0}}
    silence_s: 1
    numbers: {{country: "49", area: "30", outbound: e164_without_plus}}
    identity: {{number: "+4930999", send_from: caller}}
    headers:
      to_variables: {{X-Customer: customer}}
      from_variables: {{ticket: X-Ticket}}
  small:
    sources: 127.0.0.2
    limits: {{calls: 1}}
    full: {{status: 503, retry_after_s: 33}}
  busy:
    sources: 127.0.0.3
    limits: {{calls_per_second: 1}}
    full: {{status: 486}}
  plain:
    sources: 127.0.0.4
    servers: ["127.0.0.1:{carrier.port}"]
    qualify: {{interval_s: 0}}
    codecs: [PCMA]
    dtmf: info
    session_timers: {{mode: supported, expires_s: 120, min_s: 100}}
    rel100: "off"
  secret:
    sources: 127.0.0.5
    servers: ["127.0.0.1:{carrier.port}"]
    srtp: required
    qualify: {{interval_s: 0}}
  stream:
    servers: ["127.0.0.1:{TCP_PORT}"]
    transport: tcp
    qualify: {{interval_s: 0}}
  pbx:
    digest: {{username: pbx, password: secret}}
    servers: ["127.0.0.1:{carrier.port}"]
    qualify: {{interval_s: 0}}
dialplan:
  - {{name: voice, match: {{called: "+4930100"}}, agent: desk, variables: {{line: "{{called}}"}}}}
  - {{name: sound, match: {{called: "+4930200"}}, announce: {SOUND}}}
  - {{name: gone, match: {{called: "+4930300"}}, reject: 410, reason: "number changed"}}
  - name: out
    match: {{called: "+49304{{rest}}"}}
    number: "+49304{{rest}}"
    trunk: carrier
    variables: {{ticket: "T{{rest}}"}}
  - name: fallback
    match: {{called: "+4930500"}}
    number: "+4930486"
    trunk: carrier
    on_failure: {{announce: {SOUND}}}
  - {{name: plain, match: {{called: "+4930800"}}, number: "+4930800", trunk: plain}}
  - {{name: secret, match: {{called: "+4930901"}}, number: "+4930901", trunk: secret}}
  - {{name: stream, match: {{called: "+4930900"}}, number: "+4930900", trunk: stream}}
  - {{name: people, match: {{called: "+4930600"}}, queue: people}}
  - {{name: again, match: {{called: "+4930700"}}, number: "+4930200"}}
agents:
  desk: {{greeting: Hello., instructions: Be brief.}}
queues:
  people: {{}}
"""


@pytest.fixture(scope="session")
def carrier() -> Iterator[Carrier]:
    """Provide the carrier's first server."""
    carrier = Carrier()
    yield carrier
    carrier.close()


@pytest.fixture(scope="session")
def spare() -> Iterator[Carrier]:
    """Provide the carrier's second server."""
    spare = Carrier(hz=660)
    yield spare
    spare.close()


@pytest.fixture(scope="session")
def exchange(
    tmp_path_factory: pytest.TempPathFactory, carrier: Carrier, spare: Carrier
) -> Iterator[Exchange]:
    """Provide the shared service."""
    folder: Path = tmp_path_factory.mktemp("exchange")
    exchange = Exchange(folder, plan(carrier, spare))
    exchange.start()
    yield exchange
    exchange.stop()


@pytest.fixture(autouse=True)
def level(carrier: Carrier, spare: Carrier, request: pytest.FixtureRequest) -> None:
    """Begin every test with well-behaved carriers, and nothing heard yet."""
    if "exchange" in request.fixturenames:
        request.getfixturevalue("exchange").agent.heard.clear()
    for each in (carrier, spare):
        each.status, each.early, each.dead, each.answer_after_s = 200, False, False, 0.1
        each.mute = False
        each.headers = ()
        each.requests.clear()
        each.heard.clear()
        each.digits.clear()
