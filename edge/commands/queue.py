"""Show the queues as a wallboard, and change what people do.

cordboard queue show                 a wallboard that refreshes; Ctrl-C ends it
cordboard queue show --once          the same, once
cordboard queue join ann             on duty (leave: off duty)
cordboard queue pause ann            no calls for a while (unpause: calls again)
cordboard queue wrap-up ann 30       30 more seconds after a call; 0 ends it
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import sys
import time

from edge.commands.options import add_config_argument, chosen_config
from edge.commands.wallboard import Line, board, headline, screen, wallboard
from edge.queues.messages import ChangeDuty, Duty, QueueStatus, QueueStatusRequest
from media import RemoteError
from media.link import connect
from media.messages import Message
from media.paths import socket_address

HELP = "show the queues, change who is on duty"
REFRESH_S = 1.0
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""To the other screen of the terminal, without a cursor."""
_LEAVE = "\x1b[?25h\x1b[?1049l"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", choices=("show", *(each.value for each in Duty)))
    parser.add_argument("person", nargs="?", help="name under people")
    parser.add_argument("seconds", nargs="?", type=int, default=0, help="of a wrap-up")
    parser.add_argument("--once", action="store_true", help="show once and end")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Show or change.

    Raises:
        ConfigError: the configuration is wrong.
        RemoteError: the service is not running, or refuses.
    """
    address = socket_address(chosen_config(args), "edge")
    if args.what != "show":
        if not args.person:
            print(f"cordboard queue {args.what}: name a person", file=sys.stderr)
            return 2
        asyncio.run(_ask(address, ChangeDuty(args.person, Duty(args.what), args.seconds)))
        return 0
    if args.json or args.once or not sys.stdout.isatty():
        status = asyncio.run(_ask(address, QueueStatusRequest()))
        assert isinstance(status, QueueStatus)
        as_json = json.dumps(dataclasses.asdict(status), ensure_ascii=False)
        print(as_json if args.json else wallboard(status))
        return 0
    sys.stdout.write(_ENTER)
    try:
        asyncio.run(_watch(address))
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
    return 0


async def _watch(address: str) -> None:
    """Draw the board each second; a service that is away is waited for."""
    color = "NO_COLOR" not in os.environ
    while True:
        clock = time.strftime("%H:%M:%S")
        try:
            status = await _ask(address, QueueStatusRequest())
            assert isinstance(status, QueueStatus)
            lines = [headline(status, clock), Line(""), *board(status)]
        except RemoteError as error:
            lines = [Line(f"{clock}  {error}; waiting for it", "alarm")]
        size = shutil.get_terminal_size()
        sys.stdout.write(screen(lines, size.columns, size.lines, color=color))
        sys.stdout.flush()
        await asyncio.sleep(REFRESH_S)


async def _ask(address: str, message: Message) -> Message:
    try:
        link = await connect(address, role="client", on_message=lambda *_: None)
    except OSError as error:
        raise RemoteError("the service is not running") from error
    try:
        return await link.request(message, 3.0)
    finally:
        link.close()
