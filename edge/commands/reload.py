"""Read the configuration again, without touching a call.

The file is checked as a whole: one mistake, and nothing changes. What is different and what needs
a restart is printed. Exit code 0 if the new configuration is in force, 1 if the old one still is.

  cordboard reload               the same as SIGHUP to 'cordboard serve', with an answer
"""

from __future__ import annotations

import argparse
import asyncio

from edge.commands.options import add_config_argument, config_path
from edge.trunks.ask import ask_edge
from media import ConfigError, RemoteError
from media.config.load import read_config
from media.paths import socket_address
from media.reload_messages import ReloadConfig, Reloaded

HELP = "read the configuration again, without touching a call"
TIMEOUT_S = 150.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the running service to reload.

    Raises:
        ConfigError: not even the way to the service can be read from the file.
        RemoteError: the service is not running, or the old configuration is still in force.
    """
    # the file may be wrong, and still it says where the service is
    draft = read_config(config_path(args)).draft
    if draft is None:
        raise ConfigError([f"{config_path(args)}: cannot be read at all; nothing has changed"])
    try:
        answer = asyncio.run(ask_edge(socket_address(draft, "edge"), ReloadConfig(), TIMEOUT_S))
    except RemoteError as error:
        raise RemoteError(f"{error}\nnothing has changed", error.sip_status) from error
    assert isinstance(answer, Reloaded)
    print("\n".join(answer.changed) or "nothing is different")
    if answer.after_restart:
        print(f"after a restart: {', '.join(answer.after_restart)}")
    return 0
