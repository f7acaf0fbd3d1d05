"""Change when a caller's turn is over and what interrupts the agent, while people talk.

  cordboard tune preset=patient                       everybody's calls, now and to come
  cordboard tune --agent support complete_ms=500      one persona's
  cordboard tune --call 4f2a9c barge_in=false         one call, by the beginning or end of its id

The names are those under 'agents.NAME.turn' in the configuration, with the same checks. A preset
replaces every timing set before. What is changed holds until the configuration is read again.
"""

from __future__ import annotations

import argparse
import asyncio

from edge.client_messages import Status, StatusRequest
from edge.commands.options import add_config_argument, chosen_config
from media import ConfigError, RemoteError
from media.config.model import TurnConfig
from media.config.tuning import tuned
from media.link import connect
from media.load_messages import TuneTurns, TurnsTuned
from media.messages import CallId
from media.paths import socket_address

HELP = "change turn settings for calls in progress and to come"
TIMEOUT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "settings", nargs="+", metavar="NAME=VALUE", help="for example preset=patient"
    )
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--agent", metavar="NAME", help="one persona (default: all)")
    whom.add_argument("--call", metavar="ID", help="one call in progress")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Change the settings and print what holds now.

    Raises:
        ConfigError: the configuration or a setting is wrong.
        RemoteError: the service does not run, or refused.
    """
    settings = parse(args.settings)
    tuned(TurnConfig(), settings)
    done = asyncio.run(
        change(socket_address(chosen_config(args), "edge"), settings, args.agent, args.call)
    )
    for name, words in done.now.items():
        print(f"{'call ' if name in done.calls else 'agent'} {name}: {words}")
    return 0


def parse(words: list[str]) -> dict[str, str]:
    """Return settings from ``name=value`` words.

    Raises:
        ConfigError: a word is of another shape, or a name is given twice.
    """
    settings: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ConfigError([f'"{word}" is not NAME=VALUE; expected for example preset=patient'])
        if name in settings:
            raise ConfigError([f'"{name}" is given twice'])
        settings[name] = value
    return settings


async def change(
    address: str, settings: dict[str, str], agent: str | None, call: str | None
) -> TurnsTuned:
    """Ask the control process to pass the change on.

    Raises:
        RemoteError: nobody answers, or the change was refused.
    """
    try:
        link = await connect(address, role="client", on_message=lambda *_: None)
    except OSError as error:
        raise RemoteError("the service is not running") from error
    try:
        call_id = None
        if call is not None:
            status = await link.request(StatusRequest(), TIMEOUT_S)
            assert isinstance(status, Status)
            call_id = choose_call(call, [each.call_id for each in status.calls])
        answer = await link.request(TuneTurns(settings, agent, call_id), TIMEOUT_S)
    finally:
        link.close()
    assert isinstance(answer, TurnsTuned)
    return answer


def choose_call(wanted: str, calls: list[CallId]) -> CallId:
    """Return the one call whose id begins or ends so.

    Raises:
        RemoteError: none or several do.
    """
    found = [each for each in calls if each.startswith(wanted) or each.endswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(calls) or "none"
    raise RemoteError(
        f"{len(found) or 'no'} calls in progress are named {wanted!r}; in progress: {known}"
    )
