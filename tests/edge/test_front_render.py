from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.front.machine import ipv4_addresses, ipv6_addresses, local_addresses
from edge.front.render import render, trunk_list
from media import ConfigError
from media.config.load import load_config, parse_config
from media.config.model import Config

pytestmark = pytest.mark.unit

BASE = """\
sip: {address: 192.0.2.10, front: kamailio@SIP@}
limits: {calls: 12}
agents: {a: {greeting: Hello., instructions: Help.}}
dialplan: [{agent: a}]
"""
TLS = "front: {tls_certificate: c.pem, tls_key: k.pem}\n"


def config(more: str = "", sip: str = "") -> Config:
    """Load a configuration with a front."""
    loaded = parse_config((BASE.replace("@SIP@", sip) + more).encode(), Path("/srv/c.yaml"))
    assert loaded.config is not None, [str(each) for each in loaded.reading.problems]
    return loaded.config


def text(more: str = "", sip: str = "") -> str:
    """Render kamailio.cfg."""
    return render(config(more, sip)).files["kamailio.cfg"]


def lines(start: str, of: str) -> list[str]:
    """Return the lines of a text that begin so."""
    return [each for each in of.splitlines() if each.startswith(start)]


def test_every_word_in_angle_brackets_is_filled_in() -> None:
    """Nothing of the template is left, whatever is configured."""
    for more in ("", TLS, "trunks: {a: {sources: 198.51.100.1}}\n"):
        assert re.search(r"<[A-Z_]+>", text(more)) is None


def test_rendering_is_pure() -> None:
    """The same configuration gives the same text."""
    assert text(TLS) == text(TLS)


def test_it_listens_where_sip_is_heard_and_for_workers_on_loopback() -> None:
    """UDP and TCP for callers, TLS with a certificate, and one port that only workers reach."""
    assert lines("listen=", text(TLS)) == [
        "listen=udp:192.0.2.10:5060",
        "listen=tcp:192.0.2.10:5060",
        "listen=tls:192.0.2.10:5061",
        "listen=udp:127.0.0.1:5062",
    ]
    assert lines("listen=", text(sip=", tcp_port: null")) == [
        "listen=udp:192.0.2.10:5060",
        "listen=udp:127.0.0.1:5062",
    ]


def test_a_wildcard_becomes_the_addresses_of_the_machine() -> None:
    """Kamailio would write 0.0.0.0 into Via; the public address is not put on loopback."""
    sip = ", public_address: 203.0.113.5, tcp_port: null"
    wild = BASE.replace("192.0.2.10", "0.0.0.0").replace("@SIP@", sip)
    loaded = parse_config(wild.encode(), Path("/srv/c.yaml")).config
    assert loaded is not None
    rendered = render(loaded, ("192.0.2.10", "127.0.0.1")).files["kamailio.cfg"]
    assert lines("listen=", rendered) == [
        "listen=udp:192.0.2.10:5060 advertise 203.0.113.5:5060",
        "listen=udp:127.0.0.1:5060",
        "listen=udp:127.0.0.1:5062",
    ]
    assert "#!define PIN_SOCKET" not in rendered
    assert "#!define PIN_SOCKET" in text()


def test_the_kernels_tables_are_read() -> None:
    """Local host routes of IPv4; of IPv6 all that is not link-local."""
    fib_trie = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
        |-- 192.0.2.2
           /32 host LOCAL
