"""Run the switchboard in the foreground: media, agent and edge, restarted when they die.

Stops cleanly on SIGTERM and Ctrl-C: callers get BYE, records are closed, exit code 0.
'cordboard status --wait 60' in another shell says when the first call would be answered.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from edge.commands.options import add_config_argument, config_path
from edge.front.program import find_kamailio
from edge.front.settings import is_fronted
from edge.supervisor import children, only_one, supervise, wait_for_sip_ports
from media.config.load import load_config
from media.log import configure_log

HELP = "run the switchboard in the foreground"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop.

    Raises:
        ConfigError: the configuration is wrong.
        StartError: it runs already, or a SIP port is taken.
        FrontError: Kamailio is wanted and not installed.
    """
    os.umask(0o077)  # records, recordings and sockets are for this user only
    path = config_path(args)
    config = load_config(path)
    fronted = is_fronted(config)
    if fronted:
        find_kamailio(config)
    with only_one(Path(config.run_dir)):
        wait_for_sip_ports(config)
        configure_log(config.log, "supervisor")  # what is wrong up to here is said to a person
        asyncio.run(supervise(children(path, fronted=fronted)))
    return 0
