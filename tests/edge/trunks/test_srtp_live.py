"""SRTP through the whole service: tones both ways, other legs in the clear, keys that change."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.edge.trunks.carrier import Carrier, strongest_hz
from tests.edge.trunks.exchange import Exchange
from tests.edge.trunks.srtp_caller import (
    CALLER_HZ,
    SrtpCaller,
    ToneCaller,
    check_baresip_called,
    talking,
)
from tests.edge.trunks.srtp_keys import SrtpKeys
from tests.harness.baresip import Baresip, call_with_baresip
from tests.harness.outside_phone import tone
from tests.harness.service import ROOT

pytestmark = pytest.mark.integration

SECURE, OPTIONAL, PLAIN = "127.0.0.6", "127.0.0.7", "127.0.0.8"
BARESIP_PORT = 30_171
CARRIER_HZ = 440


def _plan(carrier: Carrier, secure: Carrier) -> str:
    return f"""
trunks:
  secure:
    sources: {SECURE}
    servers: ["127.0.0.1:{secure.port}"]
    srtp: required
    qualify: {{interval_s: 0}}
  optional:
    sources: {OPTIONAL}
    servers: ["127.0.0.1:{carrier.port}"]
    srtp: optional
    qualify: {{interval_s: 0}}
  plain:
    sources: {PLAIN}
    servers: ["127.0.0.1:{carrier.port}"]
    qualify: {{interval_s: 0}}
  baresip:
    servers: ["127.0.0.1:{BARESIP_PORT}"]
    srtp: required
    qualify: {{interval_s: 0}}
dialplan:
  - {{name: secure, match: {{called: "+49301"}}, number: "+49301", trunk: secure}}
  - {{name: optional, match: {{called: "+49302"}}, number: "+49302", trunk: optional}}
  - {{name: plain, match: {{called: "+49303"}}, number: "+49303", trunk: plain}}
  - {{name: baresip, match: {{called: "+49304"}}, number: "+49304", trunk: baresip}}
agents:
  desk: {{greeting: Hello., instructions: Be brief.}}
