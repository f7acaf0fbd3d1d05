"""Turn what a carrier said to OPTIONS into a trunk's YAML (sans-IO).

RFC 3261 section 11.2: a 200 to OPTIONS carries Allow, Accept, Supported and, where the server
likes, the SDP that it would answer with. Many carriers' servers leave some or all of it out; what
was not said is a comment, not a guess.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge import sdp
from edge.sdp_crypto import SECURE
from edge.trunks.messages import ServerProbed, TrunkProbed
from media.config.trunks import TrunkConfig

_OPTIONAL_METHODS = {
    "UPDATE": "session timers refresh without a new offer",
    "PRACK": "reliable provisional answers",
    "REFER": "hand-over by the carrier",
    "INFO": "DTMF by INFO",
}


def report(probed: TrunkProbed, trunk: TrunkConfig) -> str:
    """Return the YAML, with what was found out as comments."""
    lines = [f"# trunk {probed.trunk}, asked with OPTIONS"]
    lines += [_server_line(each) for each in probed.servers]
    answered = [each for each in probed.servers if each.headers]
    if not answered:
        return "\n".join([*lines, "# no server answered: address, port, transport, firewall?"])
    allow = common(_tokens(each, "allow") for each in answered)
    supported = common(_tokens(each, "supported") for each in answered)
    lines += _comments(allow, supported)
    lines += ["trunks:", f"  {probed.trunk}:"]
    servers = ", ".join(f'"{each}"' for each in trunk.servers)
    lines.append(f"    servers: [{servers}]")
    lines.append(f"    transport: {trunk.transport}")
    lines += _codec_lines(answered)
    timers = "supported" if supported is None or "timer" in supported else "off"
    lines.append(f"    session_timers: {{mode: {timers}}}")
    reliable = supported is None or "100rel" in supported
    lines.append(f"    rel100: {'supported' if reliable else 'off'}")
    refers = allow is not None and "REFER" in allow
    replaces = supported is not None and "replaces" in supported
    lines.append(f"    transfer: {'auto' if refers and replaces else 'bridge'}")
    return "\n".join(lines)


def common(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """Return what all servers have that said anything, None where none did."""
    said = [each for each in sets if each is not None]
    return frozenset.intersection(*said) if said else None


def _tokens(server: ServerProbed, header: str) -> frozenset[str] | None:
    if header not in server.headers:
        return None
    return frozenset(each.strip() for each in server.headers[header].split(",") if each.strip())


def _server_line(server: ServerProbed) -> str:
    if not server.headers:
        return f"# {server.server}: no answer"
    who = server.headers.get("server") or server.headers.get("user-agent") or "unnamed"
    return f"# {server.server}: {server.sip_status} in {server.round_trip_ms} ms, {who}"


def _comments(allow: frozenset[str] | None, supported: frozenset[str] | None) -> list[str]:
    if allow is None:
        lines = ["# Allow was not said; a call will show it"]
    else:
        lines = [f"# methods: {', '.join(sorted(allow))}"]
        missing = [each for each in _OPTIONAL_METHODS if each not in allow]
        lines += [f"# without {each}: no {_OPTIONAL_METHODS[each]}" for each in missing]
    if supported is None:
        lines.append("# Supported was not said; a call will show it")
    else:
        lines.append(f"# extensions: {', '.join(sorted(supported)) or 'none'}")
    lines.append("# early media cannot be asked for; a call that rings shows it")
    return lines


def _codec_lines(servers: list[ServerProbed]) -> list[str]:
    for server in servers:
        if not server.body.strip():
            continue
        try:
            audio = sdp.parse(server.body).audio()
        except sdp.SdpError as error:
            return [f"    # its SDP cannot be read: {error}"]
        names = list(audio.encodings().values())
        ours = [each for each in names if each in sdp.CODECS]
        lines = [f"    # codecs in its SDP: {', '.join(names) or 'none of 8 kHz'}"]
        if ours:
            lines.append(f"    codecs: [{', '.join(ours)}]")
        known = "TELEPHONE-EVENT" in names
        lines.append(f"    dtmf: {'rfc4733' if known else 'info'}")
        if audio.protocol in SECURE or audio.values("crypto"):
            lines.append(f"    srtp: {'required' if audio.protocol in SECURE else 'optional'}")
        return lines
    return ["    # codecs and DTMF were not said; PCMA, PCMU and rfc4733 are what carriers have"]
