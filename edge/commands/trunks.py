"""Say how the trunks are: calls, servers, registrations, the last error.

cordboard trunks               one line a server
cordboard trunk probe NAME     ask the far end what it can do, print YAML for it
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json

from edge.commands.options import add_config_argument, chosen_config
from edge.commands.terminal import printable_lines
from edge.trunks.ask import ask_edge
from edge.trunks.messages import ServerStatus, Trunks, TrunksRequest, TrunkStatus
from media.paths import socket_address

HELP = "say how the trunks are: calls, servers, registrations, the last error"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the trunks; 0 unless a server is down or a registration is missing.

    Raises:
        ConfigError: the configuration is wrong.
        RemoteError: the service is not running.
    """
    address = socket_address(chosen_config(args), "edge")
    answer = asyncio.run(ask_edge(address, TrunksRequest()))
    assert isinstance(answer, Trunks)
    if args.json:
        print(json.dumps(dataclasses.asdict(answer), ensure_ascii=False))
    else:
        print(printable_lines(as_text(answer)))
    return 0 if all(is_well(each) for each in answer.trunks) else 1


def is_well(trunk: TrunkStatus) -> bool:
    """Say whether calls can go out, where the trunk has servers at all."""
    if trunk.unresolved:
        return False
    up = [each for each in trunk.servers if each.state != "down"]
    registered = [each for each in up if each.registration in ("", "registered")]
    return bool(registered) or not trunk.servers


def as_text(trunks: Trunks) -> str:
    """Return the trunks for people."""
    if not trunks.trunks:
        return f"no trunks; a caller from anywhere: {trunks.unknown_source}"
    lines = []
    for trunk in trunks.trunks:
        limit = f" of {trunk.limit}" if trunk.limit is not None else ""
        description = f"  {trunk.description}" if trunk.description else ""
        lines.append(f"{trunk.name}  {trunk.calls}{limit} calls{description}")
        lines += [f"  {_server_text(each)}" for each in trunk.servers]
        lines += [f"  {name}  has no address" for name in trunk.unresolved]
    lines.append(f"a caller from no trunk: {trunks.unknown_source}")
    return "\n".join(lines)


def _server_text(server: ServerStatus) -> str:
    name = "" if server.name in server.server else f" ({server.name})"
    parts = [f"{server.server}{name}", server.state]
    if server.round_trip_ms is not None:
        parts.append(f"{server.round_trip_ms} ms")
    if server.registration == "registered":
        parts.append(f"registered for {server.registered_for_s} s")
    elif server.registration:
        again = f", next attempt in {server.next_attempt_s} s" if server.next_attempt_s else ""
        parts.append(f"not registered{again}")
    if server.last_error:
        parts.append(f"last error: {server.last_error}")
    return "  ".join(parts)