"""


@pytest.fixture(scope="module")
def carriers() -> Iterator[tuple[Carrier, Carrier]]:
    """One that talks in the clear, and one that is changed by tests."""
    pair = (Carrier(hz=CARRIER_HZ), Carrier(hz=CARRIER_HZ))
    yield pair
    for each in pair:
        each.close()


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, carriers: tuple[Carrier, Carrier]
) -> Iterator[Exchange]:
    """The service with a trunk of each kind; no key may stand in its logs."""
    exchange = Exchange(tmp_path_factory.mktemp("srtp"), _plan(*carriers))
    exchange.start()
    yield exchange
    exchange.stop()
    logs = exchange.log_text() + (exchange.folder / "media.log").read_text()
    assert "inline:" not in logs
    assert "secret" not in logs


@pytest.fixture
def clear(carriers: tuple[Carrier, Carrier]) -> Carrier:
    """The carrier without SRTP, nothing heard yet."""
    carriers[0].requests.clear()
    carriers[0].heard.clear()
    carriers[0].srtp = None
    return carriers[0]


@pytest.fixture
def secure(carriers: tuple[Carrier, Carrier]) -> Carrier:
    """The carrier with SRTP, nothing heard yet."""
    carriers[1].requests.clear()
    carriers[1].heard.clear()
    carriers[1].srtp = SrtpKeys()
    return carriers[1]


def _profile(body: str) -> str:
    found = re.search(r"m=audio \d+ (\S+)", body)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("source", "protocol"),
    [(SECURE, "RTP/SAVP"), (SECURE, "RTP/AVP"), (OPTIONAL, "RTP/SAVP"), (OPTIONAL, "RTP/AVP")],
)
def test_an_encrypted_caller_talks_with_a_line_in_the_clear(
    service: Exchange, clear: Carrier, source: str, protocol: str
) -> None:
    """Each tone is at the other end of a call of which one leg only is encrypted."""
    keys = SrtpKeys(protocol)
    with talking(SrtpCaller(service.port, "+49303", keys, source=source)) as caller:
        assert caller.hears(CARRIER_HZ)
        assert clear.hears(CALLER_HZ)
        sip_call_id = caller.dialog.call_id
    record = service.record(sip_call_id)
    assert record["srtp_suite"] == keys.suite
    assert record["packets_unauthentic"] == 0
    shown = service.command("calls", "show", record["call_id"]).stdout
    assert f"SRTP {keys.suite}" in shown
    assert keys.remote not in shown


def test_a_caller_in_the_clear_talks_with_an_encrypted_line(
    service: Exchange, secure: Carrier
) -> None:
    """The trunk that requires SRTP is offered RTP/SAVP and encrypts both ways."""
    with talking(ToneCaller(service.port, "+49301", source=PLAIN)) as caller:
        assert caller.hears(CARRIER_HZ)
        assert secure.hears(CALLER_HZ)
    assert _profile(secure.seen("INVITE")[0].body) == "RTP/SAVP"
    assert secure.srtp is not None
    assert secure.srtp.unopened == 0


@pytest.mark.parametrize("encrypts", [True, False])
def test_an_optional_line_encrypts_where_the_far_end_does(
    service: Exchange, clear: Carrier, encrypts: bool
) -> None:
    """RTP/AVP with a=crypto is answered with a key or without, and both talk."""
    clear.srtp = SrtpKeys() if encrypts else None
    with talking(ToneCaller(service.port, "+49302", source=PLAIN)) as caller:
        assert caller.hears(CARRIER_HZ)
        assert clear.hears(CALLER_HZ)
    offer = clear.seen("INVITE")[0].body
    assert _profile(offer) == "RTP/AVP"
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80" in offer


def test_both_legs_encrypt_with_keys_of_their_own(service: Exchange, secure: Carrier) -> None:
    """SRTP to SRTP: two suites, two keys, and the audio in between."""
    keys = SrtpKeys(suite="AES_CM_128_HMAC_SHA1_32")
    with talking(SrtpCaller(service.port, "+49301", keys, source=SECURE)) as caller:
        assert caller.hears(CARRIER_HZ)
        assert secure.hears(CALLER_HZ)
    assert secure.srtp is not None
    assert keys.remote != secure.srtp.remote


def test_keys_change_in_mid_call(service: Exchange, clear: Carrier) -> None:
    """A refresh keeps the keys; a new key of the caller's gets a new one of ours; all is heard."""
    keys = SrtpKeys()
    caller = SrtpCaller(service.port, "+49303", keys, source=SECURE)
    with talking(caller):
        ours = [keys.remote]
        for key in (None, os.urandom(30), os.urandom(30)):
            if key is not None:
                keys.set_key(key)
            assert caller.change().status == 200
            ours.append(keys.remote)
            caller.audio.clear()
            assert caller.hears(CARRIER_HZ)
            assert clear.hears(CALLER_HZ)
        sip_call_id = caller.dialog.call_id
    assert ours[0] == ours[1]
    assert len(set(ours)) == 3
    assert service.record(sip_call_id)["reason"] == "caller_hangup"


def test_a_hold_keeps_the_keys(service: Exchange, clear: Carrier) -> None:
    """On hold nothing is sent; after it both hear each other with the keys of before."""
    keys = SrtpKeys()
    with talking(SrtpCaller(service.port, "+49303", keys, source=SECURE)) as caller:
        ours = keys.remote
        assert caller.hears(CARRIER_HZ)
        for direction, answered in (("sendonly", "recvonly"), ("inactive", "inactive")):
            answer = caller.reinvite(direction)
            keys.answered(answer.body)
            assert f"a={answered}" in answer.body
            time.sleep(0.3)
            heard = len(caller.heard)
            time.sleep(0.3)
            assert len(caller.heard) == heard
            keys.answered(caller.reinvite().body)
            caller.audio.clear()
            assert caller.hears(CARRIER_HZ)
            assert clear.hears(CALLER_HZ)
        assert keys.remote == ours
        assert keys.unopened == 0


