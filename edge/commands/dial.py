"""Have a persona call somebody over a trunk, within the trunk's limits.

  cordboard dial --agent reminder --to +4930123456 --var name=Smith --var day=Monday

The call's record has direction outbound. With --wait the command says how the call ended and exits
with 0 only if it was answered.
"""

from __future__ import annotations

import argparse
import asyncio

from edge.client_messages import CallAnsweredNews, CallEndedNews, Subscribe
from edge.commands.options import add_config_argument, chosen_config
from edge.commands.terminal import printable
from edge.trunks.ask import NotRunningError
from edge.trunks.messages import CallPlaced, PlaceCall
from media import ConfigError, RemoteError
from media.config.read import did_you_mean
from media.link import connect
from media.messages import Message
from media.paths import socket_address

HELP = "have a persona call somebody over a trunk"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--agent", required=True, help="persona that talks")
    parser.add_argument("--to", required=True, metavar="NUMBER", help="as +4930123456")
    parser.add_argument(
        "--from", dest="caller", default="", metavar="NUMBER", help="number to show"
    )
    parser.add_argument("--trunk", default="", help="over which trunk, where there are several")
    parser.add_argument(
        "--var", action="append", default=[], metavar="KEY=VALUE", help="told to the persona"
    )
    parser.add_argument("--wait", action="store_true", help="wait for the end of the call")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Place the call.

    Raises:
        ConfigError: the configuration or a --var is wrong.
        RemoteError: the service is not running, or refuses.
    """
    variables: dict[str, str] = {}
    for each in args.var:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise ConfigError([f"--var {each}: expected KEY=VALUE"])
        variables[key] = value
    asked = PlaceCall(args.agent, args.to, args.caller, args.trunk, variables)
    config = chosen_config(args)
    try:
        return asyncio.run(_dial(socket_address(config, "edge"), asked, args.wait))
    except RemoteError as error:
        if error.sip_status != 404 or args.agent in config.agents:
            raise
        hint = did_you_mean(args.agent, config.agents)
        raise RemoteError(f"{error}{hint}", error.sip_status) from error


async def _dial(address: str, asked: PlaceCall, wait: bool) -> int:
    news: asyncio.Queue[Message] = asyncio.Queue()
    try:
        link = await connect(
            address, role="client", on_message=lambda _, message, __: news.put_nowait(message)
        )
    except OSError as error:
        raise NotRunningError("the service is not running", 503) from error
    try:
        if wait:
            await link.request(Subscribe())
        placed = await link.request(asked)
        assert isinstance(placed, CallPlaced)
        print(f"{placed.call_id} over {placed.trunk}", flush=True)
        return await _follow(news, placed) if wait else 0
    finally:
        link.close()


async def _follow(news: asyncio.Queue[Message], placed: CallPlaced) -> int:
    answered = False
    while True:
        message = await news.get()
        if getattr(message, "call_id", None) != placed.call_id:
            continue
        if isinstance(message, CallAnsweredNews):
            answered = True
            print("answered", flush=True)
        elif isinstance(message, CallEndedNews):
            cause = f": {message.cause}" if message.cause else ""
            length = f"{message.duration_ms / 1_000:.0f} s, "
            ending = f"{message.reason} ({message.sip_status}, by {message.ended_by})"
            print(printable(f"{length}{ending}{cause}"))
            return 0 if answered else 1
