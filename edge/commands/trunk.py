"""Ask the far end of a trunk what it can do, and print the YAML for it.

cordboard trunk probe NAME                  OPTIONS to every server: methods, extensions, codecs
cordboard trunk probe NAME --call NUMBER    and one call: early media, PRACK, timers, codecs, DTMF

The call counts against the trunk's limits and may cost what a call costs. It is ended as soon as it
is answered and taken back when it has rung for --ring seconds; who is called sees a missed call.
"""

from __future__ import annotations

import argparse
import asyncio

from edge.commands.options import add_config_argument, chosen_config
from edge.trunks.ask import ask_edge
from edge.trunks.messages import ProbeTrunk, TrunkProbed
from edge.trunks.probe import report
from media.config.trunks import TrunkConfig
from media.paths import socket_address

HELP = "ask the far end of a trunk what it can do, and print the YAML for it"
TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", choices=("probe",))
    parser.add_argument("name", help="of the trunk")
    parser.add_argument(
        "--call",
        metavar="NUMBER",
        default="",
        help="call this number, too, and hang up: shows what OPTIONS does not tell",
    )
    parser.add_argument(
        "--ring",
        type=_seconds,
        metavar="S",
        default=20.0,
        help="how long it may ring, 1 to 120 seconds; 20 without",
    )
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Probe; 0 if some server answered, and the called one where a number was called.

    Raises:
        ConfigError: the configuration is wrong.
        RemoteError: the service is not running, or knows no such trunk.
    """
    config = chosen_config(args)
    address = socket_address(config, "edge")
    asked = ProbeTrunk(args.name, args.call, args.ring)
    timeout_s = TIMEOUT_S + (args.ring if args.call else 0)
    answer = asyncio.run(ask_edge(address, asked, timeout_s))
    assert isinstance(answer, TrunkProbed)
    print(report(answer, config.trunks.get(args.name, TrunkConfig())))
    heard = any(each.sip_status for each in answer.servers)
    answered = all(each.sip_status == 200 for each in answer.calls)
    return 0 if answered and (heard or answer.calls) else 1


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 120:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 120 seconds")
    return seconds
