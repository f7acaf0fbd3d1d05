"""Show the queues as a wallboard, change what people do and who takes part in a talk.

cordboard queue show                 a wallboard that refreshes; Ctrl-C ends it
cordboard queue show --once          the same, once
cordboard queue join ann             on duty (leave: off duty)
cordboard queue pause ann            no calls for a while (unpause: calls again)
cordboard queue wrap-up ann 30       30 more seconds after a call; 0 ends it
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
import sys
import time

from edge.commands.options import add_config_argument, chosen_config
from edge.queues.messages import (
    ChangeDuty,
    ChangeTalk,
    Duty,
    PersonView,
    QueueStatus,
    QueueStatusRequest,
    QueueView,
    TalkChange,
)
from media import RemoteError
from media.link import connect
from media.messages import CallId, Message
from media.paths import socket_address

HELP = "show the queues, change who is on duty and who takes part in a talk"
REFRESH_S = 1.0
_CLEAR = "\x1b[H\x1b[2J"


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
        asyncio.run(_ask(address, change))
        return 0
    while True:
        status = asyncio.run(_ask(address, QueueStatusRequest()))
        assert isinstance(status, QueueStatus)
        if args.json:
            print(json.dumps(dataclasses.asdict(status), ensure_ascii=False))
            return 0
        board = wallboard(status)
        if args.once or not sys.stdout.isatty():
            print(board)
            return 0
        print(f"{_CLEAR}{board}\n\n{time.strftime('%H:%M:%S')}", flush=True)
        time.sleep(REFRESH_S)


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


def wallboard(status: QueueStatus) -> str:
    """Return the queues and people as text."""
    if not status.queues:
        return "no queues are configured"
    people = {each.name: each for each in status.people}
    blocks = [_queue(each, people) for each in status.queues]
    return "\n\n".join(blocks + [_people(status.people)])


def _queue(queue: QueueView, people: dict[str, PersonView]) -> str:
    level = "-" if queue.service_level is None else f"{queue.service_level:.0%}"
    wait = "-" if queue.mean_wait_s is None else f"{queue.mean_wait_s:.0f} s"
    free = sum(people[name].state == "idle" for name in queue.people if name in people)
    lines = [
        f"{queue.name.upper()}  {'open' if queue.open else 'closed'}, {queue.strategy}, "
        f"{free} of {len(queue.people)} free",
        f"  waiting {len(queue.waiting)}   answered {queue.answered} of {queue.offered}   "
        f"left {queue.abandoned}   sent back {queue.sent_back}   mean wait {wait}   "
        f"within {queue.service_level_s:g} s {level}",
    ]
    for each in queue.waiting:
        ringing = f"  ringing {', '.join(each.ringing)}" if each.ringing else ""
        lines.append(f"  {each.position:>3}. {each.call_id}  {_span(each.waited_s)}{ringing}")
    return "\n".join(lines)


def _people(people: tuple[PersonView, ...]) -> str:
    width = max((len(each.name) for each in people), default=0)
    lines = ["PEOPLE"]
    for each in people:
        left = f" ({each.left_s} s left)" if each.left_s is not None else ""
        call = f"  {each.call_id}" if each.call_id else ""
        lines.append(
            f"  {each.name:<{width}}  {each.state:<8} {_span(each.state_s)}{left}  "
            f"{each.calls_taken} calls{call}"
        )
    return "\n".join(lines)


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest:02}"