def test_a_persona_calls_over_an_encrypted_line(service: Exchange, secure: Carrier) -> None:
    """``cordboard dial`` offers keys, too, and the tone of the called side opens."""
    arguments = ("dial", "--agent", "desk", "--to", "+49301", "--trunk", "secure", "--wait")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(service.command, *arguments)
        invite = secure.wait("INVITE")
        deadline = time.monotonic() + 5
        while len(secure.heard) < 50 and time.monotonic() < deadline:
            time.sleep(0.05)
        secure.hang_up()
        assert "answered" in running.result(20).stdout
    record = service.record(invite.header("call-id"))
    assert record["srtp_suite"] == SrtpKeys().suite
    assert record["packets_received"] > 25
    assert record["packets_unauthentic"] == 0
    assert secure.srtp is not None
    assert secure.srtp.unopened == 0


def test_a_wrong_key_is_silence_and_counted(service: Exchange, clear: Carrier) -> None:
    """Packets of a key that was not agreed reach nobody's ear; the record and the figures tell."""
    keys = SrtpKeys()
    keys.set_sent_key(os.urandom(30))
    with talking(SrtpCaller(service.port, "+49303", keys, source=SECURE)) as caller:
        assert caller.hears(CARRIER_HZ)  # our own key is right
        clear.heard.clear()
        deadline = time.monotonic() + 5
        while len(clear.heard) < 50 and time.monotonic() < deadline:
            time.sleep(0.05)
        heard = np.concatenate(clear.heard[:50])
        assert np.abs(heard).max() < 200  # comfort noise
        assert strongest_hz(clear.heard[:50]) == 0
        sip_call_id = caller.dialog.call_id
    record = service.record(sip_call_id)
    assert record["packets_unauthentic"] > 50
    assert record["packets_received"] == 0
    shown = service.command("calls", "show", record["call_id"]).stdout
    assert f"{record['packets_unauthentic']} packets of a wrong SRTP key" in shown


@pytest.mark.parametrize(
    ("mediaenc", "source"), [("srtp-mand", SECURE), ("srtp", OPTIONAL), ("srtp", SECURE)]
)
def test_baresip_calls_encrypted(
    service: Exchange, clear: Carrier, tmp_path: Path, mediaenc: str, source: str
) -> None:
    """Baresip's own SRTP: its tone arrives, and it hears the other end's."""
    heard = call_with_baresip(
        tmp_path,
        f"sip:+49303@127.0.0.1:{service.port}",
        tone(CALLER_HZ, 8.0),
        seconds=4,
        listen=f"{source}:0",
        more=f";mediaenc={mediaenc}",
    )
    assert strongest_hz([heard[-8_000:]]) == pytest.approx(CARRIER_HZ, abs=10)
    assert strongest_hz(clear.heard[-50:]) == pytest.approx(CALLER_HZ, abs=10)
    row = service.records("source LIKE ?", f"{source}:%")[-1]
    assert service.record(row["sip_call_id"])["srtp_suite"].startswith("AES_CM_128_HMAC_SHA1")


def test_the_shipped_account_of_baresip_is_encrypted(
    service: Exchange, clear: Carrier, tmp_path: Path
) -> None:
    """sip-configs/baresip with accounts.srtp calls over a trunk that requires SRTP."""
    phone = Baresip(tmp_path, tone(CALLER_HZ, 8.0))
    modules = next(Path("/usr/lib").rglob("baresip/modules"))
    for shipped, name in (("accounts.srtp", "accounts"), ("config", "config")):
        text = (ROOT / "sip-configs" / "baresip" / shipped).read_text()
        text = text.replace("/usr/lib/baresip/modules", str(modules)).replace("192.0.2.20", SECURE)
        (tmp_path / name).write_text(text.replace("/etc/baresip", str(tmp_path)))
    phone.start(3, f"/dial sip:+49303@127.0.0.1:{service.port}")
    assert clear.hears(CALLER_HZ), phone.output()
    phone.wait_ended(20)
    row = service.records("source LIKE ?", f"{SECURE}:%")[-1]
    assert service.record(row["sip_call_id"])["srtp_suite"].startswith("AES_CM_128_HMAC_SHA1")


def test_baresip_is_called_encrypted(service: Exchange, tmp_path: Path) -> None:
    """Our offer of RTP/SAVP is one that baresip takes, and each hears the other."""
    check_baresip_called(tmp_path, service.port, "+49304", PLAIN, BARESIP_PORT, CARRIER_HZ)
