"""Check a configuration file and say everything that is wrong with it, at its line and column.

Exit code 0 when it can be used, 1 when it cannot. Warnings and notes do not change the exit code.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from edge.dialplan.loading import findings
from media import ConfigError
from media.config.read import Problem

HELP = "check a configuration file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``cordboard check``."""
    parser.add_argument("file", type=Path, help="the configuration, for example cordboard.yaml")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Print one line per finding and a summary."""
    try:
        errors, warnings, notes = findings(args.file)
    except ConfigError as error:
        said = "; ".join(each.removeprefix(f"{args.file}: ") for each in error.problems)
        errors = [Problem(str(args.file), 1, 1, "", said)]
        warnings, notes = [], []
    if args.json:
        groups = {"errors": errors, "warnings": warnings, "notes": notes}
        body = {key: [dataclasses.asdict(each) for each in group] for key, group in groups.items()}
        print(json.dumps({"file": str(args.file), "ok": not errors, **body}, indent=2))
        return 1 if errors else 0
    for each in errors:
        print(each)
    if not args.quiet:
        for each in warnings:
            print(f"{each} [warning]")
        for each in notes:
            print(f"{each} [note]")
        counts = [_count(errors, "error"), _count(warnings, "warning"), _count(notes, "note")]
        verdict = "cannot be used" if errors else "is good"
        print(f"{args.file} {verdict}: {', '.join(counts)}")
    return 1 if errors else 0


def _count(found: list[Problem], word: str) -> str:
    return f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
