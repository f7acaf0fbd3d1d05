"""Turn what a carrier said to OPTIONS, and to a call, into a trunk's YAML (sans-IO).

RFC 3261 section 11.2: a 200 to OPTIONS carries Allow, Accept, Supported and, where the server
likes, the SDP that it would answer with. Many carriers' servers leave some or all of it out, and
early media, timers and PRACK show in a call only; what was not said is a comment, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from edge import sdp
from edge.sdp_crypto import SECURE
from edge.trunks.messages import CallProbed, ServerProbed, TrunkProbed
from media.config.trunks import TrunkConfig

LEAST_EXPIRES_S = 90
"""RFC 4028 section 5: no session expires sooner."""
_OFF = '"off"'
"""Quoted: editors and YAML 1.1 take it for false otherwise."""
_OPTIONAL_METHODS = {
    "UPDATE": "session timers refresh without a new offer",
    "PRACK": "reliable provisional answers",
    "REFER": "hand-over by the carrier",
    "INFO": "DTMF by INFO",
}


def report(probed: TrunkProbed, trunk: TrunkConfig) -> str:
    """Return the YAML, with what was found out as comments."""
    how = "OPTIONS and a call" if probed.calls else "OPTIONS"
    lines = [f"# trunk {probed.trunk}, asked with {how}"]
    lines += [_server_line(each) for each in probed.servers]
    lines += [each for call in probed.calls for each in _call_lines(call)]
    said = [each.headers for each in probed.servers if each.headers]
    # what a call's own answers say is what holds in calls
    in_calls = [each.headers for each in probed.calls if each.headers]
    if not said and not in_calls:
        return "\n".join([*lines, "# no server answered: address, port, transport, firewall?"])
    allow = common(_tokens(each, "allow") for each in in_calls) or common(
        _tokens(each, "allow") for each in said
    )
    supported = common(_tokens(each, "supported") for each in in_calls)
    if supported is None:
        supported = common(_tokens(each, "supported") for each in said)
    lines += _comments(allow, supported, bool(in_calls))
    lines += ["trunks:", f"  {probed.trunk}:"]
    servers = ", ".join(f'"{each}"' for each in trunk.servers)
    lines.append(f"    servers: [{servers}]")
    lines.append(f"    transport: {trunk.transport}")
    bodies = [*(each.body for each in probed.calls), *(each.body for each in probed.servers)]
    lines += _codec_lines([each for each in bodies if each.strip()], bool(in_calls))
    lines.append(f"    session_timers: {{{_timers(probed.calls, supported)}}}")
    reliable = any(each.reliable for each in probed.calls)
    reliable = reliable or supported is None or "100rel" in supported
    lines.append(f"    rel100: {'supported' if reliable else _OFF}")
    refers = allow is not None and "REFER" in allow
    replaces = supported is not None and "replaces" in supported
    lines.append(f"    transfer: {'auto' if refers and replaces else 'bridge'}")
    return "\n".join(lines)


def common(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """Return what all servers have that said anything, None where none did."""
    said = [each for each in sets if each is not None]
    return frozenset.intersection(*said) if said else None


def _tokens(headers: Mapping[str, str], header: str) -> frozenset[str] | None:
    if header not in headers:
        return None
    return frozenset(each.strip() for each in headers[header].split(",") if each.strip())


def _server_line(server: ServerProbed) -> str:
    if not server.headers:
        return f"# {server.server}: no answer"
    who = server.headers.get("server") or server.headers.get("user-agent") or "unnamed"
    return f"# {server.server}: {server.sip_status} in {server.round_trip_ms} ms, {who}"


def _call_lines(call: CallProbed) -> list[str]:
    end = f"{call.sip_status} {call.reason}".strip()
    lines = [f"# call of {call.number} over {call.server}: {end}"]
    if call.provisional:
        reliable = ", reliable (PRACK)" if call.reliable else ""
        shown = ", ".join(call.provisional)
        lines.append(f"#   {shown}{reliable}, the first after {call.ringing_ms} ms")
        media = "early media: SDP before the answer" if call.early_media else "no early media"
        lines.append(f"#   {media}")
    else:
        lines.append("#   nothing before the final answer, so nothing is known of early media")
    if call.answered_ms is not None:
        lines.append(f"#   answered after {call.answered_ms} ms, ended by us at once")
    elif call.sip_status == 487:
        lines.append("#   not answered, taken back by us")
    elif call.sip_status == 408:
        lines.append("#   no final answer came")
    elif call.sip_status >= 300:
        lines.append("#   not answered: what only a 200 shows (timers, codecs) is from OPTIONS")
    return lines


def _timers(calls: Iterable[CallProbed], supported: frozenset[str] | None) -> str:
    """Return the settings of RFC 4028: what a 200 granted, else what is said to be supported."""
    for call in calls:
        granted = re.match(r"\s*(\d+)", call.headers.get("session-expires", ""))
        if granted:
            return f"mode: supported, expires_s: {max(int(granted[1]), LEAST_EXPIRES_S)}"
    return f"mode: {'supported' if supported is None or 'timer' in supported else _OFF}"


def _comments(
    allow: frozenset[str] | None, supported: frozenset[str] | None, called: bool
) -> list[str]:
    unsaid = "was not said, not in the call either" if called else "was not said; --call shows it"
    if allow is None:
        lines = [f"# Allow {unsaid}"]
    else:
        lines = [f"# methods: {', '.join(sorted(allow))}"]
        missing = [each for each in _OPTIONAL_METHODS if each not in allow]
        lines += [f"# without {each}: no {_OPTIONAL_METHODS[each]}" for each in missing]
    if supported is None:
        lines.append(f"# Supported {unsaid}")
    else:
        lines.append(f"# extensions: {', '.join(sorted(supported)) or 'none'}")
    if not called:
        lines.append("# early media cannot be asked for; --call NUMBER shows it")
    return lines


def _codec_lines(bodies: Sequence[str], called: bool) -> list[str]:
    for body in bodies:
        try:
            audio = sdp.parse(body).audio()
        except sdp.SdpError as error:
            return [f"    # its SDP cannot be read: {error}"]
        names = list(audio.encodings().values())
        ours = [each for each in names if each in sdp.CODECS]
        lines = [f"    # codecs in its SDP: {', '.join(names) or 'none of 8 kHz'}"]
        if ptime := audio.attribute("ptime"):
            lines.append(f"    # it sends packets of {ptime.strip()} ms")
        if ours:
            lines.append(f"    codecs: [{', '.join(ours)}]")
        known = "TELEPHONE-EVENT" in names
        lines.append(f"    dtmf: {'rfc4733' if known else 'info'}")
        if audio.protocol in SECURE or audio.values("crypto"):
            lines.append(f"    srtp: {'required' if audio.protocol in SECURE else 'optional'}")
        return lines
    unsaid = "were not shown" if called else "were not said; --call shows them"
    return [f"    # codecs and DTMF {unsaid}; PCMA, PCMU and rfc4733 are what carriers have"]
