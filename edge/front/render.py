"""Render Kamailio's files from the configuration (pure: nothing is read but what is given).

The routes are :file:`kamailio.cfg` beside this module, readable as they are; what differs from one
installation to the next is a header of listening sockets and defines, and the words in angle
brackets. There is no database and no secret in any of the files: passwords are told over the
control socket (:mod:`edge.front.board`), where a reload can change them without a restart.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge.front.addresses import (
    WORKER_ADDRESS,
    bracketed,
    front_host,
    front_host_ip6,
    is_wildcard,
    rpc_socket,
    run_dir,
)
from edge.front.refusals import NOTES
from edge.front.users import refusal_tag
from media import LocalError
from media.config.model import Config
from media.config.trunks import Transport

ANSWER_GRACE_MS = 5_000
"""A worker whose control answers in time is never timed out by Kamailio."""
_LEVELS = {"debug": 2, "info": 1, "warning": 0, "error": -1}
"""Kamailio's: 2 info, 1 notice, 0 warning, -1 error; its debug level is for its makers."""
TRUNK_LIST = "trunks.list"
_CHILDREN = 4
_CONTACTS = 4
"""Phones under one name that ring together."""
_WORD = re.compile(r"<([A-Z][A-Z_]*)>")
_UNSAFE = re.compile(r'["\\\r\n]')


@dataclass(frozen=True, slots=True)
class Rendered:
    """Kamailio's files by name."""

    files: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write the files; readable by the owner only."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            _write(folder / name, text)


def render(config: Config, addresses: Sequence[str] = (), folder: Path | None = None) -> Rendered:
    """Return all files.

    Args:
        config: loaded, its paths absolute.
        addresses: all of the machine's, listened on where ``sip.address`` is a wildcard; Kamailio
            would write the wildcard itself into Via and Record-Route.
        folder: where the files will be; none takes the run directory.
    """
    folder = folder or run_dir(config)
    words = _words(config, folder)

    def fill(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise LocalError(f"kamailio.cfg: no value for <{match[1]}>")
        return words[match[1]]

    head = ["#!KAMAILIO", "# Rendered by 'cordboard render kamailio': changes here are lost.", ""]
    head += [f"#!define {each}" for each in _defines(config)]
    head += [*_listen_lines(config, addresses), ""]
    files = {
        "kamailio.cfg": "\n".join(head) + "\n" + _WORD.sub(fill, _routes()),
        TRUNK_LIST: trunk_list(config),
    }
    if _has_tls(config):
        files["tls.cfg"] = _tls_text(config)
    return Rendered(files)


def trunk_list(config: Config) -> str:
    """Return the sources of all trunks, each with what a full house is answered with.

    The format is that of Kamailio's permissions module: group, address, mask, port, tag. The tag
    is ``STATUS/SECONDS`` of the trunk's ``full``, ``-`` where ``limits.retry_after_s`` holds.
    """
    lines = ["# group address mask port status/retry-after"]
    for trunk in config.trunks.values():
        tag = refusal_tag(trunk.full)
        for source in trunk.sources:
            network = ipaddress.ip_network(source)
            lines.append(f"1 {network.network_address} {network.prefixlen} 0 {tag}")
    return "\n".join(lines) + "\n"


def write_trunk_list(config: Config) -> None:
    """Write the list anew where Kamailio reads it."""
    _write(run_dir(config) / TRUNK_LIST, trunk_list(config))


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


@cache
def _routes() -> str:
    return Path(__file__).with_name("kamailio.cfg").read_text(encoding="utf-8")


def _has_tls(config: Config) -> bool:
    return config.front.tls_certificate is not None


def _defines(config: Config) -> list[str]:
    defines = []
    if not is_wildcard(config.sip.address):
        defines.append("PIN_SOCKET")
    if front_host_ip6(config) is not None:
        defines.append("WITH_IP6")
    if config.sip.tcp_port is not None:
        defines.append("WITH_TCP")
    if _has_tls(config):
        defines.append("WITH_TLS")
    return defines


def _ports(config: Config) -> list[tuple[str, int]]:
    ports = [("udp", config.sip.udp_port)]
    if config.sip.tcp_port is not None:
        ports.append(("tcp", config.sip.tcp_port))
    if _has_tls(config):
        ports.append(("tls", config.front.tls_port))
    return ports


def _listen_lines(config: Config, addresses: Sequence[str]) -> list[str]:
    sip = config.sip
    hosts = addresses if is_wildcard(sip.address) else (sip.address,)
    lines = ["enable_tls=yes"] if _has_tls(config) else []
    for host in hosts:
        for protocol, port in _ports(config):
            line = f"listen={protocol}:{bracketed(host)}:{port}"
            if sip.public_address is not None and not ipaddress.ip_address(host).is_loopback:
                line += f" advertise {bracketed(sip.public_address)}:{port}"
            lines.append(line)
    # one process only: two could send a worker's 180 after its 200
    lines.append("socket_workers=1")
    lines.append(f"listen=udp:{WORKER_ADDRESS}:{config.front.worker_port}")
    names = dict.fromkeys((front_host(config), front_host_ip6(config) or front_host(config)))
    lines += [f'alias="{bracketed(each)}:{sip.udp_port}"' for each in names]
    return lines


def _words(config: Config, folder: Path) -> dict[str, str]:
    sip, front = config.sip, config.front
    host = bracketed(sip.address)
    return {
        "LOG_LEVEL": str(_LEVELS[config.log.level]),
        "CHILDREN": str(_CHILDREN),
        "CONTACTS": str(_CONTACTS),
        "MULTIHOMED": "1" if is_wildcard(sip.address) else "0",
        "USER_AGENT": _UNSAFE.sub("", sip.user_agent),
        "RUN_DIR": str(folder),
        "RPC_SOCKET": str(rpc_socket(config)),
        "HOST": bracketed(front_host(config)),
        "CONTACT_HOST": re.escape(f"{bracketed(front_host(config))}:{sip.udp_port}"),
        "HOST_SIX": f"[{front_host_ip6(config)}]:{sip.udp_port}",
        "WORKER_PORT": str(front.worker_port),
        "UDP_SOCKET": f"udp:{host}:{sip.udp_port}",
        "TCP_SOCKET": f"tcp:{host}:{sip.tcp_port}",
        "TLS_SOCKET": f"tls:{host}:{front.tls_port}",
        "NOTES": str(NOTES),
        "REGISTRATION_S": str(front.registration_s),
        "FLOOD_REQUESTS": str(front.flood_requests),
        "REFUSALS": str(front.refusals),
        "WRONG_PASSWORDS": str(front.wrong_passwords),
        "BAN_S": str(front.ban_s),
        "ANSWER_MS": str(sip.answer_timeout_ms + ANSWER_GRACE_MS),
    }


def _tls_text(config: Config) -> str:
    text = f"""[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = {config.front.tls_certificate}
private_key = {config.front.tls_key}

[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
"""
    if any(each.transport is Transport.TLS for each in config.trunks.values()):
        # read once for each of its processes, which costs seconds: only where it is needed
        text += f"ca_list = {config.front.tls_ca}\n"
    return text
