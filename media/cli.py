"""The ``cordboard`` command: find the subcommand's module, parse its arguments, run it.

Each subcommand is a module named by the entry-point group ``cordboard.commands`` with
``HELP: str``, ``add_arguments(parser)`` and ``run(args) -> int``. The dispatcher knows none of
them, so that the packages stay independent of each other.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from importlib.metadata import entry_points

from media import CordboardError

GROUP = "cordboard.commands"


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; errors are one readable line and exit code 1 (2 for usage)."""
    arguments = sys.argv[1:] if argv is None else argv
    commands = {each.name: each.value for each in entry_points(group=GROUP)}
    parser = argparse.ArgumentParser(
        prog="cordboard",
        description="Cordboard, the on-prem telephone switchboard with a mind.",
        epilog="'cordboard COMMAND --help' explains one command.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((each for each in arguments if not each.startswith("-")), None)
    for name in sorted(commands):
        if wanted in commands and name != wanted:
            continue
        module = importlib.import_module(commands[name])
        sub = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except CordboardError as error:
        # a place in a file stands at the beginning of its line, where editors look for it
        placed = re.match(r"[^\n:]+:\d+:\d+: ", str(error)) is not None
        print(error if placed else f"cordboard {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
