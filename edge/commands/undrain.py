"""Let a UA worker that was drained take calls again."""

from __future__ import annotations

import argparse
import asyncio

from edge.commands.drain import set_drained
from edge.commands.options import add_config_argument, chosen_config
from media.paths import socket_address

HELP = "let a UA worker that was drained take calls again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("worker", type=int, help="number of the worker")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Return a worker.

    Raises:
        ConfigError: the configuration is wrong.
        RemoteError: the service does not know the worker.
    """
    address = socket_address(chosen_config(args), "edge")
    return asyncio.run(set_drained(address, args.worker, False, 0.0))
