"""Say how the switchboard is and whether a call that came now would be answered.

Shows processes, UA workers, engines and calls. Exit code 0 if a call would be answered, else 1.

  cordboard status               what is going on now
  cordboard status --wait 120    return as soon as a call would be answered, at most 120 s
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import time

from edge.client_messages import Status, StatusRequest
from edge.commands.options import add_config_argument, chosen_config
from edge.commands.terminal import printable
from media import RemoteError
from media.link import connect
from media.paths import socket_address

HELP = "say how the switchboard is and whether a call would be answered"
POLL_S = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="wait until a call would be answered, at most so long",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the status; 0 if a call would be answered.

    Raises:
        ConfigError: the configuration is wrong.
    """
    address = socket_address(chosen_config(args), "edge")
    deadline = time.monotonic() + (args.wait or 0)
    said = ""
    while True:
        status = asyncio.run(ask(address))
        if status is not None and status.ready:
            break
        why = "the service is not running" if status is None else status.reason
        if time.monotonic() >= deadline:
            break
        if why != said and not args.json:
            print(f"waiting: {why}", file=sys.stderr)
            said = why
        time.sleep(min(POLL_S, max(deadline - time.monotonic(), 0.01)))
    print(as_json(status) if args.json else as_text(status))
    return 0 if status is not None and status.ready else 1


async def ask(address: str) -> Status | None:
    """Ask the control process; None where it does not answer."""
    try:
        link = await connect(address, role="client", on_message=lambda *_: None)
    except OSError:
        return None
    try:
        answer = await link.request(StatusRequest(), 2.0)
    except RemoteError:
        return None
    finally:
        link.close()
    return answer if isinstance(answer, Status) else None


def as_json(status: Status | None) -> str:
    """Return the status as one JSON object."""
    if status is None:
        return json.dumps({"running": False, "ready": False, "reason": "not running"})
    return json.dumps({"running": True, **dataclasses.asdict(status)}, ensure_ascii=False)


def as_text(status: Status | None) -> str:
    """Return the status for people."""
    if status is None:
        return "not running: nobody answers on the edge socket (start it with 'cordboard serve')"
    verdict = "ready" if status.ready else f"not ready: {status.reason}"
    lines = [f"{verdict}  (up {_duration(status.uptime_s)}, {_lines_in_use(status)})", ""]
    for process in status.processes:
        state = f"up   pid {process.pid}" if process.up else "down"
        lines.append(f"  {process.role:<7} {state:<16} {process.detail}".rstrip())
    for worker in status.workers:
        state = f"{worker.state} pid {worker.pid}" if worker.pid else worker.state
        detail = f"legs {worker.legs}/{worker.slots}, UDP {worker.udp_port}"
        if worker.drained:
            detail += ", drained"
        if worker.starts > 1:
            detail += f", start {worker.starts} ({worker.last_reason})"
        lines.append(f"  {f'ua {worker.number}':<7} {state:<16} {detail}")
    for job, engine in sorted(status.engines.items()):
        lines.append(f"  {job:<7} {engine}")
    if status.ladder != "normal":
        lines.append(f"  load    given up for it: {status.ladder.replace('_', ' ')}")
    if status.records_failing:
        lines.append(
            "  records the database refuses writes; they are kept in the spool file or rejected"
        )
    for call in status.calls:
        lines.append(
            f"  call    {call.call_id}  {call.state:<10} {call.duration_s:>5} s  "
            f"{call.caller} -> {call.called} ({call.agent})"
        )
    return "\n".join(printable(each) for each in lines)


def _lines_in_use(status: Status) -> str:
    return f"{len(status.calls)} of {status.limit} lines in use"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
