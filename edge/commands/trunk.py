"""Ask the far end of a trunk what it can do, and print the YAML for it.

cordboard trunk probe NAME     OPTIONS to every server: methods, extensions, codecs, DTMF
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from edge.commands.options import add_config_argument, chosen_config
from edge.trunks.ask import ask_edge
from edge.trunks.messages import ProbeTrunk, TrunkProbed
from edge.trunks.probe import report
from media import RemoteError
from media.paths import socket_address

HELP = "ask the far end of a trunk what it can do, and print the YAML for it"
TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", choices=("probe",))
    parser.add_argument("name", help="of the trunk")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Probe; 0 if some server answered.

    Raises:
        ConfigError: the configuration is wrong.
    """
    config = chosen_config(args)
    address = socket_address(config, "edge")
    try:
        answer = asyncio.run(ask_edge(address, ProbeTrunk(args.name), TIMEOUT_S))
    except RemoteError as error:
        print(error, file=sys.stderr)
        return 1
    assert isinstance(answer, TrunkProbed)
    print(report(answer, config.trunks[args.name]))
    return 0 if any(each.sip_status for each in answer.servers) else 1