"""
    assert ipv4_addresses(fib_trie) == ["127.0.0.1", "192.0.2.2"]
    if_inet6 = (
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe8000000000000000fc00fffe000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000002 02 40 00 80     eth0\n"
    )
    assert ipv6_addresses(if_inet6) == ["::1", "2001:db8::2"]


def test_the_addresses_of_this_machine_end_with_loopback() -> None:
    """The first one is what phones are pinged from."""
    assert local_addresses("0.0.0.0")[-1].startswith("127.")


def test_ipv6_addresses_stand_in_brackets() -> None:
    """A socket is never ambiguous."""
    v6 = BASE.replace("192.0.2.10", '"2001:db8::5"').replace("@SIP@", "")
    loaded = parse_config(v6.encode(), Path("/srv/c.yaml")).config
    assert loaded is not None
    rendered = render(loaded).files["kamailio.cfg"]
    assert "listen=udp:[2001:db8::5]:5060" in rendered
    assert "sip:keepalive@[2001:db8::5]" in rendered


def test_no_secret_is_in_any_file() -> None:
    """Passwords travel over the control socket only."""
    more = 'phones: {anna: {password: "s3cret"}}\n'
    more += "trunks: {a: {digest: {username: u, password: t0psecret}}}\n"
    files = render(config(more)).files
    assert not any("s3cret" in each or "t0psecret" in each for each in files.values())


def test_the_trunk_list_carries_what_a_full_house_says() -> None:
    """One line a source: network, prefix, status and Retry-After, - for the general one."""
    more = """\
trunks:
  a: {sources: [198.51.100.0/24, "2001:db8::7"]}
  b: {sources: 203.0.113.9, full: {status: 486}}
  c: {sources: 203.0.113.10, full: {retry_after_s: 30}}
"""
    assert trunk_list(config(more)).splitlines()[1:] == [
        "1 198.51.100.0 24 0 503/-",
        "1 2001:db8::7 128 0 503/-",
        "1 203.0.113.9 32 0 486/-",
        "1 203.0.113.10 32 0 503/30",
    ]


def test_tls_is_1_2_or_newer_and_certificates_of_others_are_verified() -> None:
    """Certificates of authorities are read only where a trunk speaks TLS: that costs seconds."""
    plain = render(config(TLS)).files["tls.cfg"]
    assert plain.count("method = TLSv1.2+") == 2
    assert "certificate = /srv/c.pem" in plain
    assert "ca_list" not in plain
    more = TLS + "trunks: {a: {servers: sip.example, transport: tls}}\n"
    assert "ca_list = /etc/ssl/certs/ca-certificates.crt" in render(config(more)).files["tls.cfg"]
    assert "tls.cfg" not in render(config()).files


def test_a_user_agent_cannot_break_out_of_its_quotes() -> None:
    """What stands in the YAML is text, never script."""
    sip = """, user_agent: 'x"; route { exit; }'"""
    assert '\nuser_agent_header="User-Agent: x; route { exit; }"\n' in text(sip=sip)


def test_files_are_written_for_the_owner_only(tmp_path: Path) -> None:
    """Rendered twice, they are as the second time said."""
    for _ in range(2):
        render(config(TLS), folder=tmp_path).write(tmp_path)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["kamailio.cfg", "tls.cfg", "trunks.list"]
    assert all(each.stat().st_mode & 0o077 == 0 for each in tmp_path.iterdir())
    assert f'"{tmp_path}/trunks.list"' in (tmp_path / "kamailio.cfg").read_text()


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("sip: {front: kamailio}\n", "give limits.calls"),
        ("limits: {calls: 4}\nsip: {front: kamailio, udp_port: 5062}\n", "5062"),
        ("phones: {anna: {password: x}}\n", "expected sip.front: kamailio"),
        ("front: {tls_key: k.pem}\n", "tls_key needs tls_certificate"),
        ("front: {tls_certificate: k.pem}\n", "tls_certificate needs tls_key"),
        ("sip: {front: kamailio}\nlimits: {calls: 4}\nphones: {anna: {}}\n", "no password"),
        ("sip: {front: kamailio}\nlimits: {calls: 4}\nphones: {'a b': {password: x}}\n", "a b"),
    ],
)
def test_what_cannot_work_is_said_with_its_place(tmp_path: Path, more: str, wrong: str) -> None:
    """Each mistake is an error of the file, not of Kamailio."""
    path = tmp_path / "c.yaml"
    path.write_text(
        "agents: {a: {greeting: Hello., instructions: Help.}}\ndialplan: [{agent: a}]\n" + more
    )
    with pytest.raises(ConfigError, match=re.escape(wrong)):
        load_config(path)
