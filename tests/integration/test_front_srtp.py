"""SRTP through Kamailio: keys pass it as they are, and both ends open what the other sends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.trunks.carrier import Carrier, strongest_hz
from tests.edge.trunks.srtp_caller import (
    CALLER_HZ,
    SrtpCaller,
    ToneCaller,
    check_baresip_called,
    talking,
)
from tests.edge.trunks.srtp_keys import SrtpKeys
from tests.harness.baresip import call_with_baresip
from tests.harness.fronted import FrontedService
from tests.harness.outside_phone import tone

pytestmark = pytest.mark.integration

SECURE, PLAIN, LOOPBACK = "127.0.0.6", "127.0.0.8", "127.0.0.1"
CARRIER_HZ = 440
BARESIP_PORT = 30_175
DIALPLAN = """\
  - {match: {called: "6001"}, number: "6001", trunk: secure}
  - {match: {called: "6003"}, number: "6003", trunk: plain}
  - {match: {called: "6004"}, number: "6004", trunk: baresip}
  - announce: tone.wav
"""


def trunks(secure: Carrier, plain: Carrier) -> str:
    """Return the trunks, two with SRTP and one without."""
    more = "numbers: {outbound: as_is}, qualify: {interval_s: 0}"
    return f"""\
trunks:
  secure: {{sources: [{SECURE}, {LOOPBACK}], srtp: required,
            servers: "127.0.0.1:{secure.port}", {more}}}
  plain: {{sources: {PLAIN}, servers: "127.0.0.1:{plain.port}", {more}}}
  baresip: {{srtp: required, servers: "127.0.0.1:{BARESIP_PORT}", {more}}}
"""


@pytest.fixture(scope="module")
def lines() -> Iterator[tuple[Carrier, Carrier]]:
    """A far end that talks encrypted, and one in the clear."""
    pair = Carrier(hz=CARRIER_HZ), Carrier(hz=CARRIER_HZ)
    yield pair
    for each in pair:
        each.close()


@pytest.fixture(scope="module")
def fronted(
    lines: tuple[Carrier, Carrier], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontedService]:
    """A service behind Kamailio; no key may stand in its log."""
    service = FrontedService(tmp_path_factory.mktemp("srtp"), 8, dialplan=DIALPLAN)
    text = service.config.read_text()
    head, _, rest = text.partition("trunks:\n")
    service.config.write_text(head + trunks(*lines) + rest[rest.index("agents:") :])
    service.start()
    yield service
    assert service.stop() == 0, service.log_tail()
    assert "inline:" not in service.log_text()


@pytest.fixture
def secure(lines: tuple[Carrier, Carrier]) -> SrtpKeys:
    """The keys of the encrypted far end, which has heard nothing yet."""
    keys = lines[0].srtp = SrtpKeys()
    lines[0].requests.clear()
    return keys


def test_an_encrypted_caller_talks_with_a_line_in_the_clear(
    fronted: FrontedService, lines: tuple[Carrier, Carrier]
) -> None:
    """Tones both ways, before and after a re-INVITE with a new key of the caller's."""
    keys = SrtpKeys()
    caller = SrtpCaller(fronted.port, "6003", keys, source=SECURE)
    with talking(caller):
        assert caller.hears(CARRIER_HZ)
        assert lines[1].hears(CALLER_HZ)
        before = keys.remote
        keys.set_key(os.urandom(30))
        assert caller.change().status == 200
        assert keys.remote != before
        caller.audio.clear()
        assert caller.hears(CARRIER_HZ)
        assert lines[1].hears(CALLER_HZ)
        sip_call_id = caller.dialog.call_id
    record = fronted.record(sip_call_id)
    assert record["srtp_suite"] == keys.suite
    assert record["trunk"] == "secure"


def test_a_caller_in_the_clear_talks_with_an_encrypted_line(
    fronted: FrontedService, lines: tuple[Carrier, Carrier], secure: SrtpKeys
) -> None:
    """RTP/SAVP goes out to the trunk that requires it, and every packet opens."""
    with talking(ToneCaller(fronted.port, "6001", source=PLAIN)) as caller:
        assert caller.hears(CARRIER_HZ)
        assert lines[0].hears(CALLER_HZ)
    assert "RTP/SAVP" in lines[0].seen("INVITE")[0].body
    assert secure.unopened == 0


def test_a_caller_without_keys_is_refused_where_srtp_is_required(fronted: FrontedService) -> None:
    """488 with Warning 302, which no other worker is asked about."""
    caller = ToneCaller(fronted.port, "6003", source=SECURE)
    try:
        answer = caller.call()
        assert (answer.status, answer.header("warning")[:3]) == (488, "302")
    finally:
        caller.close()
    assert "worker_passed_over" not in fronted.log_text()


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_baresip_calls_encrypted(
    fronted: FrontedService, lines: tuple[Carrier, Carrier], tmp_path: Path, transport: str
) -> None:
    """It opens what the far end says, and its own tone arrives there."""
    port = fronted.port if transport == "udp" else fronted.tls_port
    heard = call_with_baresip(
        tmp_path,
        f"sip:6003@127.0.0.1:{port};transport={transport}",
        tone(CALLER_HZ, 8.0),
        seconds=4,
        listen=f"{SECURE}:0",
        more=";mediaenc=srtp-mand",
    )
    assert strongest_hz([heard[-8_000:]]) == pytest.approx(CARRIER_HZ, abs=10)
    assert strongest_hz(lines[1].heard[-50:]) == pytest.approx(CALLER_HZ, abs=10)
    fronted.wait_level()


def test_baresip_is_called_encrypted(fronted: FrontedService, tmp_path: Path) -> None:
    """Our offer of RTP/SAVP reaches it through the front, and each hears the other."""
    check_baresip_called(tmp_path, fronted.port, "6004", PLAIN, BARESIP_PORT, CARRIER_HZ)
