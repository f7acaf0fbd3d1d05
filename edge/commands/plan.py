"""Compare the dial plan in force with a new one: which numbers go elsewhere.

Exit code 0 when every representative call goes where it went, 1 when some do not, 2 when one of
the files cannot be used.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.commands.explain import DEFAULT_CONFIG
from edge.dialplan.difference import Moved, differences
from edge.dialplan.plan import DialPlan
from media import ConfigError
from media.config.load import load_config
from media.config.model import Config

HELP = "show which numbers a new configuration sends elsewhere"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``cordboard plan``."""
    parser.add_argument("--diff", type=Path, required=True, metavar="NEW", help="the new file")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="the file in force"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def run(args: argparse.Namespace) -> int:
    """Print one line per kind of call that moves."""
    try:
        old, new = load_config(args.config), load_config(args.diff)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    trunks = sorted({*old.trunks, *new.trunks})
    now = datetime.datetime.now(datetime.UTC)
    moved = list(differences(DialPlan.compile(old), DialPlan.compile(new), trunks, now))
    zone = _zone(new, old)
    if args.json:
        print(json.dumps([_as_json(each, zone) for each in moved], indent=2))
    else:
        for each in moved:
            print(f"{each.called} ({_example(each, zone)}): {each.old} -> {each.new}")
        count = len({each.called for each in moved})
        goes = " goes" if count == 1 else "s go"
        print(f"{count} number pattern{goes} elsewhere with {args.diff}")
    return 1 if moved else 0


def _zone(*configs: Config) -> ZoneInfo:
    """Return the time zone of the first hours, as ``cordboard explain`` takes it."""
    zones = (each.time_zone for config in configs for each in config.hours.values())
    return ZoneInfo(next(zones, "UTC"))


def _example(moved: Moved, zone: ZoneInfo) -> str:
    facts = moved.facts
    parts = [facts.called or "no number"]
    if facts.caller != "anonymous":
        parts.append(f"from {facts.caller}")
    if facts.trunk:
        parts.append(f"over {facts.trunk}")
    parts += [f"{name}: {value}" for name, value in facts.headers.items()]
    if facts.load:
        parts.append(f"load {facts.load:.0%}")
    parts.append(f"{facts.at.astimezone(zone):%a %Y-%m-%d %H:%M} {zone.key}")
    return ", ".join(parts)


def _as_json(moved: Moved, zone: ZoneInfo) -> dict[str, object]:
    return {
        "called": moved.called,
        "example": {
            "to": moved.facts.called,
            "from": moved.facts.caller,
            "trunk": moved.facts.trunk,
            "at": moved.facts.at.astimezone(zone).isoformat(),
            "headers": dict(moved.facts.headers),
            "load": moved.facts.load,
        },
        "old": str(moved.old),
        "new": str(moved.new),
    }
