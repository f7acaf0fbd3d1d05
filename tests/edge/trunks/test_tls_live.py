"""TLS 1.2 of the UA workers, without a front: lines out and in, servers that are not trusted."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from edge.ua.messages import UaSettings
from tests.edge.trunks.caller import Caller, calling
from tests.edge.trunks.carrier import Carrier
from tests.edge.trunks.exchange import Exchange
from tests.edge.trunks.srtp_keys import SrtpKeys
from tests.edge.trunks.tls_relay import Authority, Relay
from tests.edge.ua.ua_peer import WorkerProcess
from tests.harness.service import free_port

pytestmark = pytest.mark.integration

HZ = 440


@dataclass
class Rig:
    """A service, a carrier behind TLS, and servers that show other certificates."""

    exchange: Exchange
    carrier: Carrier
    right: Relay
    strangers: dict[str, Relay]
    authority: Authority
    tls_port: int


def _plan(ports: dict[str, int]) -> str:
    trunks = "".join(
        f'  {name}: {{servers: ["127.0.0.1:{port}"], transport: tls, srtp: required,\n'
        "    qualify: {interval_s: 0}, "
        f"register: {{username: {name}, password: word, domain: 127.0.0.1, retry_s: 1}}}}\n"
        for name, port in ports.items()
    )
    rules = "".join(
        f'  - {{name: {name}, match: {{called: "+4930{index}"}}, number: "+4930{index}", '
        f"trunk: {name}}}\n"
        for index, name in enumerate(ports)
    )
    return (
        f"trunks:\n{trunks}  inside: {{sources: 127.0.0.1}}\n"
        f"dialplan:\n{rules}  - {{name: rest, agent: desk}}\n"
        "agents:\n  desk: {greeting: Hello., instructions: Be brief.}\n"
    )


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Everything, once."""
    folder = tmp_path_factory.mktemp("tls")
    authority, other = Authority(folder, "authority"), Authority(folder, "other")
    carrier = Carrier(hz=HZ, expires_s=600)
    certificates = {
        "right": authority.issue("right", "IP:127.0.0.1"),
        "named": authority.issue("named", "DNS:somebody.example"),
        "unknown": other.issue("unknown", "IP:127.0.0.1"),
    }
    relays = {name: Relay() for name in certificates}
    ports = {
        name: relay.serve(certificates[name], ("127.0.0.1", carrier.port))
        for name, relay in relays.items()
    }
    certificate, key = authority.issue("ours", "IP:127.0.0.1")
    tls_port = free_port(30_100, 30_149)
    exchange = Exchange(
        folder,
        _plan(ports),
        sip=f", tls_port: {tls_port}, tls_certificate: {certificate}, tls_key: {key}, "
        f"tls_ca: {authority.certificate}",
    )
    exchange.start()
    right = relays.pop("right")
    yield Rig(exchange, carrier, right, relays, authority, tls_port)
    exchange.stop()
    for relay in (right, *relays.values()):
        relay.close()
    carrier.close()


def test_a_line_over_tls_registers_and_carries_calls_both_encrypted(rig: Rig) -> None:
    """REGISTER and INVITE go out over TLS 1.2, the audio is SRTP, and the far end's BYE comes."""
    rig.exchange.wait_event("trunk_registered", trunk="right")
    rig.carrier.srtp = SrtpKeys()
    with calling(rig.exchange.port, "+49300") as caller:
        assert caller.call().status == 200
        assert caller.hears(HZ)
        rig.carrier.hang_up()
        assert caller.wait_ended(5)
    invite = rig.carrier.seen("INVITE")[-1]
    assert invite.header("via").startswith("SIP/2.0/TLS ")
    assert "transport=tls" in invite.header("contact").lower()
    versions = {each.version() for each in rig.right.connections if each.fileno() >= 0}
    assert versions == {"TLSv1.2"}


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("named", "+49301", r"its certificate is not for 127\.0\.0\.1"),
        ("unknown", "+49302", "."),
    ],
)
def test_a_server_that_is_not_trusted_hears_nothing(
    rig: Rig, name: str, number: str, reason: str
) -> None:
    """Another name or another authority: the connection is closed before a word of SIP."""
    with calling(rig.exchange.port, number) as caller:
        assert caller.call().status == 503
    refused = rig.exchange.events("tls_server_refused")
    assert any(re.match(reason, each["reason"]) for each in refused)
    assert rig.strangers[name].connections
    assert rig.strangers[name].received == 0


def test_a_caller_comes_over_tls(rig: Rig) -> None:
    """INVITE, ACK and BYE over one connection to sip.tls_port; our certificate is verified."""
    relay = Relay()
    port = relay.connect(rig.authority.certificate, ("127.0.0.1", rig.tls_port))
    caller = Caller(port, "100")
    try:
        assert caller.call().status == 200
        sip_call_id = caller.dialog.call_id
        caller.hang_up()
    finally:
        caller.close()
        relay.close()
    record = rig.exchange.record(sip_call_id)
    assert (record["reason"], record["trunk"]) == ("caller_hangup", "inside")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(rig: Rig, version: ssl.TLSVersion) -> None:
    """TLS 1.0 and 1.1 find no common version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", rig.tls_port), 5) as raw:
        raw.settimeout(5)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw)


def test_a_key_that_does_not_fit_is_said_at_the_start(rig: Rig) -> None:
    """The worker says which file cannot be used, and does not start."""
    certificate, _ = rig.authority.issue("one", "IP:127.0.0.1")
    _, key = rig.authority.issue("two", "IP:127.0.0.1")
    settings = UaSettings("127.0.0.1", tls_certificate=str(certificate), tls_key=str(key))
    worker = WorkerProcess(replace(settings, udp_port=0, tcp_port=0))
    worker.process.wait(20)
    code, errors = worker.stop()
    assert code == 1
    assert f"sip.tls_certificate: {certificate} cannot be used" in errors
