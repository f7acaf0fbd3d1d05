"""Write the configuration of a program that works beside Cordboard, for reading and checking.

  cordboard render kamailio              into the run directory, where 'serve' puts it too
  cordboard render kamailio --out DIR    into another folder

'cordboard serve' renders by itself; this is for those who want to see what Kamailio is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands.options import add_config_argument, chosen_config
from edge.front.addresses import run_dir
from edge.front.machine import local_addresses
from edge.front.program import check, find_kamailio
from edge.front.render import render

HELP = "write Kamailio's configuration and have Kamailio check it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("program", choices=("kamailio",), help="whose configuration")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write to")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Render, check, and say where the files are.

    Raises:
        ConfigError: the configuration is wrong.
        FrontError: Kamailio is not installed or refuses the files.
    """
    config = chosen_config(args)
    folder = args.out.resolve() if args.out is not None else run_dir(config)
    rendered = render(config, local_addresses(config.sip.address), folder)
    rendered.write(folder)
    for name in rendered.files:
        print(folder / name)
    check(find_kamailio(config), folder)
    print("Kamailio accepts it")
    return 0
