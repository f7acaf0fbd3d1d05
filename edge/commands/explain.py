"""Explain where one imagined call goes: what each dial rule says to it, and the final action.

Example:
    cordboard explain --to +493012345 --from +491701234567 --trunk carrier
        --at "2026-12-25 10:00" --header X-Customer=gold
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
from pathlib import Path

from edge.dialplan.plan import CallFacts, Decision, DialPlan
from edge.numbers import Numbers
from media import ConfigError
from media.config.checks import HEADER_NAME
from media.config.consistency import unknown
from media.config.load import Loaded, read_config
from media.config.trunks import NumbersConfig

HELP = "show which dial rule takes a call, and why"
DEFAULT_CONFIG = Path("deploy/cordboard.yaml")
LONG_PLAN = 40
"""Of more rules than that only those are shown that the number does not rule out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``cordboard explain``."""
    parser.add_argument("--to", required=True, metavar="NUMBER", help="number that is dialled")
    parser.add_argument(
        "--from", dest="caller", default="anonymous", metavar="NUMBER", help="number of the caller"
    )
    parser.add_argument("--trunk", help="trunk the call comes in over; its number format applies")
    parser.add_argument(
        "--at", metavar="TIME", help='"2026-12-25 10:00", of --zone; with +01:00 as it says; now'
    )
    parser.add_argument("--zone", help="time zone of --at; the one of the file's hours, else UTC")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME=VALUE", help="may be repeated"
    )
    parser.add_argument("--load", type=_percent, default=0.0, help="percent of the calls in use")
    parser.add_argument(
        "--all", action="store_true", help="say what every rule of a long plan says"
    )
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="the configuration"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print each rule with its verdict, then the action."""
    loaded = read_config(args.config)
    if loaded.config is None:
        raise ConfigError([str(each) for each in sorted(loaded.reading.problems)])
    facts = _facts(args, loaded)
    decision = DialPlan.compile(loaded.config).explain(facts)
    if args.json:
        print(json.dumps(_as_json(facts, decision, loaded), indent=2))
    else:
        _print(facts, decision, loaded, everything=args.all)
    return 0


def _percent(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 1_000:
        raise argparse.ArgumentTypeError(f'"{text}" is no load in percent; expected for example 80')
    return percent


def _facts(args: argparse.Namespace, loaded: Loaded) -> CallFacts:
    config = loaded.config
    assert config is not None
    numbers = Numbers(NumbersConfig())  # as a call from no trunk is read
    if args.trunk is not None:
        if args.trunk not in config.trunks:
            raise ConfigError([f"--trunk: {unknown('trunk', args.trunk, config.trunks)}"])
        numbers = Numbers(config.trunks[args.trunk].numbers)
    called, caller = (numbers.receive(_address(each)) for each in (args.to, args.caller))
    headers = {}
    for each in args.header:
        name, mark, value = each.partition("=" if "=" in each else ":")
        if not mark or HEADER_NAME.problem(name.strip()) is not None:
            raise ConfigError([f'--header: "{each}" is no header; expected NAME=VALUE'])
        headers[name.strip()] = value.strip()
    zones = [each.time_zone for each in config.hours.values()]
    at = parse_instant(args.at, args.zone or (zones[0] if zones else "UTC"))
    return CallFacts(called, caller, at, args.trunk, headers, args.load / 100)


def _address(text: str) -> str:
    """Return what stands between angle brackets, where a name stands before them."""
    _, begun, rest = text.partition("<")
    return rest.partition(">")[0] if begun else text


def parse_instant(text: str | None, zone: str) -> datetime.datetime:
    """Return an instant with its zone; None is now.

    Args:
        text: ISO 8601 date and time, an offset optional.
        zone: IANA name for a text without an offset.

    Raises:
        ConfigError: not a time, or not a zone.
    """
    # imported here: zone data is read from disk on first use
    from zoneinfo import ZoneInfo, available_timezones

    if zone not in available_timezones():
        raise ConfigError([f"--zone: {unknown('time zone', zone, available_timezones())}"])
    if text is None:
        return datetime.datetime.now(ZoneInfo(zone))
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError([f'--at: "{text}" is not a time; expected "2026-12-25 10:00"']) from error
    if at.tzinfo is not None:
        return at
    there = at.replace(tzinfo=ZoneInfo(zone))
    # PEP 495: a wall-clock time in the missing hour does not survive the way through UTC
    if (
        at.year > 1
        and (back := there.astimezone(datetime.UTC).astimezone(ZoneInfo(zone))).replace(tzinfo=None)
        != at
    ):
        what = f"the clock is put forward past it; {back:%H:%M} is the same instant"
        raise ConfigError([f'--at: there is no "{text}" in {zone}: {what}'])
    return there


def _print(
    facts: CallFacts, decision: Decision, loaded: Loaded, *, everything: bool = False
) -> None:
    trunk = f" over {facts.trunk}" if facts.trunk else ""
    when = facts.at.strftime("%a %Y-%m-%d %H:%M %Z")
    print(f"call from {facts.caller} to {facts.called}{trunk}, {when}\n")
    verdicts = list(decision.verdicts)
    if len(verdicts) > LONG_PLAN and not everything:
        other = f"called {facts.called} is not "
        verdicts = [e for e in verdicts if e.matched or not e.reason.startswith(other)]
    for each in verdicts:
        line, _ = loaded.reading.position(f"dialplan[{each.rule.index}]")
        mark = "->" if each.matched else "  "
        print(f"{mark} {each.rule.label} (line {line}): {each.reason}")
    if others := len(decision.verdicts) - len(verdicts):
        print(f"   {others} rules for other numbers; --all shows them")
    print(f"\naction: {decision.action}")
    action = decision.action.on_failure
    while action is not None:
        print(f"on failure: {action}")
        action = action.on_failure


def _as_json(facts: CallFacts, decision: Decision, loaded: Loaded) -> dict[str, object]:
    return {
        "call": {
            "to": facts.called,
            "from": facts.caller,
            "trunk": facts.trunk,
            "at": facts.at.isoformat(),
        },
        "rules": [
            {
                "index": each.rule.index,
                "name": each.rule.name,
                "line": loaded.reading.position(f"dialplan[{each.rule.index}]")[0],
                "matched": each.matched,
                "reason": each.reason,
            }
            for each in decision.verdicts
        ],
        "action": dataclasses.asdict(decision.action),
        "variables": dict(decision.variables),
    }
