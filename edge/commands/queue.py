"""Show the queues as a wallboard, change what people do and who takes part in a talk.

cordboard queue show                 a wallboard that refreshes; Ctrl-C ends it
cordboard queue show --once          the same, once
cordboard queue join ann             on duty (leave: off duty)
cordboard queue pause ann            no calls for a while (unpause: calls again)
cordboard queue wrap-up ann 30       30 more seconds after the call, or after the next; 0 ends it
cordboard queue consult CALL [bob]   a second person for who talks in a call; the caller waits
cordboard queue three-way CALL [bob] the same, all three hear each other
cordboard queue complete CALL        the first person leaves the two alone
cordboard queue cancel CALL          the second person leaves
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
from edge.commands.wallboard import Line, board, headline, person_now, screen, wallboard
from edge.queues.messages import (
    ChangeDuty,
    ChangeTalk,
    Duty,
    PersonView,
    QueueStatus,
    QueueStatusRequest,
    TalkChange,
)
from media import RemoteError
from media.link import connect
from media.messages import CallId, Message
from media.paths import socket_address

HELP = "show the queues, change who is on duty and who takes part in a talk"
REFRESH_S = 1.0
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""To the other screen of the terminal, without a cursor."""
_TALKS = {
    TalkChange.CONSULT: "a second person is looked for, the caller waits",
    TalkChange.THREE_WAY: "a second person joins as soon as they answer",
    TalkChange.COMPLETE: "the first person leaves, caller and second person go on",
    TalkChange.CANCEL: "the second person is released",
}
_LEAVE = "\x1b[?25h\x1b[?1049l"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", choices=("show", *Duty, *TalkChange))
    parser.add_argument("who", nargs="?", help="name under people, or the id of a call")
    parser.add_argument("more", nargs="?", default="", help="seconds of a wrap-up, or a person")
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
        change = _change(args.what, args.who, args.more)
        if change is None:
            wanted = "a call" if args.what in set(TalkChange) else "a person, and whole seconds"
            print(f"cordboard queue {args.what}: name {wanted}", file=sys.stderr)
            return 2
        now = asyncio.run(_ask(address, change))
        if args.json:
            print(json.dumps(dataclasses.asdict(now), ensure_ascii=False))
        elif isinstance(now, PersonView):
            print(person_now(now))
        else:
            print(f"{args.who}: {_TALKS[TalkChange(args.what)]}")
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


def _change(what: str, who: str | None, more: str) -> Message | None:
    if not who:
        return None
    if what in set(TalkChange):
        return ChangeTalk(CallId(who), TalkChange(what), more)
    if not (more or "0").isdecimal():
        return None
    return ChangeDuty(who, Duty(what), int(more or 0))


async def _ask(address: str, message: Message) -> Message:
    try:
        link = await connect(address, role="client", on_message=lambda *_: None)
    except OSError as error:
        raise RemoteError("the service is not running") from error
    try:
        return await link.request(message, 3.0)
    finally:
        link.close()
